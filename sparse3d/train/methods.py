"""The methods that can be trained. Listing them imports neither torch nor any method."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparse3d.errors import ConfigError
from sparse3d.train.config import config_folder, load_config

if TYPE_CHECKING:
    from sparse3d.scene import Scene
    from sparse3d.train.task import Task

__all__ = ["METHODS", "Method", "find_method"]


@dataclass(frozen=True, slots=True)
class Method:
    """One method: how it is configured, and how a task is made of it."""

    name: str
    """Name under ``sparse3d train`` and ``ns-train``."""
    summary: str
    """One line for help texts."""
    defaults: str
    """File with the default configuration, under :func:`~sparse3d.train.config.config_folder`."""
    config_type: Callable[[], type[Any]]
    """Imports the dataclass of the configuration, without torch; every field has a default."""
    builder: Callable[[], Callable[["Scene", Any, int, Path | None], "Task[Any]"]]
    """Imports the function from scene, configuration, seed and a folder for what is slow to
    compute anew (None: nothing is kept) to a task."""

    def default_config(self) -> Any:
        """The shipped configuration."""
        return load_config(config_folder() / self.defaults, self.config_type()())


def find_method(name: str) -> Method:
    """A method by its name.

    Raises:
        ConfigError: If there is none; the message names the nearest.
    """
    for method in METHODS:
        if method.name == name:
            return method
    names = [method.name for method in METHODS]
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.0)[0]
    raise ConfigError(f"there is no method {name!r}; did you mean {nearest!r}?")


def _splat_config() -> type[Any]:
    from sparse3d.splat.config import SplatConfig

    return SplatConfig


def _splat_task() -> Callable[["Scene", Any, int, Path | None], "Task[Any]"]:
    from sparse3d.splat.task import SplatTask

    return SplatTask.from_scene


def _second_config() -> type[Any]:
    from sparse3d.detect.config import SecondConfig

    return SecondConfig


def _second_task() -> Callable[["Scene", Any, int, Path | None], "Task[Any]"]:
    from sparse3d.detect.task import DetectTask

    return DetectTask.from_scene


def _unet_config() -> type[Any]:
    from sparse3d.segment.config import SegmentConfig

    return SegmentConfig


def _unet_task() -> Callable[["Scene", Any, int, Path | None], "Task[Any]"]:
    from sparse3d.segment.task import SegmentTask

    return SegmentTask.from_scene


METHODS = (
    Method(
        name="second",
        summary="3D object detection on point clouds: sparse convolutions, centre heatmaps",
        defaults="detect/second.yaml",
        config_type=_second_config,
        builder=_second_task,
    ),
    Method(
        name="sparse-unet",
        summary="Semantic segmentation of point clouds: a residual UNet of sparse convolutions",
        defaults="segment/sparse-unet.yaml",
        config_type=_unet_config,
        builder=_unet_task,
    ),
    Method(
        name="sparse-splat",
        summary="Gaussian splatting from few posed photos",
        defaults="splat/sparse-splat.yaml",
        config_type=_splat_config,
        builder=_splat_task,
    ),
)
"""All methods, in the order of the help text."""
