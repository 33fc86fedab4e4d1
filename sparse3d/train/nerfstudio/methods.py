"""The methods that ``ns-train`` finds by entry point."""

from nerfstudio.configs.base_config import MachineConfig, ViewerConfig
from nerfstudio.plugins.types import MethodSpecification

from sparse3d.train.methods import find_method
from sparse3d.train.nerfstudio.detect import DetectPipelineConfig
from sparse3d.train.nerfstudio.segment import SegmentPipelineConfig
from sparse3d.train.nerfstudio.splat import SplatPipelineConfig
from sparse3d.train.nerfstudio.trainer import TaskTrainerConfig

__all__ = ["second", "sparse_splat", "sparse_unet"]

_SECOND = find_method("second")
_SPLAT = find_method("sparse-splat")
_UNET = find_method("sparse-unet")

sparse_splat = MethodSpecification(
    config=TaskTrainerConfig(
        method_name=_SPLAT.name,
        pipeline=SplatPipelineConfig(task=_SPLAT.default_config()),
        machine=MachineConfig(seed=0, device_type="cpu"),
        steps_per_save=500,
        steps_per_eval_batch=0,
        steps_per_eval_image=500,
        steps_per_eval_all_images=0,
        viewer=ViewerConfig(websocket_host="127.0.0.1", quit_on_train_completion=True),
        vis="viewer+tensorboard",
    ),
    description=_SPLAT.summary,
)
"""``ns-train sparse-splat``."""

second = MethodSpecification(
    config=TaskTrainerConfig(
        method_name=_SECOND.name,
        pipeline=DetectPipelineConfig(task=_SECOND.default_config()),
        machine=MachineConfig(seed=0, device_type="cpu"),
        steps_per_save=500,
        steps_per_eval_batch=0,
        steps_per_eval_image=0,
        steps_per_eval_all_images=1000,
        vis="tensorboard",
    ),
    description=_SECOND.summary,
)
"""``ns-train second``."""

sparse_unet = MethodSpecification(
    config=TaskTrainerConfig(
        method_name=_UNET.name,
        pipeline=SegmentPipelineConfig(task=_UNET.default_config()),
        machine=MachineConfig(seed=0, device_type="cpu"),
        steps_per_save=500,
        steps_per_eval_batch=0,
        steps_per_eval_image=0,
        steps_per_eval_all_images=1000,
        vis="tensorboard",
    ),
    description=_UNET.summary,
)
"""``ns-train sparse-unet``."""
