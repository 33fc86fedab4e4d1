"""Rulebooks that layers on a grid share."""

from collections.abc import Iterator

from sparse3d.ops.neighbours import Kernel, Rulebook, neighbours
from sparse3d.scene.sparse_grid import SparseGrid

__all__ = ["Rulebooks"]


class Rulebooks:
    """Those of the kernels on one grid, each built when a layer asks for it first, and then kept.

    A grid that a kernel makes has rulebooks as well; they are shared by all layers that make it.
    """

    def __init__(self) -> None:
        self._made: dict[Kernel, tuple[SparseGrid, Rulebook, Rulebooks | None]] = {}

    def __iter__(self) -> Iterator[Kernel]:
        return iter(self._made)

    def outputs(self, grid: SparseGrid, kernel: Kernel) -> tuple[SparseGrid, Rulebook, "Rulebooks"]:
        """Where the outputs of a kernel are, which inputs each reads, and the rulebooks there.

        Args:
            grid: The one that these rulebooks are of.
            kernel: A submanifold one stays on the grid.
        """
        if kernel not in self._made:
            # A reference to itself would keep it until cycles are collected.
            below = None if kernel.submanifold else Rulebooks()
            self._made[kernel] = (*neighbours(grid, kernel), below)
        made, rules, below = self._made[kernel]
        return made, rules, self if below is None else below
