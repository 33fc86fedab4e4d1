"""A street ready for sensors: parts that rays meet, and whose they are."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from sparse3d.data.simulate.raycast import RayCaster
from sparse3d.data.simulate.street.things import Finish, Surface, Thing, merged

__all__ = ["Stage"]


class Stage:
    """Things and ground as numbered parts; background of one finish is one part.

    Args:
        things: All that stands about.
        ground: What they stand on.
    """

    def __init__(self, things: Sequence[Thing], ground: Sequence[Surface]) -> None:
        self.objects: tuple[Thing, ...] = tuple(thing for thing in things if thing.name)
        background = [s for thing in things if not thing.name for s in thing.surfaces]
        fixed = merged([*ground, *background])
        owned = [(i, s) for i, thing in enumerate(self.objects) for s in thing.surfaces]
        surfaces = [*(surface for _, surface in owned), *fixed]
        self.finishes: tuple[Finish, ...] = tuple(surface.finish for surface in surfaces)
        self.caster = RayCaster([surface.shape.mesh() for surface in surfaces], threads=1)
        owners = np.full(len(surfaces) + 1, -1)  # the last row is that of part -1, the sky
        owners[: len(owned)] = [i for i, _ in owned]
        self._owners = torch.from_numpy(owners)

    def owners(self, parts: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
        """Number of the object that each part belongs to, -1 for background and sky."""
        return self._owners[parts]
