"""Draw points, lines and triangles into pinhole views, the nearest in front; no gradients."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sparse3d.geometry.views import Views
from sparse3d.ops.backend import Backend, choose_backend
from sparse3d.ops.draw import _canvas, _checks, _native, _reference, _shading, _torch
from sparse3d.ops.draw._shapes import Dots, Faces, Strokes
from sparse3d.ops.draw.compose import compose
from sparse3d.ops.draw.drawing import Drawing
from sparse3d.ops.draw.primitives import Lines, Points, Primitive, Triangles

__all__ = ["Drawing", "Lines", "Points", "Primitive", "Triangles", "compose", "draw"]

_BACKENDS = {"reference": _reference, "torch": _torch, "native": _native}


@torch.no_grad()
def draw(
    primitives: Sequence[Primitive],
    views: Views,
    *,
    background: tuple[float, float, float] | Float[Tensor, "c h w 3"] = (0.0, 0.0, 0.0),
    depth: Float[Tensor, "c h w"] | None = None,
    samples: int = 1,
    near: float = 0.01,
    backend: Backend = "auto",
) -> Drawing:
    """Draw primitives, the nearest in front, equally near ones by their order, the first in front.

    Everything is opaque. A pixel is drawn by what covers its centre: a point where the centre is
    nearer than its radius (and at least the pixel that it lies in); a line where the centre is
    within half its width; a face by the top-left rule, after its corners were rounded to 1/256
    pixel, so that faces that share an edge neither leave a gap nor draw a pixel twice. Lines and
    faces are cut where they come nearer than ``near``; depths and colours are interpolated correct
    in perspective. All is computed in float64 and rounded at the end. Nothing carries a gradient.
    On the CPU the result does not depend on the number of threads.

    Poses count as rigid: their inverse is the transpose.

    Args:
        primitives: What to draw, in the world; positions float32 or float64, colours float32.
        views: Cameras that share an image size, on the device of the primitives.
        background: RGB behind everything, or float32 pictures to draw into.
        depth: z-depth of the pictures to draw into, float32, infinite where nothing is; what is
            there stays in front of what is equally near.
        samples: 1, or 2 for smooth edges: drawn at twice the size, then a pixel's colour is the
            mean of its four samples, its depth and number are those of the nearest. Radii and
            widths in pixels stay what they are.
        near: Points of z-depth ``near`` or less are not drawn, scene units.
        backend: ``auto`` takes the C++ kernels on the CPU where they were built, else torch;
            ``reference`` is the loop that tests compare with.

    Returns:
        Pictures of ``c`` views of ``h`` by ``w`` pixels.

    Raises:
        ValueError: If shapes, dtypes or devices do not fit together, a value is not finite or a
            coordinate above 1e18, a face names no vertex, or a camera matrix is not a pinhole's.
        MissingDependencyError: If ``native`` is asked for and was not built.

    Example:
        >>> views = Views(torch.eye(4)[None], torch.eye(3)[None], 2, 1)
        >>> red = Points(torch.tensor([[0.5, 0.5, 1.0]]), torch.tensor([[1.0, 0.0, 0.0]]), 0.5)
        >>> draw([red], views).ids.tolist()
        [[[0, -1]]]
    """
    device, shape = views.matrices.device, (len(views), views.height, views.width)
    _checks.cameras(views, samples, near)
    _checks.pictures(background, depth, shape, device)
    for number, primitive in enumerate(primitives):
        _checks.primitive(primitive, number, device)
    if sum(map(len, primitives)) >= 1 << 30:
        raise ValueError("fewer than 2^30 points, lines and faces expected")
    chosen = choose_backend(backend, device)
    canvas = _canvas.blank(background, depth, shape, samples, device)
    for number in range(len(views)):
        single = _canvas.Canvas(*(picture[number] for picture in canvas))
        _draw_all(chosen, single, _camera(views, number, samples, near), primitives, samples)
    return Drawing(*_canvas.reduced(canvas, samples))


def _camera(views: Views, number: int, samples: int, near: float) -> _canvas.Camera:
    matrix = views.matrices[number].detach().double().clone()
    matrix[:2] *= samples  # pixel centres at +0.5: a finer grid is a plain multiple
    pose = views.world_from_camera[number].detach().double()
    return _canvas.Camera(pose.contiguous(), matrix, near)


def _draw_all(
    backend: Backend,
    canvas: _canvas.Canvas,
    camera: _canvas.Camera,
    primitives: Sequence[Primitive],
    samples: int,
) -> None:
    """One after the other: what came first stays in front of what is equally near."""
    module, first = _BACKENDS[backend], 0
    for thing in primitives:
        if len(thing) == 0:
            continue
        if isinstance(thing, Points):
            in_world = thing.unit == "world"
            radius = thing.radius if in_world else thing.radius * samples
            places, paint = thing.positions.detach(), thing.colors.detach()
            module.points(canvas, camera, Dots(places, paint, radius, in_world, first))
        elif isinstance(thing, Lines):
            ends = torch.stack([thing.starts.detach(), thing.ends.detach()], 1).double()
            half, nearer = max(thing.width * samples, 1.0) / 2, 1 - thing.bias
            paint = thing.colors.detach()
            module.lines(canvas, camera, Strokes(ends, paint, half, nearer, first))
        else:
            places = _shading.corners(thing)
            eye = camera.world_from_camera[:3, 3]
            paint = _shading.corner_colors(thing, places, eye)
            module.triangles(canvas, camera, Faces(places, paint, first))
        first += len(thing)
