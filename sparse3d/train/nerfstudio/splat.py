"""``sparse-splat`` as nerfstudio sees it: a model of Splatfacto's kind, and its pipeline."""

# nerfstudio declares attributes by their base classes; each subclass holds its own kind.
# pyright: reportIncompatibleVariableOverride=false

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from statistics import stdev
from typing import Any

import torch
from jaxtyping import Float
from nerfstudio.cameras.cameras import Cameras
from nerfstudio.configs.base_config import InstantiateConfig
from nerfstudio.data.scene_box import OrientedBox, SceneBox
from nerfstudio.models.splatfacto import SplatfactoModel
from nerfstudio.utils.colormaps import apply_depth_colormap
from torch import Tensor, nn
from tyro.conf import Fixed

from sparse3d.geometry.views import Views
from sparse3d.ops.rasterize import Render, rasterize
from sparse3d.scene import SH_C0
from sparse3d.scene.images import write_rgb
from sparse3d.splat.config import SplatConfig
from sparse3d.splat.metrics import ImageMetrics, ViewMetrics, compare_images
from sparse3d.splat.photos import BACKGROUNDS, Photo
from sparse3d.splat.task import SplatTask
from sparse3d.train.nerfstudio.cameras import view_of
from sparse3d.train.nerfstudio.pipeline import (
    TaskPipeline,
    TaskPipelineConfig,
    numbers_of,
    one_line_errors,
    trained_parameters,
)
from sparse3d.train.nerfstudio.splat_data import (
    PhotoDataset,
    SplatDataManager,
    SplatDataManagerConfig,
)

__all__ = ["SplatModel", "SplatModelConfig", "SplatPipeline", "SplatPipelineConfig"]


@dataclass
class SplatModelConfig(InstantiateConfig):
    """The one value of Splatfacto's configuration that nerfstudio's exporter reads."""

    _target: type = field(default_factory=lambda: SplatModel)
    sh_degree: int = 0


class SplatModel(SplatfactoModel):
    """The current Gaussians of a splat task under the names of Splatfacto.

    nerfstudio's viewer and exporter treat models of this class as splats. Nothing of Splatfacto's
    training is used: it needs CUDA, and network weights to be downloaded.

    Args:
        task: Holds the Gaussians and draws them.
        scene_box: Around the cameras.
        num_train_data: Number of training views.
    """

    def __init__(self, task: SplatTask, scene_box: SceneBox, num_train_data: int) -> None:
        self.task = task
        config: Any = SplatModelConfig(sh_degree=task.config.sh_degree)
        super().__init__(config, scene_box, num_train_data)

    def populate_modules(self) -> None:
        """What remains of Splatfacto: crop box and background of the viewer."""
        self.trained = trained_parameters(self.task)
        self.crop_box: OrientedBox | None = None
        self.background_color = torch.tensor(BACKGROUNDS[self.task.split.background])

    @property
    def device(self) -> torch.device:
        """Where the Gaussians are."""
        return self.task.gaussians().means.device

    @property
    def gauss_params(self) -> dict[str, Tensor]:
        """The current values, as Splatfacto names and shapes them."""
        gaussians = self.task.gaussians()
        return {
            "means": gaussians.means,
            "scales": gaussians.log_scales,
            "quats": gaussians.quaternions,
            "features_dc": gaussians.sh[:, 0],
            "features_rest": gaussians.sh[:, 1:],
            "opacities": gaussians.logit_opacities[:, None],
        }

    @property
    def colors(self) -> Float[Tensor, "n 3"]:
        """RGB seen from the mean of all directions; Splatfacto has another rule for degree 0."""
        return self.features_dc * SH_C0 + 0.5

    @property
    def shs_0(self) -> Float[Tensor, "n 3"]:
        """Constant colour coefficients; Splatfacto has another rule for degree 0."""
        return self.features_dc

    def get_param_groups(self) -> dict[str, list[nn.Parameter]]:
        """Parameters by the names of the task's groups."""
        return {group.name: list(group.parameters) for group in self.task.parameter_groups()}

    def get_training_callbacks(self, training_callback_attributes: object) -> list[Any]:
        """None: the task densifies itself."""
        del training_callback_attributes
        return []

    @torch.no_grad()
    def get_outputs(self, camera: Cameras) -> dict[str, Any]:
        """Draw the Gaussians, those inside the crop box if there is one.

        Args:
            camera: One perspective camera.

        Returns:
            ``rgb`` and ``background`` [h, w, 3], ``depth`` (z, scene units) and ``accumulation``
            [h, w, 1].

        Raises:
            ConfigError: If it is no perspective camera.
        """
        intrinsics, pose = view_of(camera)
        gaussians = self.task.gaussians()
        if self.crop_box is not None:
            gaussians = gaussians.select(self.crop_box.within(gaussians.means))
        device = gaussians.means.device
        background = self.background_color.to(device)
        views = Views.of([intrinsics], pose[None].to(device))
        return _outputs(rasterize(gaussians, views, background=background), background)

    def get_rgba_image(self, outputs: dict[str, Tensor], output_name: str = "rgb") -> Tensor:
        """RGB without the background, and straight alpha."""
        alpha = outputs["accumulation"]
        behind = outputs["background"] * (1 - alpha)
        rgb = (outputs[output_name] - behind) / alpha.clamp_min(1e-6)
        return torch.cat([rgb.clamp(0, 1), alpha], dim=-1)


