"""What drawing results in."""

from dataclasses import dataclass

from jaxtyping import Float, Int32
from torch import Tensor

__all__ = ["Drawing"]


@dataclass(frozen=True, slots=True)
class Drawing:
    """Pictures of primitives, one a view."""

    colors: Float[Tensor, "c h w 3"]
    """RGB over the background."""
    depths: Float[Tensor, "c h w"]
    """z-depth of what is seen, scene units; infinite where nothing is."""
    ids: Int32[Tensor, "c h w"]
    """What is seen: points, lines and faces of all primitives are counted in their order, from 0;
    -1 for the background."""
