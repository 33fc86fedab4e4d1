"""Intrinsics under the names that nerfstudio's and instant-ngp's ``transforms.json`` give them.

Per frame or shared, a frame's own value first: ``w h fl_x fl_y cx cy``, or ``camera_angle_x``
(radians) instead of the focal length; ``k1 k2 k3 p1 p2`` of an OpenCV lens, ``k1`` to ``k4`` of a
fisheye (``camera_model`` or ``is_fisheye`` tell); ``distortion_params`` is k1 k2 k3 k4 p1 p2.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.scene.formats.json_fields import Fields

T = TypeVar("T")

__all__ = ["LENS_KEYS", "lens_of", "model_of", "values_of"]

_DISTORTION = ("k1", "k2", "k3", "k4", "p1", "p2")
_PERSPECTIVE = ("SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV")
_FISHEYE = ("OPENCV_FISHEYE", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE")

LENS_KEYS = (
    *("w", "h", "fl_x", "fl_y", "cx", "cy", "camera_angle_x", "camera_angle_y"),
    *("camera_model", "is_fisheye", "distortion_params", *_DISTORTION),
)
"""All keys that say something about the lens."""


def lens_of(
    frame: Fields, document: Fields, image_size: Callable[[], tuple[int, int]]
) -> Intrinsics:
    """The intrinsics of a frame.

    Args:
        frame: Its own values.
        document: The shared values.
        image_size: Gives width and height of its image, asked where the values do not tell.

    Raises:
        DataError: If a value is missing, out of range, or of a lens that is not supported.
    """
    levels = (frame, document)
    width, height = (_first(level.count(key) for level in levels) for key in ("w", "h"))
    if width is None or height is None:
        width, height = image_size()
    fx = _focal(levels, "x", width)
    fy = _focal(levels, "y", height)
    if fx is None:
        raise frame.error("fl_x or camera_angle_x expected")
    cx, cy = (_first(level.number(key) for level in levels) for key in ("cx", "cy"))
    fisheye = _is_fisheye(levels)
    distortion = _opencv_fisheye(levels) if fisheye else _opencv(levels)
    kind = "fisheye" if fisheye else "opencv" if any(distortion) else "pinhole"
    try:
        return Intrinsics(
            width,
            height,
            fx,
            fx if fy is None else fy,
            width / 2 if cx is None else cx,
            height / 2 if cy is None else cy,
            kind,
            () if kind == "pinhole" else distortion,
        )
    except ValueError as error:
        raise frame.error(str(error)) from None


def model_of(lenses: Iterable[Intrinsics]) -> str | None:
    """The ``camera_model`` that fits all lenses; None if some are fisheyes and some are not."""
    kinds = {"pinhole" if lens.is_pinhole else lens.lens for lens in lenses}
    if "fisheye" in kinds:
        return "OPENCV_FISHEYE" if len(kinds) == 1 else None
    return "OPENCV" if "opencv" in kinds else "PINHOLE"


def values_of(lens: Intrinsics) -> Mapping[str, int | float] | None:
    """Entries for one lens; None for a rational lens (k4 k5 k6), for which there are no names."""
    values: dict[str, int | float] = {
        "w": lens.width,
        "h": lens.height,
        "fl_x": lens.fx,
        "fl_y": lens.fy,
    }
    values |= {"cx": lens.cx, "cy": lens.cy}
    if lens.lens == "fisheye":
        return values | dict(zip(("k1", "k2", "k3", "k4"), lens.distortion, strict=True))
    k1, k2, p1, p2, k3, *rational = lens.distortion or (0.0,) * 8
    if any(rational):
        return None
    return values | {"k1": k1, "k2": k2, "k3": k3, "p1": p1, "p2": p2}


def _first(values: Iterable[T | None]) -> T | None:
    return next((value for value in values if value is not None), None)


def _focal(levels: Sequence[Fields], axis: str, extent: int) -> float | None:
    for level in levels:
        focal = level.number(f"fl_{axis}")
        angle = level.number(f"camera_angle_{axis}")
        if focal is not None:
            return focal
        if angle is not None:
            if not 0 < angle < math.pi:
                raise level.error(f"camera_angle_{axis} must be in (0, pi), got {angle:g}")
            return extent / (2 * math.tan(angle / 2))
    return None


def _is_fisheye(levels: Sequence[Fields]) -> bool:
    for level in levels:
        model = level.text("camera_model")
        if model in _FISHEYE or level.values.get("is_fisheye") is True:
            return True
        if model in _PERSPECTIVE:
            return False
        if model is not None:
            known = ", ".join((*_PERSPECTIVE, *_FISHEYE))
            raise level.error(f"camera_model {model!r} is not supported; supported are {known}")
    return False


def _opencv(levels: Sequence[Fields]) -> tuple[float, ...]:
    k1, k2, k3, k4, p1, p2 = _distortion(levels)
    if k4:
        raise levels[0].error("k4 (the r^8 term) is supported for fisheye lenses only")
    return k1, k2, p1, p2, k3


def _opencv_fisheye(levels: Sequence[Fields]) -> tuple[float, ...]:
    k1, k2, k3, k4, p1, p2 = _distortion(levels)
    if p1 or p2:
        raise levels[0].error("p1 and p2 are not supported for fisheye lenses")
    return k1, k2, k3, k4


def _distortion(levels: Sequence[Fields]) -> tuple[float, ...]:
    whole = next((level for level in levels if level.items("distortion_params")), None)
    if whole is None:
        return tuple(_first(level.number(key) for level in levels) or 0.0 for key in _DISTORTION)
    params = whole.items("distortion_params")
    if len(params) != 6:
        raise whole.error(f"distortion_params must be 6 numbers, got {len(params)}")
    named = Fields(whole.source, dict(zip(_DISTORTION, params, strict=True)), whole.where)
    return tuple(named.number(key) or 0.0 for key in _DISTORTION)
