"""Show what is active, what is missing and how to get it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from sparse3d.cli.arguments import parse
from sparse3d.cli.diagnosis import diagnose
from sparse3d.cli.notice import BUILD_NATIVE
from sparse3d.cli.results import write_json

__all__ = ["main", "report"]


@dataclass(frozen=True)
class Arguments:
    """Show Python, torch, devices, backends, system libraries and optional packages."""

    json: Path | None = None
    """Write the result to this file, too (``-``: print it in place of the text)."""


def main(arguments: Sequence[str]) -> int:
    """Run ``sparse3d doctor``."""
    given = parse(Arguments, "doctor", arguments)
    result = diagnose()
    if given.json is not None:
        write_json(given.json, result)
    if given.json != Path("-"):
        console = Console(highlight=False)
        for line in report(result):
            console.print(line, markup=False, soft_wrap=True)
    return 0


def report(result: Mapping[str, Any]) -> Iterator[str]:
    """The lines for people: what is active, and after each missing thing how to get it."""
    product, python, machine = result["sparse3d"], result["python"], result["machine"]
    yield f"sparse3d    {product['version']} in {product['folder']}"
    yield f"python      {python['version']} at {python['executable']}"
    yield f"machine     {machine['cores']} cores, {machine['processor']}, {machine['system']}"
    yield from _torch(result["torch"])
    yield from _native(result["native"])
    yield from _backends(result["backends"])
    yield from _system(result["system"])
    yield from _extras(result["extras"])


def _torch(torch: Mapping[str, Any]) -> Iterator[str]:
    build = f"CUDA {torch['cuda']} build" if torch["cuda"] else "CPU build"
    yield f"torch       {torch['version']} ({build}), {torch['threads']} threads"
    yield f"devices     {', '.join(torch['devices'])}"


def _native(native: Mapping[str, Any]) -> Iterator[str]:
    if not native["built"]:
        yield "kernels     C++ CPU kernels: NOT BUILT, the slower torch backends are used"
        yield f"            to get them: {BUILD_NATIVE}"
        return
    others = [name for name in native["instruction_sets"] if name != native["instruction_set"]]
    beside = f" (also here: {', '.join(others)})" if others else ""
    yield (
        f"kernels     C++ CPU kernels with {native['instruction_set']}{beside},"
        f" {native['threads']} threads"
    )
    yield f"            bfloat16 convolution: {native['bfloat16']}"


def _backends(backends: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield "backends    operator: on a CPU / on CUDA"
    for operator, backend in backends.items():
        yield f"            {operator}: {backend['cpu'] or 'none'} / {backend['cuda'] or 'none'}"


def _system(found: Mapping[str, Any]) -> Iterator[str]:
    for package, state in found["packages"].items():
        if not state["found"]:
            yield f"system      missing: {package} ({state['purpose']})"
    if found["install"]:
        yield f"            to get what is missing: {found['install']}"
    else:
        yield "system      all libraries found"


def _extras(extras: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for extra, state in extras.items():
        packages = ", ".join(
            f"{name} {version or 'MISSING'}" for name, version in state["packages"].items()
        )
        yield f"[{extra}] " + f"for {state['purpose']}: {packages}"
        if state["install"]:
            yield f"            to get what is missing: {state['install']}"
