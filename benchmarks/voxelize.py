"""Voxelisation of a million points: cells, the cell of each point, and means of the points."""

import importlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from convolution.voxels import FrameSettings, read_points
from harness import Clock, Row, Timing, UnavailableError, run
from harness.machine import use_threads
from sparse3d.ops.backend import has_native
from sparse3d.ops.voxelize import Voxels, voxelize
from sparse3d.scene.voxel_space import VoxelSpace

FRAME = FrameSettings()
Work = Callable[[], object]


@dataclass(frozen=True)
class Settings:
    """The sweep and how it is made larger."""

    frame: FrameSettings = FRAME
    count: int = 1_000_000
    """Points."""
    jitter: float = 0.05
    """Standard deviation of what is added to the repeated points of the sweep, metres."""
    threads: int = 2


def measure(settings: Settings, clock: Clock) -> Iterator[Row]:
    """The whole and its parts beside torch, spconv and Open3D, and with one thread."""
    if not has_native():
        raise UnavailableError("the C++ kernels were not built")
    use_threads(settings.threads)
    frame = settings.frame
    space = VoxelSpace.of_range(frame.low, frame.high, frame.size)
    points, source = many_points(settings)
    batch = torch.zeros(len(points), dtype=torch.int64)
    voxels = voxelize(points, batch, space, 1)
    name = f"{len(points):,} points of a {source}, {len(voxels.grid):,} voxels"
    ours = clock.time(lambda: _all(points, batch, space))
    packed = clock.time(lambda: pack_and_unique(points, space))
    yield _row(f"voxels, inverse, means; {name}", ours, "keys + torch.unique", packed, 3.0)
    for part, work in _parts(points, batch, space, voxels).items():
        yield _row(f"  {part}", clock.time(work))
    alone = clock.time(lambda: voxelize(points, batch, space, 1))
    means = clock.time(lambda: voxelize(points, batch, space, 1).reduce(points, "mean"))
    use_threads(1)
    single = clock.time(lambda: _all(points, batch, space))
    yield _row(f"all, {settings.threads} threads", ours, "one thread", single)
    use_threads(settings.threads)
    # The peers come last: they bring threads of their own.
    theirs, missing = _time_peer(_spconv, points, space, clock)
    yield _row("voxelize", alone, f"spconv PointToVoxel, 5 points a voxel{missing}", theirs, 1.0)
    theirs, missing = _time_peer(_open3d, points, space, clock)
    yield _row("voxelize, means", means, f"Open3D voxel_down_sample{missing}", theirs, 1.0)


def many_points(settings: Settings) -> tuple[Float[Tensor, "n 3"], str]:
    """So many points, all of them inside the space: those of a sweep again and again, jittered."""
    sweep, source = read_points(settings.frame)
    low, high = (torch.tensor(corner) for corner in (settings.frame.low, settings.frame.high))
    inside = sweep[((sweep > low) & (sweep < high)).all(1)]
    rows = torch.arange(settings.count) % len(inside)
    rng = torch.Generator().manual_seed(0)
    noise = settings.jitter * torch.randn(settings.count, 3, generator=rng)
    moved, margin = inside[rows] + noise, 1e-3
    return torch.minimum(torch.maximum(moved, low + margin), high - margin), source


def pack_and_unique(points: Float[Tensor, "n 3"], space: VoxelSpace) -> tuple[Tensor, Tensor]:
    """Keys of the voxels and the voxel of each point as anyone writes it with torch."""
    low, size, shape = (torch.tensor(v) for v in (space.low, space.size, space.shape))
    x, y, z = ((points - low) / size).floor().long().unbind(1)
    keys, inverse = torch.unique((x * shape[1] + y) * shape[2] + z, return_inverse=True)
    return keys, inverse


def _all(points: Tensor, batch: Tensor, space: VoxelSpace) -> tuple[Tensor, Tensor]:
    voxels = voxelize(points, batch, space, 1)
    return voxels.inverse(), voxels.reduce(points, "mean")


def _parts(points: Tensor, batch: Tensor, space: VoxelSpace, voxels: Voxels) -> dict[str, Work]:
    return {
        "voxels and their points": lambda: voxelize(points, batch, space, 1),
        "inverse": voxels.inverse,
        "means": lambda: voxels.reduce(points, "mean"),
    }


def _time_peer(
    peer: Callable[[Tensor, VoxelSpace], Work], points: Tensor, space: VoxelSpace, clock: Clock
) -> tuple[Timing | None, str]:
    """How long the peer takes, or what is to be said about its absence."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the peers import is older than its Python
            work = peer(points, space)
    except (ImportError, OSError) as error:
        return None, f": {error}"
    return clock.time(work), ""


def _spconv(points: Tensor, space: VoxelSpace) -> Work:
    """Its voxels hold at most so many points, here 5 as in SECOND."""
    utils, views = (importlib.import_module(n) for n in ("spconv.utils", "cumm.tensorview"))
    box = [*space.low, *space.high]
    voxeliser = utils.Point2VoxelCPU3d(list(space.size), box, 3, len(points), 5)
    given = views.from_numpy(points.numpy())
    return lambda: voxeliser.point_to_voxel(given)


def _open3d(points: Tensor, space: VoxelSpace) -> Work:
    """Its voxels are cubes: as long as the edge of ours along x."""
    open3d = importlib.import_module("open3d")
    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points.double().numpy()))
    return lambda: cloud.voxel_down_sample(space.size[0])


def _row(
    name: str, ours: Timing, peer: str = "", theirs: Timing | None = None, goal: float | None = None
) -> Row:
    value = None if theirs is None else 1e3 * theirs.seconds
    return Row(
        *(name, 1e3 * ours.seconds, "ms", peer, value),
        goal=goal,
        goal_of="ratio",
        spread=ours.spread,
    )


if __name__ == "__main__":
    code = ["benchmarks/convolution", "sparse3d/ops/voxelize", "sparse3d/ops/segment"]
    run(__file__, measure, Settings(), code=code)
