"""Occupied cells and the points in them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sparse3d.ops.backend import FastBackend, choose_backend
from sparse3d.ops.segment import Reduction, segment_reduce
from sparse3d.ops.voxelize import _native, _torch
from sparse3d.scene.sparse_grid import SparseGrid

__all__ = ["Voxels"]

_BACKENDS = {"torch": _torch, "native": _native}


@dataclass(frozen=True, slots=True)
class Voxels:
    """Occupied cells, and which points lie in them."""

    grid: SparseGrid
    points: Int64[Tensor, " p"]
    """Row numbers of the points inside the space, cell by cell, in each by row number."""
    offsets: Int64[Tensor, " m"]
    """Where the points of a cell begin; one more entry than cells."""
    inputs: int
    """Number of all points, those outside the space among them."""

    def owners(self) -> Int64[Tensor, " p"]:
        """Number of the cell of each of ``points``."""
        counts = self.offsets.diff()
        return torch.repeat_interleave(counts, output_size=len(self.points))

    def inverse(self, *, backend: FastBackend = "auto") -> Int64[Tensor, " n"]:
        """Number of the cell of each input point, -1 where that lies outside the space."""
        module = _BACKENDS[choose_backend(backend, self.points.device)]
        return module.inverse(self.points, self.offsets, self.inputs)

    def reduce(
        self, values: Float[Tensor, "n c"], reduction: Reduction, *, backend: FastBackend = "auto"
    ) -> Float[Tensor, "m c"]:
        """One row a cell of rows for all input points; see :func:`segment_reduce`.

        Raises:
            ValueError: If there is not a row for each input point.
        """
        if len(values) != self.inputs:
            raise ValueError(f"a row for each of {self.inputs} points expected, got {len(values)}")
        return segment_reduce(values, self.offsets, reduction, rows=self.points, backend=backend)
