"""A splat run as nerfstudio's evaluation, viewer, renderer and exporter see it."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

pytest.importorskip("nerfstudio.scripts.render", reason="needs sparse3d[nerfstudio]")
pytest.importorskip("nerfstudio.scripts.exporter", reason="needs sparse3d[nerfstudio]")

from nerfstudio.cameras.cameras import CameraType
from nerfstudio.configs.method_configs import all_methods
from nerfstudio.data.scene_box import OrientedBox
from nerfstudio.scripts.eval import ComputePSNR
from nerfstudio.scripts.exporter import ExportGaussianSplat
from nerfstudio.scripts.render import DatasetRender
from nerfstudio.utils.eval_utils import eval_setup
from nerfstudio.viewer.utils import CameraState, get_camera, parse_object
from nerfstudio.viewer.viewer_elements import ViewerElement

from sparse3d.scene import Gaussians
from sparse3d.scene.formats.registry import open_scene

pytestmark = pytest.mark.nerfstudio


@pytest.fixture
def trained(configured: Callable[..., Any], start: Callable[..., Any]) -> Any:
    """The trainer of a short run that is over."""
    trainer = start(configured(4))
    trainer.train()
    return trainer


def _config_of(trainer: Any) -> Path:
    return trainer.base_dir / "config.yml"


def test_the_method_is_registered_and_safe_by_default() -> None:
    config = all_methods["sparse-splat"]
    assert config.method_name == "sparse-splat"
    assert config.viewer.websocket_host == "127.0.0.1"
    assert config.machine.device_type == "cpu"


def test_config_file_gives_the_run_back(configured: Callable[..., Any]) -> None:
    config = configured(7, machine=dataclasses.replace(all_methods["sparse-splat"].machine, seed=5))
    config.save_config()
    path = config.get_base_dir() / "config.yml"
    again = yaml.load(path.read_text(), Loader=yaml.Loader)
    assert again == config
    assert (again.pipeline.task.iterations, again.pipeline.seed) == (7, 5)
    assert again.pipeline.datamanager.task == again.pipeline.task


def test_steps_come_from_the_task_unless_given(configured: Callable[..., Any]) -> None:
    config = configured(0)
    config.pipeline = dataclasses.replace(
        config.pipeline, task=dataclasses.replace(config.pipeline.task, iterations=11)
    )
    config.save_config()
    assert config.max_num_iterations == 11


def test_evaluation_equals_the_tasks_own(trained: Any, tmp_path: Path) -> None:
    output, pictures = tmp_path / "eval.json", tmp_path / "pictures"
    ComputePSNR(_config_of(trained), output, pictures).main()
    results = yaml.safe_load(output.read_text())["results"]
    wanted = trained.pipeline.task.evaluate().to_json()
    for name in ("psnr", "ssim", "gaussians"):
        assert results[name] == pytest.approx(wanted[name], abs=1e-6)
    spread = np.std([view["psnr"] for view in wanted["per_view"]], ddof=1)
    assert results["psnr_std"] == pytest.approx(spread)
    assert len(list(pictures.glob("eval_img_*.png"))) == len(wanted["per_view"]) > 1


def test_a_loaded_run_holds_the_same_gaussians(trained: Any) -> None:
    _, loaded, path, step = eval_setup(_config_of(trained))
    pipeline: Any = loaded
    assert (path.parent, step) == (trained.checkpoint_dir, 3)
    _assert_same(pipeline.task.gaussians(), trained.pipeline.task.gaussians())


def test_export_is_the_splat(trained: Any, tmp_path: Path) -> None:
    ExportGaussianSplat(load_config=_config_of(trained), output_dir=tmp_path / "out").main()
    exported = open_scene(tmp_path / "out" / "splat.ply").read_gaussians()
    assert exported is not None
    gaussians = trained.pipeline.task.gaussians()
    opaque = gaussians.logit_opacities >= math.log(1 / 254)
    assert opaque.any()
    _assert_same(exported, gaussians.select(opaque))


def test_dataset_is_rendered(trained: Any, tmp_path: Path) -> None:
    names = ["rgb", "gt-rgb", "depth", "rgba"]
    DatasetRender(
        load_config=_config_of(trained),
        output_path=tmp_path / "out",
        rendered_output_names=names,
        image_format="png",
        split="train+test",
    ).main()
    task = trained.pipeline.task
    for split, views in (("train", task.split.train), ("test", task.split.test)):
        for name in names:
            files = sorted((tmp_path / "out" / split / name).iterdir())
            assert [file.stem for file in files] == [Path(view.name).stem for view in views]


def test_model_draws_what_the_task_draws(trained: Any) -> None:
    pipeline = trained.pipeline
    views = pipeline.datamanager.eval_dataset
    photo = views.photo(1)
    wanted = pipeline.task.render(photo.intrinsics, photo.world_from_camera)
    outputs = pipeline.model.get_outputs_for_camera(views.cameras[1:2])
    torch.testing.assert_close(outputs["rgb"], wanted.colors[0].clamp(0, 1), atol=1e-4, rtol=0)
    torch.testing.assert_close(outputs["accumulation"][..., 0], wanted.alphas[0], atol=1e-4, rtol=0)
    covered = wanted.alphas[0] > 0
    torch.testing.assert_close(outputs["depth"][covered][:, 0], wanted.depths[0][covered])
    data = views[1]
    assert data["image_idx"] == 1
    assert torch.equal(data["image"], photo.image)


def test_viewer_finds_what_it_asks_for(trained: Any) -> None:
    model = trained.pipeline.model
    state = CameraState(0.9, 1.5, torch.eye(4)[:3].double(), CameraType.PERSPECTIVE)
    model.set_background(torch.tensor([0.2, 0.4, 0.6]))
    outputs = model.get_outputs_for_camera(get_camera(state, 30))
    assert outputs["rgb"].shape == (30, 45, 3)
    assert outputs["depth"].shape == outputs["accumulation"].shape == (30, 45, 1)
    empty = outputs["accumulation"][..., 0] == 0
    assert torch.allclose(outputs["rgb"][empty], torch.tensor([0.2, 0.4, 0.6]))
    assert model.means.shape == (model.num_points, 3)
    assert model.colors.shape == model.shs_0.shape == (model.num_points, 3)
    assert parse_object(trained.pipeline, ViewerElement, "Custom Elements") == []


def test_crop_box_hides_what_is_outside(trained: Any) -> None:
    model, camera = trained.pipeline.model, trained.pipeline.datamanager.train_dataset.cameras[:1]
    everything = OrientedBox(torch.eye(3), torch.zeros(3), torch.full((3,), 1e3))
    nothing = OrientedBox(torch.eye(3), torch.full((3,), 1e4), torch.ones(3))
    whole = model.get_outputs_for_camera(camera)
    assert torch.equal(model.get_outputs_for_camera(camera, everything)["rgb"], whole["rgb"])
    assert not model.get_outputs_for_camera(camera, nothing)["accumulation"].any()
    assert torch.equal(model.get_outputs_for_camera(camera)["rgb"], whole["rgb"])


def test_rgba_composites_to_rgb(trained: Any) -> None:
    model, camera = trained.pipeline.model, trained.pipeline.datamanager.train_dataset.cameras[:1]
    model.set_background(torch.tensor([1.0, 0.0, 0.5]))
    outputs = model.get_outputs_for_camera(camera)
    rgba = model.get_rgba_image(outputs)
    over = rgba[..., :3] * rgba[..., 3:] + outputs["background"] * (1 - rgba[..., 3:])
    saturated = (rgba[..., :3] == 0) | (rgba[..., :3] == 1)
    torch.testing.assert_close(over[~saturated], outputs["rgb"][~saturated], atol=1e-5, rtol=0)


def test_periodic_evaluation_runs(
    configured: Callable[..., Any], start: Callable[..., Any]
) -> None:
    every = {f"steps_per_eval_{what}": 1 for what in ("batch", "image", "all_images")}
    trainer = start(configured(3, **every, log_gradients=True))
    trainer.train()
    assert trainer.step == 2


def test_scene_without_test_views_trains(
    configured: Callable[..., Any], start: Callable[..., Any]
) -> None:
    config = configured(2)
    task = dataclasses.replace(config.pipeline.task, views=(-1,))
    config.pipeline = dataclasses.replace(config.pipeline, task=task)
    trainer = start(config)
    trainer.train()
    assert trainer.pipeline.get_average_eval_image_metrics(get_std=True).keys() == {"gaussians"}


def test_mistakes_end_in_one_line(
    configured: Callable[..., Any], start: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    config = configured(2)
    config.pipeline.datamanager.data = Path("/nowhere/at/all")
    _ends_with(lambda: start(config), "/nowhere/at/all", capsys)
    config.pipeline.datamanager.data = None
    config.experiment_name = "unnamed"
    _ends_with(lambda: start(config), "--data PATH", capsys)


def test_checkpoint_of_another_method_is_refused(
    trained: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    state = trained.pipeline.state_dict() | {"method": "second"}
    _ends_with(lambda: trained.pipeline.load_pipeline(state, 3), "got one of second", capsys)


def _ends_with(call: Callable[[], Any], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        call()
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert text in line


def _assert_same(first: Gaussians, second: Gaussians) -> None:
    for field in dataclasses.fields(Gaussians):
        torch.testing.assert_close(getattr(first, field.name), getattr(second, field.name))
