"""Rays against triangles, by Open3D's RaycastingScene (Embree)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sparse3d.ops.open3d_module import open3d_module
from sparse3d.scene import Mesh

__all__ = ["Hits", "RayCaster"]


@dataclass(frozen=True, slots=True)
class Hits:
    """What rays meet first; rows correspond to the rays."""

    distances: Float[Tensor, " n"]
    """In units of the rays' directions; infinite where nothing is met."""
    parts: Int[Tensor, " n"]
    """Number of the mesh that was met, -1 where none."""
    normals: Float[Tensor, "n 3"]
    """Unit normal of the triangle, facing the ray's origin."""


class RayCaster:
    """Meshes ready to be hit by rays.

    Args:
        meshes: The parts of the world, numbered in this order.
        threads: How many build and cast; 0 for all. With one, which of two coincident surfaces
            is met does not depend on the machine.

    Raises:
        MissingDependencyError: If Open3D is not installed.
    """

    def __init__(self, meshes: Sequence[Mesh], threads: int = 0) -> None:
        self._threads = threads
        geometry = open3d_module("simulating").t.geometry
        self._scene = geometry.RaycastingScene(nthreads=threads)
        for mesh in meshes:
            vertices = np.ascontiguousarray(mesh.vertices.numpy(), np.float32)
            triangles = np.ascontiguousarray(mesh.triangles.numpy(), np.uint32)
            self._scene.add_triangles(vertices, triangles)

    def cast(self, origins: Float[Tensor, "#n 3"], directions: Float[Tensor, "n 3"]) -> Hits:
        """The first hit of each ray, from one origin or one each; directions of any length."""
        found = self._scene.cast_rays(_rays(origins, directions), nthreads=self._threads)
        parts = found["geometry_ids"].numpy().astype(np.int64)
        normals = torch.from_numpy(found["primitive_normals"].numpy())
        away = (normals * directions).sum(1, keepdim=True) > 0
        return Hits(
            torch.from_numpy(found["t_hit"].numpy()),
            torch.from_numpy(np.where(parts == 0xFFFFFFFF, -1, parts)),
            torch.where(away, -normals, normals),
        )

    def occluded(
        self, origins: Float[Tensor, "#n 3"], directions: Float[Tensor, "n 3"]
    ) -> Bool[Tensor, " n"]:
        """Whether anything lies strictly between each origin and origin + direction."""
        rays = _rays(origins, directions)
        blocked = self._scene.test_occlusions(rays, tnear=0.0, tfar=0.999, nthreads=self._threads)
        return torch.from_numpy(blocked.numpy())


def _rays(origins: Float[Tensor, "#n 3"], directions: Float[Tensor, "n 3"]) -> Any:
    open3d = open3d_module("simulating")
    rays = torch.cat([origins.float().expand_as(directions), directions.float()], dim=1)
    return open3d.core.Tensor.from_numpy(rays.numpy())
