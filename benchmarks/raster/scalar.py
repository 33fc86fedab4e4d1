"""The scalar rasteriser and the counter of pairs, called from Python."""

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from harness.compiler import compile_library
from raster.scenes import Scene

__all__ = ["Images", "Pairs", "ScalarRasterizer", "count_pairs"]

FOLDER = Path(__file__).parents[1]
# The usual flags of a release build, and no vectors, as the name says.
FLAGS = ("-O2", "-fno-tree-vectorize")
COUNT_FLAGS = ("-O3", "-march=native")


@dataclass(frozen=True)
class Images:
    """Colours, alphas and depths of one view, or the gradients with respect to them."""

    colors: Float[Tensor, "h w 3"]
    alphas: Float[Tensor, "h w"]
    depths: Float[Tensor, "h w"]

    @property
    def all(self) -> tuple[Tensor, Tensor, Tensor]:
        """The three of them."""
        return self.colors, self.alphas, self.depths

    @classmethod
    def zeros(cls, height: int, width: int) -> "Images":
        """Black, empty images."""
        plane = torch.zeros(height, width)
        return cls(torch.zeros(height, width, 3), plane, plane.clone())


@dataclass(frozen=True, slots=True)
class Pairs:
    """How much there is to blend in a picture."""

    drawn: int
    """Gaussian-pixel pairs with alpha of at least 1/255, before the pixel ended."""
    forward: int
    """Pairs in the rows of 16 pixels that the kernel walks over to draw these."""
    backward: int
    """Pairs in the registers that its backward pass walks over."""

    def __sub__(self, other: "Pairs") -> "Pairs":
        return Pairs(
            self.drawn - other.drawn,
            self.forward - other.forward,
            self.backward - other.backward,
        )


class _Scene(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int) for name in ("count", "coefficients", "width", "height")),
        ("near", ctypes.c_float),
        *(
            (name, ctypes.c_void_p)
            for name in ("means", "quaternions", "log_scales", "logits", "sh")
        ),
        *((name, ctypes.c_void_p) for name in ("pose", "matrix", "background")),
    )


@contextmanager
def _as_struct(scene: Scene) -> Iterator[_Scene]:
    """The scene for C++, while this block keeps its memory alive."""
    gaussians, views = scene.gaussians, scene.views
    if gaussians.sh.shape[1] not in (1, 4):
        raise ValueError(f"SH degree 0 or 1 expected, got {gaussians.sh_degree}")
    tensors = [t.detach().contiguous() for t in _parameters(scene)]
    tensors += [views.world_from_camera[0].contiguous(), views.matrices[0].contiguous()]
    tensors.append(scene.background)
    sizes = (len(gaussians), gaussians.sh.shape[1], views.width, views.height)
    yield _Scene(*sizes, 0.01, *_pointers(tensors))


class ScalarRasterizer:
    """One thread, forward and backward, of scenes with SH degree 0 or 1.

    Raises:
        UnavailableError: If there is no g++ to compile it.
    """

    def __init__(self) -> None:
        self._library = compile_library(FOLDER / "scalar_rasterizer.cpp", FLAGS)
        self._library.scalar_forward.restype = ctypes.c_void_p

    def run(self, scene: Scene, cotangent: Images) -> tuple[Images, tuple[Tensor, ...]]:
        """Images, and gradients of means, quaternions, log scales, logits and SH."""
        images = Images.zeros(scene.views.height, scene.views.width)
        gradients = tuple(torch.zeros_like(t) for t in _parameters(scene))
        outputs = (ctypes.c_void_p * len(gradients))(*_pointers(gradients))
        with _as_struct(scene) as struct:
            pointers = (ctypes.c_void_p(p) for p in _pointers(images.all))
            plan = ctypes.c_void_p(self._library.scalar_forward(ctypes.byref(struct), *pointers))
            given = (ctypes.c_void_p(p) for p in _pointers(cotangent.all))
            self._library.scalar_backward(plan, ctypes.byref(struct), *given, outputs)
            self._library.scalar_free(plan)
        return images, gradients


def count_pairs(scene: Scene, lanes: int = 16) -> Pairs:
    """Count the pairs of a picture.

    Args:
        scene: What is drawn, SH degree 0 or 1.
        lanes: Pixels that are evaluated at once: floats of a register, up to 16.

    Raises:
        UnavailableError: If there is no g++.
    """
    library = compile_library(FOLDER / "count_pairs.cpp", COUNT_FLAGS)
    counts = (ctypes.c_int64 * 3)()
    with _as_struct(scene) as struct:
        library.count_pairs(ctypes.byref(struct), lanes, counts)
    return Pairs(*counts)


def _parameters(scene: Scene) -> tuple[Tensor, ...]:
    gaussians = scene.gaussians
    return (
        gaussians.means,
        gaussians.quaternions,
        gaussians.log_scales,
        gaussians.logit_opacities,
        gaussians.sh,
    )


def _pointers(tensors: Sequence[Tensor]) -> list[int]:
    for tensor in tensors:
        if not tensor.is_contiguous() or tensor.dtype != torch.float32:
            raise ValueError(f"contiguous float32 expected, got {tensor.dtype}")
    return [tensor.data_ptr() for tensor in tensors]
