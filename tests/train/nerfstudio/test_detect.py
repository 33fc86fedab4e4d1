"""``second`` under nerfstudio: losses of our own loop, checkpoints, numbers, one-line errors."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

pytest.importorskip("nerfstudio.configs.method_configs", reason="needs sparse3d[nerfstudio]")

from nerfstudio.configs.method_configs import all_methods
from nerfstudio.scripts.eval import ComputePSNR
from nerfstudio.scripts.viewer.run_viewer import RunViewer
from nerfstudio.utils.eval_utils import eval_setup

from sparse3d.data.detection.config import DataConfig
from sparse3d.detect.config import DecodeConfig, NetworkConfig, SecondConfig
from sparse3d.detect.task import DetectTask
from sparse3d.nn.training import LossTerm
from sparse3d.scene import Boxes3D, Frame, PointCloud, Scene
from sparse3d.scene.formats.registry import open_scene, save_scene
from sparse3d.train.loop import train_task

pytestmark = pytest.mark.nerfstudio

_PATIENCE = 400
_BIN = Path(sys.executable).parent
_SIZES = NetworkConfig(
    voxel_size=(0.5, 0.5, 0.5),
    voxel_channels=4,
    encoder_channels=(4, 8),
    encoder_layers=(1, 1),
    neck_channels=(8,),
    neck_layers=(1,),
    neck_outputs=8,
    head_channels=8,
)
_TINY = SecondConfig(
    iterations=6,
    dataset=DataConfig(low=(0.0, -8.0, -2.0), high=(16.0, 8.0, 2.0)),
    network=_SIZES,
    decode=DecodeConfig(score_threshold=0.01, max_detections=9),
)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three KITTI frames of one car-sized heap of points each, the second one held out."""
    frames = []
    for number in range(3):
        generator = torch.Generator().manual_seed(number)
        center = torch.tensor([5.0 + 3 * number, 2.0 - number, -0.5])
        size = torch.tensor([4.0, 2.0, 1.5])
        heap = center + (torch.rand(200, 3, generator=generator) - 0.5) * size
        ground = torch.rand(200, 3, generator=generator) * torch.tensor([16.0, 16, 0.1])
        points = torch.cat([heap, ground - torch.tensor([0.0, 8, 1.4])])
        cloud = PointCloud(points, intensities=torch.rand(400, generator=generator))
        boxes = Boxes3D(center[None], size[None], torch.zeros(1), ("Car",))
        split = "val" if number == 1 else "train"
        frames.append(Frame(f"{number:06d}", (), cloud, boxes, split=split))
    folder = tmp_path_factory.mktemp("street") / "kitti"
    save_scene(Scene("street", tuple(frames), metric=True), folder, "kitti")
    return folder


@pytest.fixture
def configured(street: Path, tmp_path: Path) -> Callable[..., Any]:
    """Makes configurations of short runs on the street."""
    from sparse3d.train.nerfstudio.methods import second

    def make(steps: int = 0, data: Path | None = street, **changes: Any) -> Any:
        base: Any = second.config
        datamanager = dataclasses.replace(base.pipeline.datamanager, data=data)
        pipeline = dataclasses.replace(base.pipeline, task=_TINY, datamanager=datamanager)
        changes = {"timestamp": "run", "experiment_name": "street"} | changes
        return dataclasses.replace(
            base, pipeline=pipeline, output_dir=tmp_path, max_num_iterations=steps, **changes
        )

    return make


class _Recorded(DetectTask):
    """A task that keeps the losses it gave."""

    recorded: list[torch.Tensor]

    def losses(self, batch: Any, step: int) -> list[LossTerm]:
        terms = super().losses(batch, step)
        values = torch.stack([term.value.detach() for term in terms])
        self.recorded = [*getattr(self, "recorded", []), values]
        return terms


@pytest.fixture(autouse=True)
def recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    from sparse3d.train.nerfstudio import detect

    monkeypatch.setattr(detect, "DetectTask", _Recorded)


def _config_of(trainer: Any) -> Path:
    return trainer.base_dir / "config.yml"


