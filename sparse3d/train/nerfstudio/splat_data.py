"""The photos of a splat task as nerfstudio's data sets, for its viewer and renderers."""

# nerfstudio declares attributes by their base classes; each subclass holds its own kind.
# pyright: reportIncompatibleVariableOverride=false

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from nerfstudio.data.datamanagers.full_images_datamanager import FullImageDatamanagerConfig
from nerfstudio.data.dataparsers.base_dataparser import DataparserOutputs
from nerfstudio.data.datasets.base_dataset import InputDataset
from nerfstudio.data.scene_box import SceneBox
from nerfstudio.data.utils.dataloaders import FixedIndicesEvalDataloader
from torch import Tensor

from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.scene import Camera, Gaussians
from sparse3d.scene.formats.registry import open_scene
from sparse3d.scene.undistort import Undistortion
from sparse3d.splat.config import SplatConfig
from sparse3d.splat.photos import Photo, parse_size
from sparse3d.splat.task import SplatTask
from sparse3d.train.nerfstudio.cameras import nerfstudio_cameras
from sparse3d.train.nerfstudio.dataparser import Sparse3DDataParserConfig
from sparse3d.train.nerfstudio.pipeline import TaskDataManager

__all__ = ["PhotoDataset", "SplatDataManager", "SplatDataManagerConfig"]


class PhotoDataset(InputDataset):
    """Views of a splat task as it sees them: undistorted, at the working size; read when asked.

    Args:
        task: Knows the working size and the background.
        views: At least one view with an image.
    """

    def __init__(self, task: SplatTask, views: Sequence[Camera]) -> None:
        self._task = task
        self._views = tuple(views)
        self.parsed = _parsed(task.config, views)
        super().__init__(self.parsed)

    def photo(self, index: int) -> Photo:
        """One view, read from disk."""
        return self._task.load_photo(self._views[index])

    def get_image_float32(self, image_idx: int) -> Float[Tensor, "h w 3"]:
        """RGB in [0, 1]."""
        return self.photo(image_idx).image

    def get_image_uint8(self, image_idx: int) -> UInt8[Tensor, "h w 3"]:
        """RGB, 0 to 255."""
        return (self.photo(image_idx).image * 255).round().to(torch.uint8)

    def get_numpy_image(self, image_idx: int) -> np.ndarray:
        """RGB, 0 to 255."""
        return self.get_image_uint8(image_idx).numpy()

    def get_metadata(self, data: dict[str, Any]) -> dict[str, Tensor]:
        """The mask, where the view has one."""
        mask = self.photo(data["image_idx"]).mask
        return {} if mask is None else {"mask": mask[..., None]}


@dataclass
class SplatDataManagerConfig(FullImageDatamanagerConfig):
    """Where the scene is; how it is used says the task's configuration.

    nerfstudio's renderer insists on the base class, whose other options are not used.
    """

    _target: type = field(default_factory=lambda: SplatDataManager)
    dataparser: Sparse3DDataParserConfig = field(default_factory=Sparse3DDataParserConfig)
    task: SplatConfig = field(default_factory=SplatConfig)
    seed: int = 0


class SplatDataManager(TaskDataManager):
    """Opens the scene and makes the task; shows the task's views to nerfstudio."""

    config: SplatDataManagerConfig

    def __init__(self, config: SplatDataManagerConfig, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        self.task = self._make_task()
        self.train_dataset = PhotoDataset(self.task, self.task.split.train)
        self.train_dataparser_outputs = self.train_dataset.parsed
        if self.task.split.test:
            self.eval_dataset = PhotoDataset(self.task, self.task.split.test)
            self.fixed_indices_eval_dataloader = FixedIndicesEvalDataloader(self.eval_dataset)

    def _make_task(self) -> SplatTask:
        scene = open_scene(self.get_datapath())
        config, seed = self.config.task, self.config.seed
        if self.test_mode == "val":
            return SplatTask.from_scene(scene, config, seed)
        return SplatTask.from_scene(scene, config, seed, start=_placeholder(config.sh_degree))

    def get_train_rays_per_batch(self) -> int:
        """Pixels of a training view: a step looks at one view."""
        lens = self.task.train_photos[0].intrinsics
        return lens.width * lens.height

    def get_eval_rays_per_batch(self) -> int:
        """Pixels of a view."""
        return self.get_train_rays_per_batch()


def _parsed(config: SplatConfig, views: Sequence[Camera]) -> DataparserOutputs:
    lenses = [_working_lens(view, parse_size(config.downscale_to)) for view in views]
    poses = torch.stack([view.world_from_camera for view in views])
    centres = poses[:, :3, 3].float()
    return DataparserOutputs(
        image_filenames=[view.image_path for view in views if view.image_path is not None],
        cameras=nerfstudio_cameras(lenses, poses),
        scene_box=SceneBox(aabb=torch.stack([centres.amin(0), centres.amax(0)])),
    )


def _working_lens(view: Camera, size: tuple[int, int] | None) -> Intrinsics:
    lens = Undistortion.of(view.intrinsics).intrinsics
    return lens if size is None else lens.resized(*size)


def _placeholder(sh_degree: int) -> Gaussians:
    """One Gaussian, for a task that is about to load a checkpoint."""
    return Gaussians(
        means=torch.zeros(1, 3),
        quaternions=torch.tensor([[1.0, 0.0, 0.0, 0.0]]),
        log_scales=torch.zeros(1, 3),
        logit_opacities=torch.zeros(1),
        sh=torch.zeros(1, (sh_degree + 1) ** 2, 3),
    )
