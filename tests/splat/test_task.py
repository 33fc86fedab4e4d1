"""The splat method as a Task, on photos that Gaussians can explain."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import pytest
import torch
from torch.optim import Optimizer

from sparse3d.errors import ConfigError, DataError
from sparse3d.nn.training import ParameterGroup
from sparse3d.ops.backend import has_native
from sparse3d.scene import Scene
from sparse3d.scene.images import write_rgb
from sparse3d.splat.config import DensifyConfig, InitConfig, OptimConfig, SplatConfig
from sparse3d.splat.results import picture_name
from sparse3d.splat.task import SplatTask

CONFIG = SplatConfig(
    views=(4,),
    iterations=200,
    sh_every=50,
    opacity_decay=0.999,
    init=InitConfig(min_points=150),
    densify=DensifyConfig(start=50, every=40, gradient=2e-4, max_gaussians=400),
)
MCMC = replace(CONFIG, densify=replace(CONFIG.densify, strategy="mcmc", prune_opacity=0.1))


def optimizers_of(groups: list[ParameterGroup]) -> Mapping[str, Optimizer]:
    return {g.name: g.make_optimizer(g.parameters, g.learning_rate(0)) for g in groups}


def train(
    task: SplatTask, first: int, last: int, optimizers: Mapping[str, Optimizer]
) -> list[float]:
    losses = []
    for step in range(first, last):
        term, *penalties = task.losses(task.batch(step), step)
        sum((penalty.value for penalty in penalties), term.value).backward()
        for group in task.parameter_groups():
            optimizers[group.name].param_groups[0]["lr"] = group.learning_rate(step)
            optimizers[group.name].step()
            optimizers[group.name].zero_grad()
        task.after_step(step, optimizers)
        losses.append(term.value.item())
    return losses


@pytest.mark.parametrize("config", [CONFIG, MCMC], ids=["gradient", "mcmc"])
def test_training_explains_held_out_views(tiny_scene: Scene, config: SplatConfig) -> None:
    task = SplatTask.from_scene(tiny_scene, config)
    before = task.evaluate().mean("psnr")
    count = len(task.gaussians())
    losses = train(task, 0, 200, optimizers_of(task.parameter_groups()))
    after = task.evaluate().mean("psnr")
    assert before is not None
    assert after is not None
    assert after > before + 4
    assert sum(losses[-4:]) < 0.5 * sum(losses[:4])
    assert len(task.gaussians()) != count, "densification changed nothing"


@pytest.mark.parametrize("config", [CONFIG, MCMC], ids=["gradient", "mcmc"])
def test_same_seed_same_losses_another_seed_others(tiny_scene: Scene, config: SplatConfig) -> None:
    def losses(seed: int) -> list[float]:
        task = SplatTask.from_scene(tiny_scene, config, seed)
        return train(task, 0, 100, optimizers_of(task.parameter_groups()))

    assert losses(1) == losses(1)
    assert losses(1) != losses(2)


@pytest.mark.parametrize(
    "config",
    [CONFIG, MCMC, replace(CONFIG, optim=OptimConfig(visible_only=True))],
    ids=["gradient", "mcmc", "visible"],
)
def test_a_state_taken_over_continues_as_if_nothing_had_happened(
    tiny_scene: Scene, config: SplatConfig
) -> None:
    task = SplatTask.from_scene(tiny_scene, config)
    optimizers = optimizers_of(task.parameter_groups())
    train(task, 0, 100, optimizers)
    other = SplatTask.from_scene(tiny_scene, config)
    other.load_state_dict(deepcopy(task.state_dict()))
    others = optimizers_of(other.parameter_groups())
    for name, optimizer in optimizers.items():
        others[name].load_state_dict(deepcopy(optimizer.state_dict()))
    assert train(task, 100, 140, optimizers) == train(other, 100, 140, others)
    assert torch.equal(task.gaussians().means, other.gaussians().means)


def test_states_of_versions_that_knew_no_radii_are_taken_over(tiny_scene: Scene) -> None:
    task = SplatTask.from_scene(tiny_scene, CONFIG)
    state = task.state_dict()
    del state["radius"]
    task.load_state_dict(state)
    assert torch.equal(task.state_dict()["radius"], torch.zeros(len(task.gaussians())))


def test_mcmc_moves_and_adds_up_to_the_cap_and_removes_none(tiny_scene: Scene) -> None:
    densify = replace(MCMC.densify, start=0, every=2, max_gaussians=170)
    task = SplatTask.from_scene(tiny_scene, replace(MCMC, densify=densify))
    optimizers = optimizers_of(task.parameter_groups())
    counts = [len(task.gaussians())]
    for step in range(8):
        train(task, step, step + 1, optimizers)
        counts.append(len(task.gaussians()))
    assert counts == sorted(counts)
    assert counts[0] < counts[2] <= counts[-1] == 170
    for name, optimizer in optimizers.items():
        moments = optimizer.state[task.parameters[name]]["exp_avg"]
        assert moments.shape == task.parameters[name].shape


def test_mcmc_penalises_opacity_and_scale(tiny_scene: Scene) -> None:
    task = SplatTask.from_scene(tiny_scene, MCMC)
    terms = {term.name: term.value for term in task.losses(task.batch(0), 0)}
    assert terms["opacity"].item() == pytest.approx(0.01 * 0.1)
    scales = task.gaussians().log_scales.exp().mean() / task.extent
    assert terms["scale"].item() == pytest.approx(0.01 * float(scales))


@pytest.mark.parametrize("visible_only", [False, True])
def test_hidden_gaussians_are_stepped_unless_only_visible_ones_are(
    tiny_scene: Scene, visible_only: bool
) -> None:
    config = replace(CONFIG, optim=OptimConfig(visible_only=visible_only))
    task = SplatTask.from_scene(tiny_scene, config)
    optimizers = optimizers_of(task.parameter_groups())
    train(task, 0, 10, optimizers)
    behind = task.gaussians().means
    behind[3] = torch.tensor([-99.0, 0.0, 0.0])  # no camera looks there
    before = {name: task.parameters[name].detach().clone() for name in optimizers}
    train(task, 10, 11, optimizers)
    stayed = {name: torch.equal(task.parameters[name][3], old[3]) for name, old in before.items()}
    moved = any(not torch.equal(task.parameters[name], old) for name, old in before.items())
    assert moved
    assert all(stayed.values()) == visible_only, stayed


def test_processes_step_what_any_of_them_has_drawn(tiny_scene: Scene) -> None:
    task = SplatTask.from_scene(tiny_scene, replace(CONFIG, optim=OptimConfig(visible_only=True)))
    optimizers = optimizers_of(task.parameter_groups())
    before = task.gaussians().logit_opacities.clone()
    (term,) = task.losses(task.batch(0), 0)
    term.value.backward()
    task.pool(lambda value: torch.arange(len(value)).float() % 2)  # every other one, in all
    task.parameters["logit_opacities"].grad = torch.ones(len(before))
    optimizers["logit_opacities"].step()
    changed = task.gaussians().logit_opacities != before
    assert changed.tolist() == [i % 2 == 1 for i in range(len(before))]


def test_every_photo_comes_once_an_epoch(tiny_scene: Scene) -> None:
    task = SplatTask.from_scene(tiny_scene, CONFIG)
    for epoch in range(3):
        drawn = {task.batch(step).name for step in range(4 * epoch, 4 * epoch + 4)}
        assert drawn == {photo.name for photo in task.train_photos}
    assert task.batch(3, rank=1, world_size=2).name == task.batch(7).name


def test_several_processes_densify_alike_and_as_their_sum(tiny_scene: Scene) -> None:
    config = replace(CONFIG, densify=replace(CONFIG.densify, start=0, every=1))
    tasks = [SplatTask.from_scene(tiny_scene, config) for _ in range(2)]
    seen: list[list[torch.Tensor]] = [[], []]
    for rank, task in enumerate(tasks):
        (term,) = task.losses(task.batch(0, rank, 2), 0)
        term.value.backward()
        task.pool(lambda value, own=seen[rank]: own.append(value) or value)  # what each would send
    sums = [a + b for a, b in zip(*seen, strict=True)]
    assert not torch.equal(seen[0][0], seen[1][0]), "both have seen the same"
    for task in tasks:
        (term,) = task.losses(task.batch(0), 0)
        term.value.backward()
        answers = iter(sums)
        task.pool(lambda _, answers=answers: next(answers))
        task.after_step(0, {})
    assert torch.equal(tasks[0].gaussians().means, tasks[1].gaussians().means)
    assert tasks[0].state_dict()["gradient"].sum() == 0, "no densification took place"


def test_learning_rate_of_the_means_falls_exponentially(tiny_scene: Scene) -> None:
    task = SplatTask.from_scene(tiny_scene, CONFIG)
    rate = {group.name: group.learning_rate for group in task.parameter_groups()}["means"]
    assert rate(0) == pytest.approx(1.6e-4 * task.extent)
    assert rate(100) == pytest.approx(1.6e-5 * task.extent)
    assert rate(200) == pytest.approx(1.6e-6 * task.extent)


def test_cached_points_are_taken_instead_of_new_ones(tiny_scene: Scene, tmp_path: Path) -> None:
    first = SplatTask.from_scene(tiny_scene, CONFIG, 0, tmp_path)
    again = SplatTask.from_scene(tiny_scene, CONFIG, 99, tmp_path)
    assert torch.equal(first.gaussians().means, again.gaussians().means)


def test_damaged_cached_points_are_named(tiny_scene: Scene, tmp_path: Path) -> None:
    SplatTask.from_scene(tiny_scene, CONFIG, 0, tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(DataError, match=r"points\.npz: first points expected; damaged: remove it"):
        SplatTask.from_scene(tiny_scene, CONFIG, 0, tmp_path)


def test_foreign_and_unfitting_states_are_refused(tiny_scene: Scene) -> None:
    task = SplatTask.from_scene(tiny_scene, CONFIG)
    with pytest.raises(ConfigError, match="checkpoint of 'second'"):
        task.load_state_dict({"method": "second"})
    flat = SplatTask.from_scene(tiny_scene, replace(CONFIG, sh_degree=0))
    with pytest.raises(ConfigError, match="sh_degree 1 needs 4"):
        task.load_state_dict(flat.state_dict())


def test_sizes_and_background_follow_the_configuration(tiny_scene: Scene) -> None:
    config = replace(CONFIG, downscale_to="24x18", background="white")
    task = SplatTask.from_scene(tiny_scene, config)
    assert task.train_photos[0].image.shape == (18, 24, 3)
    lens = task.train_photos[0].intrinsics
    away = task.train_photos[0].world_from_camera.clone()
    away[:3, :3] = away[:3, :3] @ torch.diag(torch.tensor([-1.0, 1.0, -1.0])).double()
    assert torch.equal(task.render(lens, away).colors, torch.ones(1, 18, 24, 3))


def test_a_missing_photo_is_named(tiny_scene: Scene) -> None:
    camera = replace(tiny_scene.frames[1].cameras[0], image_path=Path("nowhere.png"))
    broken = replace(tiny_scene.frames[1], cameras=(camera,))
    frames = (tiny_scene.frames[0], broken, *tiny_scene.frames[2:])
    with pytest.raises(DataError, match=r"nowhere\.png"):
        SplatTask.from_scene(replace(tiny_scene, frames=frames), CONFIG)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_damaged_held_out_photo_is_found_before_training(
    tiny_scene: Scene, tmp_path: Path, suffix: str
) -> None:
    task = SplatTask.from_scene(tiny_scene, CONFIG)
    held_out = task.test_cameras[0]
    path = tmp_path / f"cut{suffix}"
    write_rgb(path, held_out.read_image())
    path.write_bytes(path.read_bytes()[:-200])
    damaged = replace(held_out, image_path=path)
    frames = tuple(
        replace(f, cameras=(damaged,)) if f.cameras[0].name == held_out.name else f
        for f in tiny_scene.frames
    )
    with pytest.raises(DataError, match=rf"cut\{suffix}: image is damaged or cut short"):
        SplatTask.from_scene(replace(tiny_scene, frames=frames), CONFIG)


def test_photos_are_not_enlarged(tiny_scene: Scene) -> None:
    with pytest.raises(ConfigError, match=r"\.png: a photo of 48x36 cannot be downscaled to 48x37"):
        SplatTask.from_scene(tiny_scene, replace(CONFIG, downscale_to="48x37"))


def test_results_are_pictures_of_the_test_views(tiny_scene: Scene, tmp_path: Path) -> None:
    task = SplatTask.from_scene(tiny_scene, CONFIG)
    task.export(tmp_path)
    names = {picture_name(camera.name) for camera in task.test_cameras}
    assert {path.stem for path in (tmp_path / "renders").glob("*.png")} == names == {"00", "08"}
    assert {path.stem for path in (tmp_path / "depth").glob("*.npy")} == names
    assert (tmp_path / "splat.ply").stat().st_size > 1000


def test_the_parts_of_a_step_are_those_of_the_last_one(tiny_scene: Scene) -> None:
    task = SplatTask.from_scene(tiny_scene, CONFIG)
    assert task.loss_parts() == ()
    for step in range(2):
        begin = perf_counter()
        task.losses(task.batch(step), step)
        seconds = perf_counter() - begin
        parts = task.loss_parts()
        names = ["project", "sort", "forward"] if has_native() else ["forward"]
        assert [part.name for part in parts] == names
        assert min(part.seconds for part in parts) > 0
        assert sum(part.seconds for part in parts) < seconds
