"""A world: surfaces with materials, lights, and pictures of it by ray casting."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from sparse3d.data.simulate.raycast import RayCaster
from sparse3d.data.simulate.textures import Material, SolidNoise
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.scene import Mesh

__all__ = ["Part", "Picture", "World"]

_SKY = (0.72, 0.82, 0.95)
_OFF_SURFACE = 1e-3  # metres between a surface and the start of its shadow rays


@dataclass(frozen=True, slots=True)
class Part:
    """One object of a world."""

    name: str
    """What it is, such as ``table``."""
    mesh: Mesh
    """Its surface in the world frame, metres."""
    material: Material
    """How it looks."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What a camera sees, with its truth."""

    image: Float[Tensor, "h w 3"]
    """RGB in [0, 1], antialiased."""
    depth: Float[Tensor, "h w"]
    """z-depth through the pixel's centre in metres, 0 where nothing is met."""
    parts: Int[Tensor, "h w"]
    """Number of the part at the pixel's centre, -1 where nothing is met."""


class World:
    """Parts under several lamps.

    Args:
        parts: Everything that can be seen.
        lamps: Places of the lamps, metres; each gives an equal share of the direct light.
        ambient: Share of the light that comes from everywhere.
        seed: Seed of the textures.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        lamps: Sequence[tuple[float, float, float]],
        ambient: float,
        seed: int,
    ) -> None:
        self.parts = tuple(parts)
        self._caster = RayCaster([part.mesh for part in parts])
        self._lamps = torch.tensor(lamps)
        self._ambient = ambient
        self._noise = SolidNoise(seed)

    def mesh(self) -> Mesh:
        """The surface of all parts in one."""
        counts = [0, *(len(part.mesh.vertices) for part in self.parts)]
        starts = torch.tensor(counts).cumsum(0)
        triangles = [p.mesh.triangles + start for p, start in zip(self.parts, starts, strict=False)]
        return Mesh(torch.cat([part.mesh.vertices for part in self.parts]), torch.cat(triangles))

    def photograph(
        self, lens: Intrinsics, world_from_camera: Float64[Tensor, "4 4"], samples: int = 2
    ) -> Picture:
        """An image with ``samples`` x ``samples`` rays a pixel, and its truth.

        Args:
            lens: Any lens; its distortion is simulated.
            world_from_camera: Pose, OpenCV axes.
            samples: Rays along each side of a pixel.
        """
        fine = lens.resized(lens.width * samples, lens.height * samples)
        origin, rays = _rays(fine, world_from_camera)
        image = self._shade(origin, rays).reshape(lens.height, samples, lens.width, samples, 3)
        origin, rays = _rays(lens, world_from_camera)
        hits = self._caster.cast(origin, rays)
        size = (lens.height, lens.width)
        depth = torch.where(hits.parts >= 0, hits.distances, 0.0)  # rays have z = 1
        return Picture(image.mean((1, 3)), depth.reshape(size), hits.parts.reshape(size))

    def _shade(
        self, origin: Float[Tensor, "1 3"], rays: Float[Tensor, "n 3"]
    ) -> Float[Tensor, "n 3"]:
        hits = self._caster.cast(origin, rays)
        colors = torch.tensor(_SKY).expand(len(rays), 3).clone()
        met = (hits.parts >= 0).nonzero()[:, 0]
        places = origin + rays[met] * hits.distances[met, None]
        light = self._light(places, hits.normals[met])
        colors[met] = self._albedo(places, hits.parts[met]) * light[:, None]
        return colors.clamp(0, 1)

    def _albedo(
        self, places: Float[Tensor, "n 3"], numbers: Int[Tensor, " n"]
    ) -> Float[Tensor, "n 3"]:
        colors = torch.empty_like(places)
        for number in numbers.unique().tolist():
            rows = (numbers == number).nonzero()[:, 0]
            colors[rows] = self.parts[number].material.colors(places[rows], self._noise)
        return colors

    def _light(
        self, places: Float[Tensor, "n 3"], normals: Float[Tensor, "n 3"]
    ) -> Float[Tensor, " n"]:
        """Lambert's law with shadows; places and normals of surfaces."""
        direct = torch.zeros(len(places))
        starts = places + _OFF_SURFACE * normals
        for lamp in self._lamps:
            towards = lamp - starts
            cosine = (torch.nn.functional.normalize(towards, dim=1) * normals).sum(1)
            direct += cosine.clamp_min(0) * ~self._caster.occluded(starts, towards)
        return self._ambient + (1 - self._ambient) * direct / len(self._lamps)


def _rays(
    lens: Intrinsics, world_from_camera: Float64[Tensor, "4 4"]
) -> tuple[Float[Tensor, "1 3"], Float[Tensor, "n 3"]]:
    """Origin, and a ray with z = 1 in the camera frame through every pixel, row by row."""
    local = lens.unproject(lens.pixel_grid().reshape(-1, 2))
    rays = local @ world_from_camera[:3, :3].T
    return world_from_camera[:3, 3].float()[None], rays.float()
