"""Ours: the public operator with timings of its forward and backward pass."""

import time
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from harness import Clock, Timing
from raster.scalar import Images
from raster.scenes import Scene
from sparse3d.ops.rasterize import Render, rasterize
from sparse3d.scene import Gaussians

__all__ = [
    "Passes",
    "forward_and_backward",
    "images_of",
    "leaves",
    "random_cotangent",
    "render",
    "time_passes",
]


@dataclass(frozen=True, slots=True)
class Passes:
    """Times of the two passes."""

    forward: Timing
    backward: Timing


def render(scene: Scene) -> Render:
    """Draw a scene, as anybody would."""
    return rasterize(scene.gaussians, scene.views, background=scene.background)


def leaves(scene: Scene) -> tuple[Scene, list[Tensor]]:
    """The scene with parameters that take gradients, and these parameters."""
    old = scene.gaussians
    values = (old.means, old.quaternions, old.log_scales, old.logit_opacities, old.sh)
    parameters = [value.detach().clone().requires_grad_() for value in values]
    return replace(scene, gaussians=Gaussians(*parameters)), parameters


def random_cotangent(scene: Scene, seed: int = 1) -> Images:
    """Gradients with respect to the images of a scene, normal(0, 1)."""
    rng = torch.Generator().manual_seed(seed)
    size = (scene.views.height, scene.views.width)
    planes = torch.randn(2, *size, generator=rng)
    return Images(torch.randn(*size, 3, generator=rng), planes[0], planes[1])


def images_of(drawn: Render) -> Images:
    """The pictures of the only view."""
    return Images(drawn.colors[0], drawn.alphas[0], drawn.depths[0])


def forward_and_backward(scene: Scene, cotangent: Images) -> tuple[Images, tuple[Tensor, ...]]:
    """Images and gradients of all parameters, like :meth:`ScalarRasterizer.run`."""
    variable, parameters = leaves(scene)
    images = images_of(render(variable))
    gradients = torch.autograd.grad(list(images.all), parameters, list(cotangent.all))
    return Images(*(image.detach() for image in images.all)), gradients


def time_passes(scene: Scene, cotangent: Images, clock: Clock) -> Passes:
    """Time forward and backward of one picture."""
    variable, parameters = leaves(scene)

    def once() -> tuple[float, float]:
        begin = time.perf_counter()
        images = images_of(render(variable))
        middle = time.perf_counter()
        torch.autograd.grad(list(images.all), parameters, list(cotangent.all))
        return middle - begin, time.perf_counter() - middle

    forward, backward = zip(*clock.repeat(once), strict=True)
    return Passes(Timing.of(forward), Timing.of(backward))
