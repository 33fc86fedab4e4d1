"""What a call of ``draw`` must fulfil."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from sparse3d.geometry.views import Views
from sparse3d.ops.draw.primitives import Lines, Points, Primitive, Triangles

__all__ = ["cameras", "pictures", "primitive"]

_FARTHEST = 1e18  # products of four coordinates stay far below what float64 holds
_LARGEST = 32767  # samples along a side; native boxes hold 16 bits


def cameras(views: Views, samples: int, near: float) -> None:
    """Raise unless the cameras are finite pinholes of a size that can be drawn."""
    if samples not in (1, 2):
        raise ValueError(f"samples must be 1 or 2, got {samples}")
    if not (math.isfinite(near) and near > 0):
        raise ValueError(f"near must be positive and finite, got {near}")
    if not all(1 <= side * samples <= _LARGEST for side in (views.width, views.height)):
        raise ValueError(
            f"image size times samples must be 1 to {_LARGEST},"
            f" got {views.width}x{views.height} with {samples} samples"
        )
    _check_shape("views.matrices", views.matrices, (len(views), 3, 3))
    for name in ("world_from_camera", "matrices"):
        _check_finite(f"views.{name}", getattr(views, name), math.inf)
    for matrix in views.matrices.detach().tolist():
        (fx, skew, _), (skew_y, fy, _), last = matrix
        if not (fx > 0 and fy > 0 and skew == skew_y == 0 and last == [0, 0, 1]):
            raise ValueError(f"views.matrices must be of pinholes without skew, got {matrix}")


def pictures(
    background: tuple[float, float, float] | Tensor,
    depth: Tensor | None,
    shape: tuple[int, int, int],
    device: torch.device,
) -> None:
    """Raise unless pictures and depths to draw into fit the cameras."""
    if isinstance(background, Tensor):
        _check_shape("background", background, (*shape, 3))
        _check_finite("background", background, math.inf)
        _check_kind("background", background, (torch.float32,), device)
    elif len(background) != 3 or not all(map(math.isfinite, background)):
        raise ValueError(f"background must be three finite numbers, got {background}")
    if depth is not None:
        _check_shape("depth", depth, shape)
        _check_kind("depth", depth, (torch.float32,), device)
        if not bool((depth >= 0).all()):
            raise ValueError("depth must hold z-depths from 0 to infinity, got negative or nan")


def primitive(thing: Primitive, number: int, device: torch.device) -> None:
    """Raise unless a primitive can be drawn."""
    name = f"primitives[{number}]"
    if isinstance(thing, Points):
        _points(thing, name)
        parts = {"positions": thing.positions, "colors": thing.colors}
    elif isinstance(thing, Lines):
        _lines(thing, name)
        parts = {"starts": thing.starts, "ends": thing.ends, "colors": thing.colors}
    else:
        _triangles(thing, name)
        parts = {"vertices": thing.vertices, "colors": thing.colors}
    for part, tensor in parts.items():
        kinds = (torch.float32,) if part == "colors" else (torch.float32, torch.float64)
        _check_kind(f"{name}.{part}", tensor, kinds, device)
        _check_finite(f"{name}.{part}", tensor, _FARTHEST)


def _points(points: Points, name: str) -> None:
    if not 0 <= points.radius <= _FARTHEST:
        raise ValueError(f"{name}.radius must be finite and not negative, got {points.radius}")
    if points.unit not in ("pixel", "world"):
        raise ValueError(f"{name}.unit must be 'pixel' or 'world', got {points.unit!r}")
    _check_shape(f"{name}.positions", points.positions, (len(points), 3))
    _check_shape(f"{name}.colors", points.colors, (len(points), 3))


def _lines(lines: Lines, name: str) -> None:
    if not 0 <= lines.width <= _FARTHEST:
        raise ValueError(f"{name}.width must be finite and not negative, got {lines.width}")
    if not 0 <= lines.bias < 1:
        raise ValueError(f"{name}.bias must be at least 0 and below 1, got {lines.bias}")
    for part in ("starts", "ends", "colors"):
        _check_shape(f"{name}.{part}", getattr(lines, part), (len(lines), 3))


def _triangles(triangles: Triangles, name: str) -> None:
    count = len(triangles.vertices)
    _check_shape(f"{name}.vertices", triangles.vertices, (count, 3))
    _check_shape(f"{name}.faces", triangles.faces, (len(triangles), 3))
    if triangles.color_of not in ("vertex", "face"):
        raise ValueError(f"{name}.color_of must be 'vertex' or 'face', got {triangles.color_of!r}")
    rows = count if triangles.color_of == "vertex" else len(triangles)
    _check_shape(f"{name}.colors", triangles.colors, (rows, 3))
    wrong = (triangles.faces < 0) | (triangles.faces >= count)
    if bool(wrong.any()):
        row = int(wrong.any(1).nonzero()[0, 0])
        raise ValueError(
            f"{name}.faces must hold numbers of {count} vertices,"
            f" got {triangles.faces[row].tolist()} in row {row}"
        )


def _check_shape(name: str, tensor: Tensor, shape: Sequence[int]) -> None:
    if tuple(tensor.shape) != tuple(shape):
        raise ValueError(f"{name} must have shape {tuple(shape)}, got {tuple(tensor.shape)}")


def _check_kind(
    name: str, tensor: Tensor, dtypes: Sequence[torch.dtype], device: torch.device
) -> None:
    if tensor.dtype not in dtypes or tensor.device != device:
        wanted = " or ".join(str(dtype) for dtype in dtypes)
        raise ValueError(
            f"{name} must be {wanted} on {device} as the views,"
            f" got {tensor.dtype} on {tensor.device}"
        )


def _check_finite(name: str, tensor: Tensor, limit: float) -> None:
    values = tensor.detach()
    if not values.numel() or _all_below(values, limit):
        return
    rows = values.reshape(len(values), -1)
    row = int((~(rows.isfinite() & (rows.abs() <= limit)).all(1)).nonzero()[0, 0])
    extra = "" if math.isinf(limit) else f" and at most {limit:g}"
    raise ValueError(f"{name} must be finite{extra}, got {values[row].tolist()} in row {row}")


def _all_below(values: Tensor, limit: float) -> bool:
    low, high = values.aminmax()  # nan if any value is
    ends = (float(low), float(high))
    return all(math.isfinite(end) and abs(end) <= limit for end in ends)
