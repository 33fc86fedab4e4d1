"""Point clouds with any per-point attributes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from jaxtyping import Bool, Float, Int, Integer, Shaped
from torch import Tensor

__all__ = ["PointCloud"]


@dataclass(frozen=True, slots=True)
class PointCloud:
    """Points with the attributes that came with them; all rows correspond."""

    positions: Float[Tensor, "n 3"]
    """x, y, z in the frame of the owner (world, or LiDAR for a ``Frame``), metres where metric."""
    colors: Float[Tensor, "n 3"] | None = None
    """RGB in [0, 1]."""
    normals: Float[Tensor, "n 3"] | None = None
    """Unit normals."""
    intensities: Float[Tensor, " n"] | None = None
    """Return strength as the file stores it (KITTI: [0, 1]; nuScenes: 0 to 255)."""
    labels: Int[Tensor, " n"] | None = None
    """Semantic class number."""
    times: Float[Tensor, " n"] | None = None
    """Seconds relative to the frame's time stamp."""
    rings: Int[Tensor, " n"] | None = None
    """Number of the laser beam, 0 = first in the file's own order."""
    extra: Mapping[str, Shaped[Tensor, "n ..."]] = field(default_factory=dict)
    """Further attributes under the names of their file."""

    def __post_init__(self) -> None:
        for name, values in self.attributes().items():
            if len(values) != len(self):
                raise ValueError(f"{name} has {len(values)} rows for {len(self)} points")

    def __len__(self) -> int:
        return len(self.positions)

    def attributes(self) -> dict[str, Tensor]:
        """All attributes that are present, extra ones included, without the positions."""
        named = {
            "colors": self.colors,
            "normals": self.normals,
            "intensities": self.intensities,
            "labels": self.labels,
            "times": self.times,
            "rings": self.rings,
        }
        return {k: v for k, v in named.items() if v is not None} | dict(self.extra)

    def select(self, rows: Integer[Tensor, " m"] | Bool[Tensor, " n"]) -> "PointCloud":
        """The points at the given row numbers, or where a mask is true."""
        picked = {k: v[rows] for k, v in self.attributes().items() if k not in self.extra}
        extra = {k: v[rows] for k, v in self.extra.items()}
        return replace(self, positions=self.positions[rows], extra=extra, **picked)
