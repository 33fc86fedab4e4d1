"""Methods on frames as nerfstudio sees them: frames in, metrics out, and no cameras."""

# nerfstudio declares attributes by their base classes; each subclass holds its own kind.
# pyright: reportIncompatibleVariableOverride=false

from dataclasses import dataclass, field

from sparse3d.errors import ConfigError
from sparse3d.scene import Frame, Scene
from sparse3d.scene.formats.registry import open_scene
from sparse3d.train.nerfstudio.pipeline import (
    TaskDataManager,
    TaskDataManagerConfig,
    one_line_errors,
)

__all__ = ["FrameDataManager", "FrameDataManagerConfig"]


@dataclass
class FrameDataManagerConfig(TaskDataManagerConfig):
    """Where the frames are; how they are used says the task's configuration."""

    _target: type = field(default_factory=lambda: FrameDataManager)


class FrameDataManager(TaskDataManager):
    """Opens the scene, and shows the frames of the task made of it to nerfstudio."""

    train_dataset: tuple[Frame, ...] = ()
    eval_dataset: tuple[Frame, ...] = ()
    _batch_size = 1

    def open(self) -> Scene:
        """The scene that was given."""
        return open_scene(self.get_datapath())

    def show(self, train: tuple[Frame, ...], val: tuple[Frame, ...], batch_size: int) -> None:
        """Tell nerfstudio which frames there are, and how many a step takes."""
        self.train_dataset, self.eval_dataset, self._batch_size = train, val, batch_size

    def get_train_rays_per_batch(self) -> int:
        """Unit of nerfstudio's speed display: frames of a step."""
        return self._batch_size

    def get_eval_rays_per_batch(self) -> int:
        """Unit of nerfstudio's speed display: a frame."""
        return 1

    @property
    def includes_time(self) -> bool:
        """What nerfstudio's viewers ask for first; there is nothing for them to show."""
        with one_line_errors():
            raise ConfigError(
                "nerfstudio's viewer draws images from cameras and cannot show what is found in"
                " point clouds; train with --vis tensorboard"
            )
