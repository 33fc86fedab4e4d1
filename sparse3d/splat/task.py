"""The ``sparse-splat`` method as a Task."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from jaxtyping import Bool, Float, Float64, Int32
from torch import Tensor, nn
from torch.optim import Optimizer

from sparse3d.errors import ConfigError
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.views import Views
from sparse3d.nn.training import LossTerm, ParameterGroup, PartSeconds, step_generator
from sparse3d.ops.adam import Adam, reset_rows
from sparse3d.ops.rasterize import RasterOptions, Render, StageSeconds, rasterize
from sparse3d.ops.ssim import photometric_loss
from sparse3d.scene import Camera, Gaussians, Scene
from sparse3d.scene.images import check_whole
from sparse3d.splat.config import SplatConfig
from sparse3d.splat.densify import GradientStatistics, Regrowth, grow_and_prune, prunable
from sparse3d.splat.initialise import gaussians_from_points, scene_extent
from sparse3d.splat.mcmc import position_noise, relocate_and_grow
from sparse3d.splat.metrics import ImageMetrics, ViewMetrics, compare_images
from sparse3d.splat.parameters import SplatParameters
from sparse3d.splat.photos import BACKGROUNDS, Photo, load_photo, parse_size
from sparse3d.splat.protocols import ViewSplit, choose_views
from sparse3d.splat.results import export_results
from sparse3d.splat.seeding import initial_points

__all__ = ["SplatTask"]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a forward pass left for the densification statistics."""

    mean_gradients: Float[Tensor, "1 n 2"]
    radii: Int32[Tensor, " n"]
    size: tuple[int, int]


