"""``sparse3d-data``: whatever the scene layer reads, for every method of nerfstudio."""

# nerfstudio declares attributes by their base classes; each subclass holds its own kind.
# pyright: reportIncompatibleVariableOverride=false

from dataclasses import dataclass, field
from typing import Any

import torch
from nerfstudio.data.dataparsers.base_dataparser import (
    DataParser,
    DataParserConfig,
    DataparserOutputs,
)
from nerfstudio.data.scene_box import SceneBox
from nerfstudio.plugins.registry_dataparser import DataParserSpecification
from torch import Tensor

from sparse3d.errors import ConfigError
from sparse3d.scene import Camera, Scene
from sparse3d.scene.formats.registry import open_scene
from sparse3d.train.nerfstudio.cameras import nerfstudio_cameras

__all__ = ["Sparse3DDataParser", "Sparse3DDataParserConfig", "specification"]


@dataclass
class Sparse3DDataParserConfig(DataParserConfig):
    """COLMAP, transforms.json, Blender and the other posed photos that sparse3d reads."""

    _target: type = field(default_factory=lambda: Sparse3DDataParser)
    eval_interval: int = 8
    """Every so many-th image is held out, where the data set itself has no split."""
    auto_scale_poses: bool = True
    """Move the cameras' mean to the origin and scale them into the box from -1 to 1."""


class Sparse3DDataParser(DataParser):
    """Opens a scene and hands its photos to nerfstudio, lenses and poses as they are."""

    config: Sparse3DDataParserConfig

    def _generate_dataparser_outputs(
        self, split: str = "train", **kwargs: Any
    ) -> DataparserOutputs:
        del kwargs
        scene = open_scene(self.config.data)
        views = self._views(scene, split)
        shift, scale = self._similarity(scene)
        poses = torch.stack([view.world_from_camera for view in views])
        poses[:, :3, 3] = (poses[:, :3, 3] - shift) * scale
        masks = [view.mask_path for view in views if view.mask_path is not None]
        transform = torch.cat([torch.eye(3), -shift[:, None].float()], dim=1)
        return DataparserOutputs(
            image_filenames=[view.image_path for view in views if view.image_path is not None],
            cameras=nerfstudio_cameras([view.intrinsics for view in views], poses),
            scene_box=SceneBox(aabb=torch.tensor([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]])),
            mask_filenames=masks if len(masks) == len(views) else None,
            metadata=_seed_points(scene, shift, scale),
            dataparser_transform=transform,
            dataparser_scale=scale,
        )

    def _views(self, scene: Scene, split: str) -> list[Camera]:
        pairs = [(frame.split, camera) for frame in scene.frames for camera in frame.cameras]
        pairs = [(part, camera) for part, camera in pairs if camera.image_path is not None]
        if any(part == "test" for part, _ in pairs):
            held_out = [part in ("val", "test") for part, _ in pairs]
        else:
            held_out = [i % self.config.eval_interval == 0 for i in range(len(pairs))]
        wanted = split != "train"
        views = [camera for (_, camera), out in zip(pairs, held_out, strict=True) if out == wanted]
        if not views:
            raise ConfigError(f"{self.config.data}: no {split} view with an image")
        return views

    def _similarity(self, scene: Scene) -> tuple[Tensor, float]:
        centres = torch.stack([c.world_from_camera[:3, 3] for c in scene.require_cameras()])
        if not self.config.auto_scale_poses:
            return torch.zeros(3, dtype=torch.float64), 1.0
        shift = centres.mean(0)
        radius = float((centres - shift).abs().max())
        return shift, 1 / radius if radius > 0 else 1.0


def _seed_points(scene: Scene, shift: Tensor, scale: float) -> dict[str, Any]:
    """Points in the form that Splatfacto starts from; RGB 0 to 255."""
    points = scene.read_points()
    if points is None or len(points) == 0:
        return {}
    positions = (points.positions.double() - shift) * scale
    colors = torch.full_like(points.positions, 0.5) if points.colors is None else points.colors
    return {
        "points3D_xyz": positions.float(),
        "points3D_rgb": (colors * 255).round().to(torch.uint8),
    }


specification = DataParserSpecification(
    config=Sparse3DDataParserConfig(),
    description="Posed photos in any layout that sparse3d reads",
)
