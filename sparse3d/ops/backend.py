"""Which backends are there, and which one a call gets."""

import importlib
import importlib.util
from types import ModuleType
from typing import Literal

import torch

from sparse3d.errors import MissingDependencyError

__all__ = ["Backend", "FastBackend", "choose_backend", "has_native", "native_module"]

Backend = Literal["auto", "reference", "torch", "native"]
"""``auto`` takes the C++ kernels on CPU where they were built, else torch."""

FastBackend = Literal["auto", "torch", "native"]
"""The same of operators whose reference speaks of other types, for tests only."""

_NATIVE = "sparse3d.ops._native"
_REBUILD = "SPARSE3D_REQUIRE_NATIVE=1 pip install --no-deps --force-reinstall sparse3d"


def has_native() -> bool:
    """Whether the C++ CPU kernels were built at install."""
    return importlib.util.find_spec(_NATIVE) is not None


def native_module() -> ModuleType:
    """The C++ kernels.

    Raises:
        MissingDependencyError: If they were not built.
    """
    if not has_native():
        raise MissingDependencyError("the C++ CPU kernels were not built at install", _REBUILD)
    return importlib.import_module(_NATIVE)


def choose_backend(backend: Backend, device: torch.device) -> Backend:
    """Resolve ``auto``; a named backend that cannot serve the device is an error.

    Raises:
        MissingDependencyError: If ``native`` is asked for and was not built.
        ValueError: If ``native`` is asked for on another device than the CPU.
    """
    if backend == "auto":
        return "native" if device.type == "cpu" and has_native() else "torch"
    if backend == "native":
        native_module()
        if device.type != "cpu":
            raise ValueError(f"backend 'native' runs on the CPU, got tensors on {device}")
    return backend
