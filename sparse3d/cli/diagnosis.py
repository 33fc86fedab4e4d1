"""The facts behind ``sparse3d doctor``, as plain data."""

import importlib.util
import os
import pkgutil
import platform
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from packaging.requirements import Requirement

import sparse3d.ops
from sparse3d import __version__
from sparse3d.cli import system
from sparse3d.ops.backend import has_native, native_module

__all__ = ["diagnose"]

EXTRAS = {
    "nerfstudio": "ns-train, ns-eval, ns-viewer, ns-render and ns-export",
    "viewer": "sparse3d view",
    "sim": "sparse3d simulate and demo",
    "cuda": "sparse convolutions and splatting on NVIDIA GPUs",
    "dev": "working on sparse3d itself",
}
"""The extras of the package, and what each is for."""

BACKEND_FILES = {"native": "_native", "spconv": "_spconv", "gsplat": "_gsplat", "torch": "_torch"}
"""Backends, the preferred ones first, and the file of an operator's folder that holds each."""


def diagnose() -> dict[str, Any]:
    """Everything that decides what runs here and how fast."""
    return {
        "sparse3d": {"version": __version__, "folder": str(Path(sparse3d.__file__).parent)},
        "python": {"version": platform.python_version(), "executable": sys.executable},
        "machine": _machine(),
        "torch": _torch(),
        "native": _native(),
        "backends": _backends(),
        "system": _system(),
        "extras": {extra: _extra(extra, purpose) for extra, purpose in EXTRAS.items()},
    }


def _machine() -> dict[str, Any]:
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
    }


def _processor() -> str:
    table = Path("/proc/cpuinfo")
    if table.is_file() and (match := re.search(r"model name\s*:\s*(.+)", table.read_text())):
        return match[1]
    return platform.processor() or platform.machine()


def _torch() -> dict[str, Any]:
    devices = ["cpu", *(["mps"] if torch.backends.mps.is_available() else [])]
    gpus = range(torch.cuda.device_count())
    return {
        "version": torch.__version__,
        "cuda": torch.version.cuda,
        "threads": torch.get_num_threads(),
        "devices": [*devices, *(f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in gpus)],
    }


def _native() -> dict[str, Any]:
    """The C++ kernels: whether they were built, and what they run with."""
    if not has_native():
        return {"built": False}
    module = native_module()
    return {
        "built": True,
        "file": module.__file__,
        "instruction_set": module.isa(),
        "instruction_sets": module.available_isas(),
        "bfloat16": module.halves(),
        "threads": module.threads(),
    }


def _backends() -> dict[str, dict[str, Any]]:
    """For every operator, its backends and the one that ``auto`` takes on a CPU and on CUDA."""
    folders = [Path(folder) for folder in sparse3d.ops.__path__]
    names = sorted(
        module.name for module in pkgutil.iter_modules(map(str, folders)) if module.ispkg
    )
    return {name: _backends_of(name, folders) for name in names}


def _backends_of(operator: str, folders: list[Path]) -> dict[str, Any]:
    written = [
        backend
        for backend, file in BACKEND_FILES.items()
        if any((folder / operator / f"{file}.py").is_file() for folder in folders)
    ]
    usable = [backend for backend in written if _usable(backend)]
    on_cpu = [backend for backend in usable if backend in ("native", "torch")]
    on_cuda = [backend for backend in usable if backend != "native"]
    return {"written": written, "cpu": next(iter(on_cpu), None), "cuda": next(iter(on_cuda), None)}


def _usable(backend: str) -> bool:
    if backend == "native":
        return has_native()
    return importlib.util.find_spec(backend) is not None


def _system() -> dict[str, Any]:
    needs = system.NEEDS if sys.platform == "linux" else ()
    found = {need.package: need.is_there() for need in needs}
    lacking = [need for need in needs if not found[need.package]]
    return {
        "packages": {
            need.package: {"found": found[need.package], "purpose": need.purpose} for need in needs
        },
        "install": f"sudo {system.install_line(lacking)}" if lacking else None,
    }


def _extra(extra: str, purpose: str) -> dict[str, Any]:
    wanted = _requirements(extra)
    versions = {requirement.name: _version(requirement.name) for requirement in wanted}
    lacking = [f"'{one.name}{one.specifier}'" for one in wanted if versions[one.name] is None]
    return {
        "purpose": purpose,
        "packages": versions,
        "install": f"{sys.executable} -m pip install {' '.join(lacking)}" if lacking else None,
    }


def _requirements(extra: str) -> list[Requirement]:
    """What an extra of the installed package asks for on this platform."""
    wanted = (Requirement(line) for line in metadata.requires("sparse3d") or ())
    return [
        one
        for one in wanted
        if one.marker and one.marker.evaluate({"extra": extra}) and not one.marker.evaluate()
    ]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
