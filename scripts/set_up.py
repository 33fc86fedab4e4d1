"""Set up ``.venv`` for ``make demo`` or ``make test``; standard library only.

Run from the project's root as ``PYTHONPATH=. python3 scripts/set_up.py {demo,test}``. What is
there already is left alone, so that a second run ends at once.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterator, Mapping
from pathlib import Path

from sparse3d.cli import system

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".venv"
PYTHON = FOLDER / "bin" / "python"
STAMP = FOLDER / "sparse3d-set-up.json"
CONSTRAINTS = ROOT / "constraints.txt"

EXTRAS = {"demo": "sim", "test": "all"}
"""The extra of the package that each set needs; the test set holds all of the demo set."""
BUILD_TOOLS = ("cmake", "nanobind", "ninja", "scikit-build-core")
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"
PROBE_SECONDS = 8


class SetUpError(Exception):
    """Something the user has to do first; the message is what is printed."""


def main() -> int:
    """Bring ``.venv`` up to date for the set named on the command line."""
    wanted = sys.argv[1] if len(sys.argv) == 2 else ""
    if wanted not in EXTRAS:
        print(f"usage: set_up.py {{{','.join(EXTRAS)}}}", file=sys.stderr)
        return 2
    try:
        set_up(wanted)
    except SetUpError as error:
        print(f"set-up: {error}", file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as error:
        print(f"set-up: failed: {' '.join(map(str, error.cmd))}", file=sys.stderr)
        return error.returncode
    return 0


def set_up(wanted: str) -> None:
    """Install what is missing for a set, in the order in which things build on each other."""
    if is_up_to_date(wanted):
        return
    begin = time.monotonic()
    say(f"setting up for `make {wanted}`, once; everything goes to {FOLDER}")
    native = provide_system(wanted)
    create_environment()
    installed = {wanted} | installed_sets()
    install_packages("test" if "test" in installed else wanted)
    install_sparse3d(native)
    STAMP.write_text(json.dumps({"sets": sorted(installed), "key": key_of_inputs()}))
    say(f"done in {time.monotonic() - begin:.0f} s; {FOLDER.name} holds {size_of(FOLDER):.1f} GB")


def is_up_to_date(wanted: str) -> bool:
    """Whether the environment was set up for this set from the same inputs."""
    if not STAMP.is_file() or not PYTHON.exists():
        return False
    stamp = json.loads(STAMP.read_text())
    return stamp["key"] == key_of_inputs() and (wanted in stamp["sets"] or "test" in stamp["sets"])


def installed_sets() -> set[str]:
    """The sets that an earlier run installed, whatever their inputs were."""
    return set(json.loads(STAMP.read_text())["sets"]) if STAMP.is_file() else set()


def key_of_inputs() -> str:
    """Hash of all files that decide what is installed."""
    digest = hashlib.sha256(os.fsencode(ROOT))
    for path in inputs():
        digest.update(os.fsencode(path.relative_to(ROOT)) + b"\0" + path.read_bytes())
    return digest.hexdigest()


def inputs() -> Iterator[Path]:
    """Build files, C++ sources and the configurations that are copied, in a fixed order."""
    yield from (ROOT / "pyproject.toml", CONSTRAINTS, ROOT / "CMakeLists.txt", Path(__file__))
    for folder in ("native", "configs"):
        yield from sorted(path for path in (ROOT / folder).rglob("*") if path.is_file())


def provide_system(wanted: str) -> bool:
    """Install missing system libraries; returns whether the C++ kernels can be built."""
    install_system(system.missing(wanted), optional=False)
    install_system(system.missing("build"), optional=wanted == "demo")
    return not system.missing("build")


def install_system(needs: list[system.Need], *, optional: bool) -> None:
    """Install packages with apt where we may, else say which line does it."""
    if not needs:
        return
    for need in needs:
        say(f"missing: {need.package} ({need.purpose})")
    line = system.install_line(needs)
    prefix = root_prefix()
    if prefix is not None:
        say(line)
        run(*prefix, "apt-get", "update", "-qq")
        run(*prefix, *line.split(), "-qq", "-o", "Dpkg::Use-Pty=0")
    elif optional:
        say(f"going on without; to have it, run: sudo {line}; then make again")
    else:
        raise SetUpError(f"as root, please run this line, then make again:\n  {line}")


def root_prefix() -> list[str] | None:
    """What to put before ``apt-get``; None where there is no apt or we may not use it."""
    if shutil.which("apt-get") is None:
        return None
    plain = ["env", "DEBIAN_FRONTEND=noninteractive"]
    if os.geteuid() == 0:
        return plain
    may = shutil.which("sudo") is not None and run("sudo", "-n", "true", probe=True) == 0
    return ["sudo", "-n", *plain] if may else None


def create_environment() -> None:
    """Create ``.venv`` with pip and uv, unless it works already."""
    if not PYTHON.exists():
        if importlib.util.find_spec("ensurepip") is None:
            raise SetUpError("as root, please run this line, then make again:\n  " + venv_line())
        say(f"creating {FOLDER.name} with Python {sys.version.split()[0]}")
        venv.create(FOLDER, with_pip=True, clear=True)
    if not (FOLDER / "bin" / "uv").exists():
        run(PYTHON, "-m", "pip", "install", "--quiet", "-c", CONSTRAINTS, "uv")


def venv_line() -> str:
    """The command that brings the venv module of this Python."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return f"apt-get install -y --no-install-recommends python{version}-venv"


