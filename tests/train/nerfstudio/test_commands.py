"""The commands of nerfstudio, one after the other, as a user types them."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

pytest.importorskip("nerfstudio", reason="needs sparse3d[nerfstudio]")

from sparse3d.scene.formats.registry import open_scene

pytestmark = [pytest.mark.nerfstudio, pytest.mark.slow]

_PATIENCE = 300
_BIN = Path(sys.executable).parent


def _start(command: Sequence[object], folder: Path) -> subprocess.Popen[str]:
    program, *arguments = (str(part) for part in command)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [str(_BIN / program), *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _finish(command: Sequence[object], folder: Path) -> str:
    process = _start(command, folder)
    output, _ = process.communicate(timeout=_PATIENCE)
    assert process.returncode == 0, output
    return output


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + _PATIENCE
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end, "the command takes too long"
        time.sleep(0.2)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=5) as reply:
            return reply.status == 200
    except OSError:
        return False


def test_train_interrupt_resume_evaluate_view_render_export(
    scene_folder: Path, tmp_path: Path
) -> None:
    assert shutil.which("ffmpeg"), "nerfstudio's renderer needs ffmpeg"
    few = ["--pipeline.task.views", 4, "--pipeline.task.init.min-points", 60]
    train = ["ns-train", "sparse-splat", "--data", scene_folder, *few]
    train += ["--viewer.websocket-port", _free_port()]
    runs = tmp_path / "outputs" / scene_folder.name / "sparse-splat"

    process = _start([*train, "--timestamp", "first", "--steps-per-save", 20], tmp_path)
    first = runs / "first" / "nerfstudio_models"
    _wait_for(lambda: any(first.glob("*.ckpt")), process)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=_PATIENCE)
    assert process.returncode == 0, output
    assert "Traceback" not in output
    (checkpoint,) = first.iterdir()
    steps = int(checkpoint.stem.removeprefix("step-")) + 1

    more = ["--timestamp", "second", "--load-dir", first, "--max-num-iterations", steps + 5]
    _finish([*train, *more], tmp_path)
    second = runs / "second"
    (checkpoint,) = (second / "nerfstudio_models").iterdir()
    assert checkpoint.name == f"step-{steps + 4:09d}.ckpt"

    load = ["--load-config", second / "config.yml"]
    _finish(["ns-eval", *load, "--output-path", tmp_path / "eval.json"], tmp_path)
    assert json.loads((tmp_path / "eval.json").read_text())["results"]["psnr"] > 5

    _finish(["ns-render", "interpolate", *load, "--output-path", tmp_path / "path.mp4"], tmp_path)
    assert (tmp_path / "path.mp4").stat().st_size > 1000
    _finish(["ns-render", "dataset", *load, "--output-path", tmp_path / "views"], tmp_path)
    assert list((tmp_path / "views" / "test" / "rgb").iterdir())

    _finish(["ns-export", "gaussian-splat", *load, "--output-dir", tmp_path], tmp_path)
    splat = open_scene(tmp_path / "splat.ply").read_gaussians()
    assert splat is not None
    assert len(splat) > 10

    port = _free_port()
    address = ["--viewer.websocket-host", "127.0.0.1", "--viewer.websocket-port", port]
    process = _start(["ns-viewer", *load, *address], tmp_path)
    _wait_for(lambda: _answers(port), process)
    process.kill()
    process.communicate()