def _outputs(render: Render, background: Float[Tensor, " 3"]) -> dict[str, Tensor]:
    rgb, depth = render.colors[0].clamp(0, 1), render.depths[0]
    hit = render.alphas[0] > 0
    return {
        "rgb": rgb,
        "depth": torch.where(hit, depth, depth.max())[..., None],  # nothing is far away, not near
        "accumulation": render.alphas[0][..., None],
        "background": background.expand_as(rgb),
    }


@dataclass
class SplatPipelineConfig(TaskPipelineConfig):
    """``sparse-splat`` and its scene."""

    _target: type = field(default_factory=lambda: SplatPipeline)
    datamanager: Fixed[SplatDataManagerConfig] = field(default_factory=SplatDataManagerConfig)
    task: SplatConfig = field(default_factory=SplatConfig)
    """The recipe."""

    def __post_init__(self) -> None:
        # nerfstudio's renderer makes the data manager without the pipeline.
        self.datamanager = dataclasses.replace(self.datamanager, task=self.task, seed=self.seed)


class SplatPipeline(TaskPipeline):
    """A splat task with its photos."""

    config: SplatPipelineConfig
    datamanager: SplatDataManager
    task: SplatTask

    def build_task(self) -> SplatTask:
        """The task that the data manager has made."""
        return self.datamanager.task

    def build_model(self) -> SplatModel:
        """The Gaussians as a model of Splatfacto's kind."""
        views = self.datamanager.train_dataset
        return SplatModel(self.task, views.scene_box, len(views))

    @torch.no_grad()
    def get_eval_loss_dict(
        self, step: int
    ) -> tuple[dict[str, Any], dict[str, Tensor], dict[str, Tensor]]:
        """Mean absolute difference to one test photo."""
        photo = self._test_photo(step)
        image = self.task.render(photo.intrinsics, photo.world_from_camera).colors[0]
        return {}, {"l1": (image - photo.image).abs().mean()}, {}

    def get_eval_image_metrics_and_images(
        self, step: int
    ) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Metrics of one test view, and photo, rendering and depth side by side."""
        photo = self._test_photo(step)
        render = self.task.render(photo.intrinsics, photo.world_from_camera)
        image = render.colors[0].clamp(0, 1)
        outputs = _outputs(render, image.new_zeros(3))
        depth = apply_depth_colormap(outputs["depth"], outputs["accumulation"])
        metrics = _numbers(compare_images(photo.name, image, photo.image, photo.mask))
        metrics["num_rays"] = image.shape[0] * image.shape[1]
        return metrics, {"img": torch.cat([photo.image, image, depth], dim=1)}

    def get_average_eval_image_metrics(
        self, step: int | None = None, output_path: Path | None = None, get_std: bool = False
    ) -> dict[str, Any]:
        """The numbers of the task's own evaluation, the same as ``sparse3d eval`` gives.

        Args:
            step: Ignored.
            output_path: Folder for photo and rendering of every test view, side by side.
            get_std: Whether to add standard deviations over the views.
        """
        del step
        with one_line_errors():
            evaluation = self.task.evaluate()
            if output_path is not None:
                self._write_pairs(output_path)
        return numbers_of(evaluation) | (_deviations(evaluation) if get_std else {})

    def _write_pairs(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for index in range(len(self.task.split.test)):
            photo = self._test_photo(index)
            image = self.task.render(photo.intrinsics, photo.world_from_camera).colors[0]
            pair = torch.cat([photo.image, image.clamp(0, 1)], dim=1)
            write_rgb(folder / f"eval_img_{index:04d}.png", pair)

    def _test_photo(self, number: int) -> Photo:
        views: PhotoDataset = self.datamanager.eval_dataset
        return views.photo(number % len(views))


def _numbers(view: ViewMetrics) -> dict[str, float]:
    values = {"psnr": view.psnr, "ssim": view.ssim, "lpips": view.lpips}
    return {name: value for name, value in values.items() if value is not None}


def _deviations(evaluation: ImageMetrics) -> dict[str, float]:
    columns = [_numbers(view) for view in evaluation.per_view]
    if len(columns) < 2:
        return {}
    return {f"{name}_std": stdev([view[name] for view in columns]) for name in columns[0]}