def install_packages(wanted: str) -> None:
    """Install the pinned Python packages of a set, build tools included."""
    if not has_nvidia_gpu() and not has_package("torch"):
        install_cpu_torch(("torch", "torchvision") if wanted == "test" else ("torch",))
    say("installing Python packages (about 3 GB to download where nothing is cached)")
    extra = EXTRAS[wanted]
    uv("install", "-r", "pyproject.toml", "--extra", extra, *BUILD_TOOLS, "-c", CONSTRAINTS)


def install_cpu_torch(names: tuple[str, ...]) -> None:
    """Install CPU-only wheels of torch where a matching set can be had, and say which it is."""
    pins = [f"{name}=={pinned(name)}" for name in names]
    wheels = f"CPU-only {' '.join(pins)}"
    options = ("--quiet", "--no-deps", "--default-index", CPU_WHEELS, *pins)
    quick = {"UV_HTTP_TIMEOUT": str(PROBE_SECONDS), "UV_HTTP_RETRIES": "0"}
    if uv("install", "--dry-run", *options, environment=quick, probe=True) != 0:
        say(f"no NVIDIA GPU, but {wheels} cannot be had here: taking the default wheels")
        return
    say(f"no NVIDIA GPU: {wheels} from {CPU_WHEELS}")
    uv("install", *options)


def install_sparse3d(native: bool) -> None:
    """Install this folder in editable mode; with a compiler, kernels that do not build fail."""
    say("building the C++ kernels" if native else "no C++ compiler: the torch backends are used")
    environment = {"SPARSE3D_REQUIRE_NATIVE": "1"} if native else {}
    options = ("--no-deps", "--no-build-isolation", "--reinstall-package", "sparse3d")
    uv("install", *options, "-e", ".", environment=environment)


def has_nvidia_gpu() -> bool:
    """Whether an NVIDIA driver is loaded."""
    return Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi") is not None


def has_package(name: str) -> bool:
    """Whether ``.venv`` holds a package."""
    return any(FOLDER.glob(f"lib/python*/site-packages/{name}-*.dist-info"))


def pinned(name: str) -> str:
    """Version of a package in ``constraints.txt``."""
    lines = CONSTRAINTS.read_text().splitlines()
    return next(line.split("==")[1].split()[0] for line in lines if line.startswith(f"{name}=="))


def uv(
    *words: str | Path, environment: Mapping[str, str] | None = None, probe: bool = False
) -> int:
    """Run ``uv pip`` on ``.venv`` with the package index that the user gave to pip."""
    command = [FOLDER / "bin" / "uv", "pip", *words, "--python", PYTHON]
    return run(*command, environment={**index_for_uv(), **(environment or {})}, probe=probe)


def index_for_uv() -> dict[str, str]:
    """Pip's environment variables for indexes, under the names that uv reads; uv's own win."""
    names = {
        "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
        "PIP_EXTRA_INDEX_URL": "UV_INDEX",
        "PIP_FIND_LINKS": "UV_FIND_LINKS",
    }
    given = {theirs: os.environ.get(ours) for ours, theirs in names.items()}
    return {name: value for name, value in given.items() if value and name not in os.environ}


def run(
    *command: str | Path, environment: Mapping[str, str] | None = None, probe: bool = False
) -> int:
    """Run a command from the project's root and return its exit code.

    Args:
        command: The program and its arguments.
        environment: Variables in addition to our own.
        probe: Whether failure is an answer: then nothing is printed or raised.
    """
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env={**variables, **(environment or {})},
        check=not probe,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if probe else None,
        stderr=subprocess.DEVNULL if probe else None,
    )
    return done.returncode


def size_of(folder: Path) -> float:
    """Size of a folder in GB."""
    return sum(path.lstat().st_size for path in folder.rglob("*")) / 1e9


def say(text: str) -> None:
    """Tell the user, at once and in order with the output of the commands that follow."""
    print(f"set-up: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
