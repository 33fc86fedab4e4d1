"""Which backend draws."""

from typing import Literal

import torch

from sparse3d.ops.backend import Backend, choose_backend
from sparse3d.ops.rasterize import _gsplat
from sparse3d.ops.rasterize._options import RasterOptions

__all__ = ["RasterBackend", "choose"]

RasterBackend = Backend | Literal["gsplat"]
"""See :func:`sparse3d.ops.rasterize.rasterize`."""


def choose(
    backend: RasterBackend, device: torch.device, dtype: torch.dtype, options: RasterOptions
) -> RasterBackend:
    """Resolve ``auto``; a named backend that cannot serve the device or options is an error.

    Raises:
        MissingDependencyError: If the named backend is not there.
        ValueError: If it cannot draw by these options, or not on this device.
    """
    if backend == "gsplat":
        _gsplat.check(device, dtype, options)
        return backend
    drawable = dtype == torch.float32 and not options.surfels
    if backend == "auto" and device.type == "cuda" and drawable and _gsplat.is_installed():
        _gsplat.check(device, dtype, options)
        return "gsplat"
    chosen = choose_backend(backend, device)
    return "torch" if backend == "auto" and dtype != torch.float32 else chosen
