"""Small C++ programs that benchmarks compile when they run: limits of the machine, peers."""

import ctypes
import platform
import shutil
import subprocess
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from harness.cache import FOLDER
from harness.unavailable import UnavailableError

__all__ = ["compile_library"]


def compile_library(source: Path, flags: Sequence[str]) -> ctypes.CDLL:
    """Compile a C++ file, unless that was done before, and load it.

    Args:
        source: File whose functions are ``extern "C"``; it may include headers beside it.
        flags: Flags for g++ besides those of a shared library.

    Raises:
        UnavailableError: If there is no g++.
        subprocess.CalledProcessError: If it does not compile.
    """
    compiler = shutil.which("g++")
    if compiler is None:
        raise UnavailableError("g++ is needed; on Debian: apt install g++")
    headers = sorted(source.parent.glob("*.hpp"))
    text = "\0".join(file.read_text(encoding="utf-8") for file in (source, *headers))
    seed = "\0".join((text, *flags, _version(compiler), platform.node()))
    library = FOLDER / f"{source.stem}-{sha256(seed.encode()).hexdigest()[:16]}.so"
    if not library.is_file():
        FOLDER.mkdir(parents=True, exist_ok=True)
        draft = library.with_suffix(".draft")
        words = ["-std=c++17", "-Wall", "-Wextra", "-shared", "-fPIC", *flags, "-o", str(draft)]
        subprocess.run([compiler, *words, str(source)], check=True)
        draft.replace(library)
    return ctypes.CDLL(str(library))


def _version(compiler: str) -> str:
    return subprocess.run(
        [compiler, "--version"], capture_output=True, text=True, check=True
    ).stdout
