"""Triangle meshes."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["Mesh"]


@dataclass(frozen=True, slots=True)
class Mesh:
    """Triangles over shared vertices, counter-clockwise seen from outside."""

    vertices: Float[Tensor, "v 3"]
    """x, y, z in the world, metres where metric."""
    triangles: Int[Tensor, "t 3"]
    """Vertex numbers."""
    colors: Float[Tensor, "v 3"] | None = None
    """RGB of each vertex in [0, 1]."""
    normals: Float[Tensor, "v 3"] | None = None
    """Unit normal of each vertex."""

    def __post_init__(self) -> None:
        if len(self.triangles) == 0:
            return
        low, high = int(self.triangles.min()), int(self.triangles.max())
        if low < 0 or high >= len(self.vertices):
            raise ValueError(
                f"triangles name vertices {low} to {high}, but there are {len(self.vertices)}"
            )