class SplatTask:
    """Few-view Gaussian splatting of a scene; implements ``Task`` with photos as batches.

    Args:
        config: The recipe.
        split: Training and test views.
        train_photos: Training views, loaded.
        gaussians: Where to start.
        seed: Seed of all random numbers.
    """

    method = "sparse-splat"

    def __init__(
        self,
        config: SplatConfig,
        split: ViewSplit,
        train_photos: Sequence[Photo],
        gaussians: Gaussians,
        seed: int,
    ) -> None:
        self.config = config
        self.split = split
        self.train_photos = tuple(train_photos)
        self.parameters = SplatParameters(gaussians)
        self.extent = scene_extent(train_photos)
        self._seed = seed
        self._statistics = GradientStatistics.zeros(len(gaussians))
        self._seen: _Seen | GradientStatistics | None = None
        self._parts: tuple[PartSeconds, ...] = ()

    @classmethod
    def from_scene(
        cls,
        scene: Scene,
        config: SplatConfig,
        seed: int = 0,
        cache: Path | None = None,
        start: Gaussians | None = None,
    ) -> "SplatTask":
        """Choose views, load and undistort the training photos, triangulate the first points.

        Args:
            scene: Posed photos.
            config: The recipe.
            seed: Seed of all random numbers.
            cache: Folder that keeps the first points of this run, so that a resume finds them.
            start: First Gaussians instead of triangulated ones, as for a checkpoint to come.

        Raises:
            UserError: If the views cannot be chosen or a photo cannot be read.
        """
        split = choose_views(scene, config.protocol, config.views)
        if config.background != "auto":
            split = replace(split, background=config.background)
        background = BACKGROUNDS[split.background]
        size = parse_size(config.downscale_to)
        _check_held_out(split.test)
        photos = [load_photo(camera, size, background) for camera in split.train]
        if start is None:
            points = initial_points(split.train, background, config.init, seed, cache)
            start = gaussians_from_points(points, config.init.opacity, config.sh_degree)
        return cls(config, split, photos, start, seed)

    @property
    def iterations(self) -> int:
        """Number of steps of a full training."""
        return self.config.iterations

    @property
    def test_cameras(self) -> tuple[Camera, ...]:
        """Held-out views, as they are on disk; :meth:`load_photo` brings one to working size."""
        return self.split.test

    def load_photo(self, camera: Camera) -> Photo:
        """A view of the scene undistorted, at the working size, over the right background."""
        return load_photo(camera, parse_size(self.config.downscale_to), self._background())

    def gaussians(self) -> Gaussians:
        """The current Gaussians, without gradient history."""
        return self.parameters.gaussians().detached()

    @torch.no_grad()
    def render(self, intrinsics: Intrinsics, world_from_camera: Float64[Tensor, "4 4"]) -> Render:
        """The current splat from a pinhole camera, over the background of the run."""
        views = Views.of([intrinsics], world_from_camera[None])
        background = torch.tensor(self._background())
        return rasterize(self.gaussians(), views, background=background)

    def parameter_groups(self) -> list[ParameterGroup]:
        """One group for each kind of parameter."""
        rates = self.config.rates
        constant = {
            "sh_constant": rates.sh_constant,
            "sh_rest": rates.sh_rest,
            "logit_opacities": rates.opacities,
            "log_scales": rates.log_scales,
            "quaternions": rates.quaternions,
        }
        schedules: dict[str, Callable[[int], float]] = {"means": self._means_rate}
        schedules |= {name: partial(_constant_rate, rate) for name, rate in constant.items()}
        return [
            ParameterGroup(name, (self.parameters[name],), schedules[name], self._adam)
            for name in SplatParameters.names
        ]

    def _adam(self, parameters: Iterable[nn.Parameter], rate: float) -> Optimizer:
        optimizer = Adam(parameters, lr=rate, eps=1e-15)
        if self.config.optim.visible_only:
            optimizer.register_step_pre_hook(self._only_visible)
        return optimizer

    def _only_visible(
        self, optimizer: Optimizer, args: tuple[Any, ...], options: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What to call the optimizer's step with instead, in torch's form of such hooks."""
        del optimizer  # the same rows for all
        return args, {**options, "visible": self._visible()}

    def _visible(self) -> Bool[Tensor, " n"] | None:
        """Which Gaussians the last pass has drawn, in any process; None before the first."""
        if self._seen is None:
            return None
        seen = self._seen.count if isinstance(self._seen, GradientStatistics) else self._seen.radii
        return seen > 0

    def batch(self, step: int, rank: int = 0, world_size: int = 1) -> Photo:
        """One training photo; every photo comes once before any comes again."""
        draw = step * world_size + rank
        epoch, index = divmod(draw, len(self.train_photos))
        generator = step_generator(self._seed, epoch, stream=1)
        order = torch.randperm(len(self.train_photos), generator=generator)
        return self.train_photos[int(order[index])]

    def losses(self, batch: Photo, step: int) -> list[LossTerm]:
        """L1 and SSIM against the photo (Kerbl et al. 2023, equation 7), penalties of mcmc."""
        gaussians = self.parameters.gaussians()
        mean_gradients = torch.zeros(1, len(gaussians), 2, requires_grad=True)
        begin = perf_counter()
        render = rasterize(
            gaussians,
            Views.of([batch.intrinsics], batch.world_from_camera[None]),
            background=torch.tensor(self._background()),
            options=RasterOptions(
                sh_degree=min(step // self.config.sh_every, self.config.sh_degree)
            ),
            mean_gradients=mean_gradients,
        )
        self._parts = _parts_of(perf_counter() - begin, render.stages)
        size = (batch.intrinsics.width, batch.intrinsics.height)
        self._seen = _Seen(mean_gradients, render.radii[0], size)
        loss = photometric_loss(
            render.colors[0], batch.image, mask=batch.mask, ssim_weight=self.config.ssim_weight
        )
        return [LossTerm("photometric", loss), *self._penalties(gaussians)]

    def loss_parts(self) -> tuple[PartSeconds, ...]:
        """What drawing took in the last call of ``losses``."""
        return self._parts

    def _penalties(self, gaussians: Gaussians) -> list[LossTerm]:
        """Opacity and scale in the loss (Kheradmand et al. 2024)."""
        densify = self.config.densify
        if densify.strategy != "mcmc":
            return []
        opacity = torch.sigmoid(gaussians.logit_opacities).mean()
        scale = gaussians.log_scales.exp().mean() / self.extent
        return [
            LossTerm("opacity", densify.mcmc.opacity_penalty * opacity),
            LossTerm("scale", densify.mcmc.scale_penalty * scale),
        ]

    def pool(self, total: Callable[[Tensor], Tensor]) -> None:
        """Sum what was seen in this step over several processes, so that all densify alike."""
        seen = self._take_seen()
        self._seen = GradientStatistics(total(seen.gradient), total(seen.count), total(seen.radius))

    def after_step(self, step: int, optimizers: Mapping[str, Optimizer]) -> None:
        """Opacity decay (Han et al. 2024, section 3.3), densification, pruning and noise."""
        densify = self.config.densify
        self._statistics = self._statistics.plus(self._take_seen())
        if step >= densify.start:
            self.parameters.multiply_opacities(self.config.opacity_decay)
            last = densify.stop_fraction * self.config.iterations
            if (step + 1) % densify.every == 0 and step + 1 < last:
                self._densify(step, optimizers)
        if densify.strategy == "mcmc":
            self._wander(step)

    def _take_seen(self) -> GradientStatistics:
        """What the last step has seen, once; nothing if there was no backward pass."""
        seen, self._seen = self._seen, None
        if isinstance(seen, GradientStatistics):
            return seen
        nothing = GradientStatistics.zeros(len(self.parameters["means"]))
        if seen is None or seen.mean_gradients.grad is None:
            return nothing
        return nothing.added(seen.mean_gradients.grad[0], seen.radii, seen.size)

    def _densify(self, step: int, optimizers: Mapping[str, Optimizer]) -> None:
        grown = self._regrown(step_generator(self._seed, step, stream=2))
        self.parameters.regrow(grown.gaussians, grown.kept, grown.added, optimizers)
        for name, optimizer in optimizers.items():
            reset_rows(optimizer, self.parameters[name], grown.restarted)
        self._statistics = GradientStatistics.zeros(len(grown.gaussians))

    def _regrown(self, generator: torch.Generator) -> Regrowth:
        gaussians, densify = self.gaussians(), self.config.densify
        radii = self._statistics.mean_radius()
        doomed = prunable(gaussians, self.extent, densify, radii=radii)
        if densify.strategy == "mcmc":
            return relocate_and_grow(gaussians, doomed, densify, generator)
        gradient = self._statistics.mean()
        return grow_and_prune(gaussians, gradient, self.extent, densify, generator, doomed=doomed)

    def _wander(self, step: int) -> None:
        """Noise on the centres, all lengths in units of the extent."""
        rate = self._means_rate(step) / self.extent
        strength = self.config.densify.mcmc.noise * rate / self.extent
        generator = step_generator(self._seed, step, stream=3)
        means = self.parameters["means"]
        means.data = means.data + position_noise(self.gaussians(), strength, generator)

    def evaluate(self, on_progress: Callable[[int, int], None] | None = None) -> ImageMetrics:
        """PSNR, SSIM and LPIPS (where possible) on the test views."""
        views: list[ViewMetrics] = []
        for i, camera in enumerate(self.split.test):
            photo = self.load_photo(camera)
            image = self.render(photo.intrinsics, photo.world_from_camera).colors[0]
            views.append(compare_images(camera.name, image, photo.image, photo.mask))
            if on_progress is not None:
                on_progress(i + 1, len(self.split.test))
        names = tuple(photo.name for photo in self.train_photos)
        count = len(self.parameters["means"])
        return ImageMetrics(tuple(views), count, names, self.split.protocol)

    def export(self, folder: Path) -> None:
        """Write the splat, and pictures of the test views (the training views if none).

        Args:
            folder: Run folder; see :func:`sparse3d.splat.results.export_results`.
        """
        photos = (self.load_photo(camera) for camera in self.split.test or self.split.train)
        pictures = (
            (photo, self.render(photo.intrinsics, photo.world_from_camera)) for photo in photos
        )
        export_results(folder, self.gaussians(), pictures)

    def state_dict(self) -> dict[str, Any]:
        """Parameters and densification statistics."""
        tensors = {name: self.parameters[name].detach() for name in SplatParameters.names}
        return {
            "method": self.method,
            "gradient": self._statistics.gradient,
            "count": self._statistics.count,
            "radius": self._statistics.radius,
            **tensors,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state of any number of Gaussians.

        Raises:
            ConfigError: If the state is one of another method or SH degree.
        """
        if state.get("method") != self.method:
            raise ConfigError(f"checkpoint of {state.get('method')!r}, expected {self.method!r}")
        sh = torch.cat([state["sh_constant"], state["sh_rest"]], dim=1)
        if sh.shape[1] != (self.config.sh_degree + 1) ** 2:
            raise ConfigError(
                f"checkpoint has {sh.shape[1]} colour coefficients,"
                f" sh_degree {self.config.sh_degree} needs {(self.config.sh_degree + 1) ** 2}"
            )
        self.parameters.assign(
            Gaussians(
                state["means"],
                state["quaternions"],
                state["log_scales"],
                state["logit_opacities"],
                sh,
            )
        )
        self._statistics = GradientStatistics(
            state["gradient"].clone(),
            state["count"].clone(),
            # Runs of earlier versions did not look at radii.
            state.get("radius", torch.zeros_like(state["count"])).clone(),
        )

    def _background(self) -> tuple[float, float, float]:
        return BACKGROUNDS[self.split.background]

    def _means_rate(self, step: int) -> float:
        rates = self.config.rates
        share = min(step / max(self.config.iterations, 1), 1.0)
        return self.extent * rates.means ** (1 - share) * rates.means_final**share


def _parts_of(seconds: float, stages: StageSeconds | None) -> tuple[PartSeconds, ...]:
    """Of drawing; ``forward`` is blending, with all that is not told apart."""
    if stages is None:
        return (PartSeconds("forward", seconds),)
    forward = seconds - stages.project - stages.sort
    return (
        PartSeconds("project", stages.project),
        PartSeconds("sort", stages.sort),
        PartSeconds("forward", forward),
    )


def _check_held_out(cameras: Iterable[Camera]) -> None:
    """Find a damaged photo before the training, not at the evaluation after it."""
    for camera in cameras:
        for path in (camera.image_path, camera.mask_path):
            if path is not None:
                check_whole(path)


def _constant_rate(rate: float, step: int) -> float:
    del step  # the same at every step
    return rate
