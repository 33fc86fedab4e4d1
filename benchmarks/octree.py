"""Octrees with tables of neighbours: from a million points beside ocnn, and as voxels grow."""

import importlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from convolution.voxels import waves
from harness import Clock, Row, Timing, UnavailableError, run
from harness.child import in_child, peak_memory
from harness.machine import use_threads
from sparse3d.ops.backend import has_native
from sparse3d.ops.grid import Octree, build_octree, grid_of_points
from sparse3d.scene.voxel_space import VoxelSpace

FULL = 2
"""Depth down to which ocnn keeps all nodes, whether something is in them or not."""


@dataclass(frozen=True)
class Settings:
    """The points, the voxels and the goals."""

    points: int = 1_000_000
    depth: int = 10
    ratio: float = 5.0
    counts: tuple[int, ...] = (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
    """Voxels of wavy sheets."""
    gibibytes: float = 8.0
    """Of the whole process, with the most voxels."""
    threads: int = 2


def measure(settings: Settings, clock: Clock) -> Iterator[Row]:
    """Octrees beside ocnn's, and the time a voxel."""
    if not has_native():
        raise UnavailableError("the C++ kernels were not built")
    use_threads(settings.threads)
    yield from _beside_ocnn(settings, clock)
    yield from _growth(settings, clock)
    most = settings.counts[-1]
    peak = in_child(_peak_of, most, settings.threads) / 2**30
    yield Row(
        f"peak memory, points to octree, {most:,} voxels", peak, "GiB", goal=settings.gibibytes
    )


def _beside_ocnn(settings: Settings, clock: Clock) -> Iterator[Row]:
    points, space = _shells(settings.points), _cube(settings.depth)
    octree = _from_points(points, space)
    name = f"{settings.points:,} points to octree of {len(octree.levels[0]):,} cells"
    ours = clock.time(lambda: _from_points(points, space))
    try:
        ocnn, missing = Ocnn(), ""
    except UnavailableError as error:
        ocnn, missing = None, f": {error}"
    whole = None
    if ocnn is not None:
        ocnn.check(points, octree)
        whole = clock.time(lambda: ocnn.octree(points, settings.depth))
    shown = f"{name}, depth {settings.depth}, with neighbours"
    yield _row(shown, ours, f"ocnn on the CPU{missing}", whole, settings.ratio)
    cells = clock.time(lambda: grid_of_points(points, space))
    yield _row("  points to cells", cells)
    grid = octree.levels[0]
    native = clock.time(lambda: build_octree(grid))
    theirs = clock.time(lambda: build_octree(grid, backend="torch"))
    yield _row("  cells to octree with neighbours", native, "torch backend", theirs)
    bare = None if ocnn is None else clock.time(lambda: ocnn.build(points, settings.depth))
    levels = clock.time(lambda: _from_points(points, space, neighbours=False))
    yield _row("  points to octree without neighbours", levels, f"ocnn{missing}", bare)


def _growth(settings: Settings, clock: Clock) -> Iterator[Row]:
    """Nanoseconds a voxel, beside those of the fewest."""
    first: float | None = None
    for count in settings.counts:
        grid = waves(count)
        timing = clock.time(lambda grid=grid: build_octree(grid))
        value = 1e9 * timing.seconds / count
        peer = "" if first is None else f"{settings.counts[0]:,} voxels"
        name = f"octree with neighbours, {count:,} voxels of wavy surfaces"
        yield Row(name, value, "ns a voxel", peer, first, spread=timing.spread)
        first = first or value


def _peak_of(count: int, threads: int) -> int:
    """Most memory of a process that builds an octree of so many voxels from points."""
    use_threads(threads)
    grid = waves(count)
    space = VoxelSpace((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), grid.shape)
    points = space.centers(grid.coordinates()[:, 1:])
    del grid
    octree = _from_points(points, space)
    if len(octree.levels[0]) != count:
        raise RuntimeError(f"{len(octree.levels[0])} voxels, not {count}")
    return peak_memory()


def _shells(count: int) -> Float[Tensor, "n 3"]:
    """Points on spheres of several sizes in the cube from -1 to 1."""
    rng = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(count, 3, generator=rng), dim=1)
    sphere = torch.arange(count) % 5
    radius = torch.tensor([0.9, 0.5, 0.3, 0.2, 0.1])[sphere]
    center = 0.1 * torch.randn(5, 3, generator=rng).clamp(-0.9, 0.9)
    return directions * radius[:, None] + center[sphere]


def _cube(depth: int) -> VoxelSpace:
    edge, cells = 2.0 ** (1 - depth), 1 << depth
    return VoxelSpace((-1.0, -1.0, -1.0), (edge, edge, edge), (cells, cells, cells))


def _from_points(
    points: Float[Tensor, "n 3"], space: VoxelSpace, *, neighbours: bool = True
) -> Octree:
    return build_octree(grid_of_points(points, space).grid, neighbours=neighbours)


def _row(
    name: str,
    ours: Timing,
    peer: str = "",
    theirs: Timing | None = None,
    goal: float | None = None,
) -> Row:
    value = None if theirs is None else 1e3 * theirs.seconds
    milliseconds = 1e3 * ours.seconds
    return Row(name, milliseconds, "ms", peer, value, goal, "ratio", spread=ours.spread)


class Ocnn:
    """ocnn (Wang et al. 2017), its CPU code.

    Raises:
        UnavailableError: If it is not installed.
    """

    def __init__(self) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what it imports
                self._octree: Any = importlib.import_module("ocnn.octree")
        except ImportError as error:
            raise UnavailableError(f"{error}; pip install ocnn") from error

    def build(self, points: Float[Tensor, "n 3"], depth: int) -> Any:
        """Its octree, without neighbours."""
        octree = self._octree.Octree(depth, full_depth=FULL)
        octree.build_octree(self._octree.Points(points))
        return octree

    def octree(self, points: Float[Tensor, "n 3"], depth: int) -> Any:
        """Its octree, with the neighbours of all nodes of all levels."""
        octree = self.build(points, depth)
        octree.construct_all_neigh()
        return octree

    def check(self, points: Float[Tensor, "n 3"], ours: Octree) -> None:
        """Refuse to compare octrees that differ.

        Raises:
            RuntimeError: If a level has another number of nodes that are not empty, or one of them
                other neighbours among them.
        """
        depth = len(ours.levels) - 1
        octree = self.octree(points, depth)
        for level, table in enumerate(ours.neighbours[: depth - FULL + 1]):
            if int(octree.nnum_nempty[depth - level]) != len(table):
                raise RuntimeError(f"ocnn finds another number of nodes at depth {depth - level}")
            theirs = octree.nempty_neigh(depth - level)
            if not torch.equal(theirs, table.to(theirs)):
                raise RuntimeError(f"ocnn finds other neighbours than we at depth {depth - level}")


if __name__ == "__main__":
    run(
        __file__,
        measure,
        Settings(),
        code=[
            "benchmarks/convolution",
            "sparse3d/ops/grid",
            "sparse3d/ops/voxelize",
            "sparse3d/scene",
        ],
    )
