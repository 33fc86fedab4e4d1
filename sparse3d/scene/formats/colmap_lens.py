"""COLMAP's camera models and :class:`Intrinsics`, in both directions.

Parameters of each model: ``src/colmap/sensor/models.h`` of COLMAP. The centre of COLMAP's first
pixel is (0.5, 0.5), as here. Its fisheye models with up to four terms are all Kannala-Brandt.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sparse3d.errors import DataError
from sparse3d.geometry.intrinsics import Intrinsics, Lens

__all__ = [
    "MODELS",
    "ColmapModel",
    "lens_from_colmap",
    "lens_to_colmap",
    "model_named",
    "model_numbered",
]


@dataclass(frozen=True, slots=True)
class ColmapModel:
    """One camera model of COLMAP."""

    number: int
    """Identifier in binary files."""
    name: str
    """Identifier in text files."""
    parameters: str
    """Names of the parameters in their order in the file."""
    lens: Lens
    """The lens of ours that it is, if its distortion is not zero."""

    @property
    def count(self) -> int:
        """Number of parameters."""
        return len(self.parameters.split())


MODELS = (
    ColmapModel(0, "SIMPLE_PINHOLE", "f cx cy", "pinhole"),
    ColmapModel(1, "PINHOLE", "fx fy cx cy", "pinhole"),
    ColmapModel(2, "SIMPLE_RADIAL", "f cx cy k1", "opencv"),
    ColmapModel(3, "RADIAL", "f cx cy k1 k2", "opencv"),
    ColmapModel(4, "OPENCV", "fx fy cx cy k1 k2 p1 p2", "opencv"),
    ColmapModel(5, "OPENCV_FISHEYE", "fx fy cx cy k1 k2 k3 k4", "fisheye"),
    ColmapModel(6, "FULL_OPENCV", "fx fy cx cy k1 k2 p1 p2 k3 k4 k5 k6", "opencv"),
    ColmapModel(8, "SIMPLE_RADIAL_FISHEYE", "f cx cy k1", "fisheye"),
    ColmapModel(9, "RADIAL_FISHEYE", "f cx cy k1 k2", "fisheye"),
)

_UNSUPPORTED = {
    7: "FOV", 10: "THIN_PRISM_FISHEYE", 11: "RAD_TAN_THIN_PRISM_FISHEYE", 12: "SIMPLE_DIVISION",
    13: "DIVISION", 14: "SIMPLE_FISHEYE", 15: "FISHEYE", 16: "EUCM", 17: "EQUIRECTANGULAR",
}  # fmt: skip

_DISTORTION = {
    "pinhole": (),
    "opencv": ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"),
    "fisheye": ("k1", "k2", "k3", "k4"),
}


def model_numbered(number: int, path: Path) -> ColmapModel:
    """The model of a number in a binary file.

    Raises:
        DataError: If the model is not supported.
    """
    name = _UNSUPPORTED.get(number, str(number))
    return _model(path, name, lambda model: model.number == number)


def model_named(name: str, path: Path) -> ColmapModel:
    """The model of a name in a text file.

    Raises:
        DataError: If the model is not supported.
    """
    return _model(path, name, lambda model: model.name == name)


def lens_from_colmap(
    model: ColmapModel, width: int, height: int, parameters: Sequence[float], path: Path
) -> Intrinsics:
    """Intrinsics of a camera; a distortion of zeros makes it a pinhole.

    Raises:
        DataError: If size, focal length or a parameter is out of range.
    """
    named = dict(zip(model.parameters.split(), parameters, strict=True))
    distortion = tuple(named.get(key, 0.0) for key in _DISTORTION[model.lens])
    plain = model.lens == "opencv" and not any(distortion)
    try:
        return Intrinsics(
            width,
            height,
            named["f"] if "f" in named else named["fx"],
            named["f"] if "f" in named else named["fy"],
            named["cx"],
            named["cy"],
            "pinhole" if plain else model.lens,
            () if plain else distortion,
        )
    except ValueError as error:
        raise DataError(path, str(error)) from None


def lens_to_colmap(lens: Intrinsics) -> tuple[ColmapModel, tuple[float, ...]]:
    """The smallest model with separate focal lengths that holds a lens, and its parameters."""
    named = dict(zip(_DISTORTION[lens.lens], lens.distortion, strict=True))
    if lens.is_pinhole:
        name = "PINHOLE"
    elif lens.lens == "fisheye":
        name = "OPENCV_FISHEYE"
    else:
        name = "FULL_OPENCV" if any(named[k] for k in ("k3", "k4", "k5", "k6")) else "OPENCV"
    model = next(model for model in MODELS if model.name == name)
    named |= {"fx": lens.fx, "fy": lens.fy, "cx": lens.cx, "cy": lens.cy}
    return model, tuple(named[key] for key in model.parameters.split())


def _model(path: Path, name: str, fits: Callable[[ColmapModel], bool]) -> ColmapModel:
    found = next((model for model in MODELS if fits(model)), None)
    if found is None:
        known = ", ".join(model.name for model in MODELS)
        raise DataError(path, f"camera model {name} is not supported; supported are {known}")
    return found