def _assert_same_weights(first: Any, second: Any) -> None:
    ours, theirs = first.state_dict()["network"], second.state_dict()["network"]
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


def test_losses_and_weights_equal_those_of_our_loop(
    configured: Callable[..., Any], start: Callable[..., Any], street: Path
) -> None:
    """Evaluated on the way, as the batch norms and the random numbers must not notice."""
    trainer = start(configured(steps_per_eval_all_images=2))
    trainer.train()
    ours: Any = _Recorded.from_scene(open_scene(street), _TINY, seed=0)
    train_task(ours)
    assert len(ours.recorded) == 6
    assert torch.equal(torch.stack(ours.recorded), torch.stack(trainer.pipeline.task.recorded))
    _assert_same_weights(ours, trainer.pipeline.task)


def test_an_interrupted_run_ends_like_an_uninterrupted_one(
    configured: Callable[..., Any], start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = start(configured(timestamp="whole"))
    whole.train()
    half = start(configured(timestamp="half"))
    batch = half.pipeline.task.batch

    def with_signal(step: int) -> Any:
        if step == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return batch(step)

    monkeypatch.setattr(half.pipeline.task, "batch", with_signal)
    half.train()
    assert [path.name for path in half.checkpoint_dir.iterdir()] == ["step-000000003.ckpt"]
    rest = start(configured(timestamp="rest", load_dir=half.checkpoint_dir))
    rest.train()
    assert len(rest.pipeline.task.recorded) == 2
    losses = half.pipeline.task.recorded + rest.pipeline.task.recorded
    assert torch.equal(torch.stack(losses), torch.stack(whole.pipeline.task.recorded))
    _assert_same_weights(rest.pipeline.task, whole.pipeline.task)


def test_config_file_gives_the_run_back(configured: Callable[..., Any]) -> None:
    config = configured(7, machine=dataclasses.replace(configured().machine, seed=5))
    config.save_config()
    again = yaml.load((config.get_base_dir() / "config.yml").read_text(), Loader=yaml.Loader)
    assert again == config
    assert (again.pipeline.task.iterations, again.pipeline.seed) == (7, 5)
    assert again.pipeline.task.network == _SIZES


def test_the_shipped_method_trains_headless_and_evaluates() -> None:
    from sparse3d.train.methods import find_method
    from sparse3d.train.nerfstudio.methods import second

    config: Any = second.config
    assert (config.method_name, config.vis) == ("second", "tensorboard")
    assert config.steps_per_eval_all_images > 0
    assert config.steps_per_eval_image == config.steps_per_eval_batch == 0
    assert config.machine.device_type == "cpu"
    assert config.pipeline.task == find_method("second").default_config()


def test_the_method_is_registered() -> None:
    assert all_methods["second"].method_name == "second"


def test_evaluation_gives_the_numbers_of_the_task(
    configured: Callable[..., Any], start: Callable[..., Any], tmp_path: Path
) -> None:
    trainer = start(configured(2))
    trainer.train()
    _, loaded, path, step = eval_setup(_config_of(trainer))
    assert (path.parent, step) == (trainer.checkpoint_dir, 1)
    pipeline: Any = loaded
    _assert_same_weights(pipeline.task, trainer.pipeline.task)

    output, found = tmp_path / "eval.json", tmp_path / "found"
    ComputePSNR(_config_of(trainer), output, found).main()
    results = json.loads(output.read_text())["results"]
    wanted = trainer.pipeline.task.evaluate().to_json()
    assert results["frames"] == 1
    for number, difficulty in enumerate(wanted["difficulties"]):
        car = wanted["car_detection_3d_0.50"]
        for column in ("AP_all_point", "AP_R11", "AP_R40", "counted"):
            assert results[f"car_detection_3d_0.50_{column}_{difficulty}"] == car[column][number]
    assert not any(name.startswith("cyclist") and "AP" in name for name in results)
    assert [file.name for file in (found / "detections").iterdir()] == ["000001.txt"]
    assert [frame.name for frame in open_scene(found / "scene").frames] == ["000001"]


def test_data_that_cannot_be_used_ends_in_one_line(
    configured: Callable[..., Any], start: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = Path("/nowhere/at/all")
    _ends_with(lambda: start(configured(data=nowhere)), "/nowhere/at/all: no such file", capsys)
    _ends_with(lambda: start(configured(data=None)), "--data PATH", capsys)


def test_viewers_are_refused_in_one_line(
    configured: Callable[..., Any], start: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    for vis in ("viewer", "viewer+tensorboard", "viewer_legacy"):
        config = configured(vis=vis)
        _ends_with(lambda config=config: start(config), "cannot show what is found", capsys)
    trainer = start(configured(1))
    trainer.train()
    _ends_with(RunViewer(_config_of(trainer)).main, "cannot show what is found", capsys)


def test_a_loss_that_is_not_finite_stops_with_the_frames(
    configured: Callable[..., Any], start: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = start(configured())
    trainer.pipeline.task.detector.network.heat.bias.data[0] = float("nan")
    _ends_with(trainer.train, "loss is not finite at step 0 on frames 00000", capsys)


def test_a_checkpoint_of_other_sizes_is_refused(
    configured: Callable[..., Any], start: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = start(configured(1))
    wider = dataclasses.replace(_TINY, network=dataclasses.replace(_SIZES, head_channels=9))
    other = DetectTask.from_scene(open_scene(trainer.config.pipeline.datamanager.data), wider)
    state = {"method": "second", "task": other.state_dict()}
    _ends_with(lambda: trainer.pipeline.load_pipeline(state, 0), "does not fit", capsys)


def _ends_with(call: Callable[[], Any], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        call()
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert text in line


def _start(command: Sequence[object], folder: Path) -> subprocess.Popen[str]:
    program, *arguments = map(str, command)
    return subprocess.Popen(
        [str(_BIN / program), *arguments],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _finish(command: Sequence[object], folder: Path) -> str:
    process = _start(command, folder)
    output, _ = process.communicate(timeout=_PATIENCE)
    assert process.returncode == 0, output
    return output


@pytest.mark.slow
def test_train_interrupt_resume_evaluate_on_real_frames(shared_data: Path, tmp_path: Path) -> None:
    sizes = {
        "voxel-size": (0.4, 0.4, 0.4),
        "voxel-channels": (4,),
        "encoder-channels": (4, 8),
        "encoder-layers": (1, 1),
        "neck-channels": (8,),
        "neck-layers": (1,),
        "neck-outputs": (8,),
        "head-channels": (8,),
    }
    train: list[object] = ["ns-train", "second", "--data", shared_data / "kitti_mini"]
    for name, values in sizes.items():
        train += [f"--pipeline.task.network.{name}", *values]
    runs = tmp_path / "outputs" / "kitti_mini" / "second"

    first = runs / "first" / "nerfstudio_models"
    process = _start([*train, "--timestamp", "first", "--steps-per-save", 5], tmp_path)
    end = time.monotonic() + _PATIENCE
    while not any(first.glob("*.ckpt")):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end, "the command takes too long"
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=_PATIENCE)
    assert process.returncode == 0, output
    assert "Traceback" not in output
    (checkpoint,) = first.iterdir()
    steps = int(checkpoint.stem.removeprefix("step-")) + 1

    more = ["--timestamp", "second", "--load-dir", first, "--max-num-iterations", steps + 3]
    _finish([*train, *more, "--steps-per-eval-all-images", 2], tmp_path)
    (checkpoint,) = (runs / "second" / "nerfstudio_models").iterdir()
    assert checkpoint.name == f"step-{steps + 2:09d}.ckpt"

    load = ["--load-config", runs / "second" / "config.yml"]
    found = ["--render-output-path", tmp_path / "found"]
    _finish(["ns-eval", *load, "--output-path", tmp_path / "eval.json", *found], tmp_path)
    results = json.loads((tmp_path / "eval.json").read_text())["results"]
    assert 0 <= results["car_detection_3d_AP_all_point_moderate"] <= 100
    assert results["car_detection_3d_counted_moderate"] > 0
    assert len(list((tmp_path / "found" / "detections").iterdir())) == results["frames"]
