"""The line that says, once, that the C++ kernels are missing."""

import importlib.util
import os
import sys
from hashlib import sha256
from pathlib import Path

__all__ = ["BUILD_NATIVE", "tell_once_if_not_native"]

BUILD_NATIVE = (
    "install a C++ compiler (Debian: apt install g++ python3-dev), then reinstall with"
    " SPARSE3D_REQUIRE_NATIVE=1 pip install --force-reinstall --no-deps --no-cache-dir sparse3d"
    " (in a clone: . instead of sparse3d)"
)
"""How to get the C++ kernels where they were not built."""


def tell_once_if_not_native() -> None:
    """Say on stderr that the slower torch backends are in use, the first time for an install."""
    if importlib.util.find_spec("sparse3d.ops._native") is not None or not _first_time():
        return
    print(
        "sparse3d: note: the C++ CPU kernels were not built at install (no compiler was found);"
        f" the slower torch backends are used. To change that: {BUILD_NATIVE}",
        file=sys.stderr,
    )


def _first_time() -> bool:
    """Whether no mark was there for this install; leaves one where the cache can be written."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sparse3d"
    mark = cache / f"told-{sha256(str(Path(__file__).resolve()).encode()).hexdigest()[:16]}"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    except OSError:
        # No place to remember it: better said again than never.
        return True
    return True
