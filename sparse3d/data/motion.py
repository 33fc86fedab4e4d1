"""A motion of everything in a sample: mirror, rotation about z, scale, shift."""

from dataclasses import dataclass

from jaxtyping import Float, Float64
from torch import Tensor

from sparse3d.geometry.rotations import matrix_from_yaw

__all__ = ["Motion"]


@dataclass(frozen=True, slots=True)
class Motion:
    """Mirrors y, then turns about z, then scales, then shifts."""

    mirrored: bool
    """Whether y changes its sign."""
    angle: Float64[Tensor, ""]
    """Radians, counter-clockwise."""
    scale: float
    """Factor of all lengths."""
    shift: Float64[Tensor, " 3"]
    """Along x, y, z, metres."""

    def directions(self, vectors: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """Differences of positions moved, in their own dtype."""
        sign = vectors.new_tensor([1.0, -1.0 if self.mirrored else 1.0, 1.0])
        rotation = matrix_from_yaw(self.angle).to(vectors)
        return self.scale * (vectors * sign) @ rotation.T

    def positions(self, positions: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """Positions moved, in their own dtype."""
        return self.directions(positions) + self.shift.to(positions)
