"""Interpolation between voxels and points against loops, linear functions and each other."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sparse3d.ops.backend import FastBackend, has_native, native_module
from sparse3d.ops.interpolate import _reference as reference
from sparse3d.ops.interpolate import interpolate, splat
from sparse3d.scene.sparse_grid import SparseGrid
from sparse3d.scene.voxel_space import VoxelSpace

SPACE = VoxelSpace((-1.0, 0.5, 2.0), (0.5, 0.25, 1.0), (6, 5, 3))
needs_native = pytest.mark.skipif(not has_native(), reason="no C++ kernels")
each_backend = pytest.mark.parametrize(
    "backend", ["torch", pytest.param("native", marks=needs_native)]
)


def random_grid(seed: int, share: float, space: VoxelSpace = SPACE) -> SparseGrid:
    rng = torch.Generator().manual_seed(seed)
    cells = (torch.rand(2, *space.shape, generator=rng) < share).nonzero()
    grid = SparseGrid.of_coordinates(cells, space.shape, 2)
    return SparseGrid(grid.keys, space.shape, 2, space)


def points_in(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Some of them outside the space, one at a cell's centre, two on faces between cells."""
    rng = torch.Generator().manual_seed(seed)
    low, high = torch.tensor(SPACE.low) - 0.7, torch.tensor(SPACE.high) + 0.7
    positions = low + (high - low) * torch.rand(count, 3, generator=rng)
    special = torch.tensor([[-0.75, 0.625, 2.5], [-0.5, 0.75, 3.0], [0.0, 0.9, 4.0]])
    positions[: min(count, 3)] = special[:count]
    return positions, torch.randint(0, 2, (count,), generator=rng)


def rows_of(grid: SparseGrid) -> reference.Cells:
    return {(b, x, y, z): row for row, (b, x, y, z) in enumerate(grid.coordinates().tolist())}


def normal(rows: int, channels: int, seed: int) -> Tensor:
    return torch.randn(rows, channels, generator=torch.Generator().manual_seed(seed))


@each_backend
@pytest.mark.parametrize("operator", ["interpolate", "splat"])
@given(
    seed=st.integers(0, 1000),
    share=st.sampled_from((0.05, 0.5, 1.0)),
    count=st.integers(1, 12),
    channels=st.sampled_from((1, 3, 17)),
    normalised=st.booleans(),
)
def test_equals_the_reference_forward_and_backward(
    seed: int,
    share: float,
    count: int,
    channels: int,
    normalised: bool,
    operator: str,
    backend: FastBackend,
) -> None:
    grid, (positions, batch) = random_grid(seed, share), points_in(count, seed)
    if not len(grid):
        return
    rows = len(grid) if operator == "interpolate" else count
    function, slow = (
        (interpolate, reference.interpolate)
        if operator == "interpolate"
        else (splat, reference.splat)
    )
    given_rows = normal(rows, channels, seed).requires_grad_()
    positions.requires_grad_()
    got = function(given_rows, grid, positions, batch, normalised=normalised, backend=backend)
    double = [each.detach().double().requires_grad_() for each in (given_rows, positions)]
    cells = rows_of(grid)
    wanted = slow(double[0], cells, SPACE.low, SPACE.size, double[1], batch.tolist(), normalised)
    torch.testing.assert_close(got.double(), wanted, rtol=1e-4, atol=1e-5)
    if not wanted.requires_grad:
        return
    cotangent = normal(len(got), channels, 9)
    ours = torch.autograd.grad(got, (given_rows, positions), cotangent)
    theirs = torch.autograd.grad(
        wanted, double, cotangent.double(), allow_unused=True, materialize_grads=True
    )
    smooth = _between_centres(positions)
    torch.testing.assert_close(ours[0].double(), theirs[0], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(ours[1][smooth].double(), theirs[1][smooth], rtol=1e-2, atol=1e-2)


def _between_centres(positions: Tensor) -> Tensor:
    """Points at which the weights have a derivative, and one that rounding does not spoil."""
    scaled = (positions.detach() - torch.tensor(SPACE.low)) / torch.tensor(SPACE.size) - 0.5
    part = scaled - scaled.floor()
    return ((part > 0.05) & (part < 0.95)).all(1)


@each_backend
def test_linear_functions_come_out_as_they_are(backend: FastBackend) -> None:
    grid = random_grid(0, 1.0)
    matrix = normal(3, 4, 1)
    rng = torch.Generator().manual_seed(2)
    low = torch.tensor(SPACE.low) + torch.tensor(SPACE.size) / 2
    high = torch.tensor(SPACE.high) - torch.tensor(SPACE.size) / 2
    positions = low + (high - low) * torch.rand(50, 3, generator=rng)
    batch = torch.randint(0, 2, (50,), generator=rng)
    for normalised in (True, False):
        got = interpolate(
            grid.centers() @ matrix, grid, positions, batch, normalised=normalised, backend=backend
        )
        torch.testing.assert_close(got, positions @ matrix, rtol=1e-4, atol=1e-4)


@each_backend
@pytest.mark.parametrize("normalised", [True, False])
def test_splatting_is_the_adjoint_of_interpolation(backend: FastBackend, normalised: bool) -> None:
    grid, (positions, batch) = random_grid(5, 0.4), points_in(60, 6)
    features, values = normal(len(grid), 5, 7), normal(60, 5, 8)
    given_points = (grid, positions, batch)
    there = interpolate(features, *given_points, normalised=normalised, backend=backend)
    back = splat(values, *given_points, normalised=normalised, backend=backend)
    torch.testing.assert_close((there * values).sum(), (features * back).sum(), rtol=1e-4, atol=0)


@each_backend
def test_missing_cells_count_as_nothing_or_as_zero(backend: FastBackend) -> None:
    cells = torch.tensor([[0, 2, 2, 1]])
    grid = SparseGrid(SparseGrid.of_coordinates(cells, SPACE.shape, 1).keys, SPACE.shape, 1, SPACE)
    features = torch.tensor([[8.0, -4.0]])
    near = grid.centers() + torch.tensor([[0.25, 0.0, 0.0]])  # half a cell
    far = grid.centers() + torch.tensor([[0.5, 0.0, 0.0]])
    positions, batch = torch.cat([near, far]), torch.zeros(2, dtype=torch.int64)
    got = interpolate(features, grid, positions, batch, backend=backend)
    assert got.tolist() == [[8.0, -4.0], [0.0, 0.0]]
    got = interpolate(features, grid, positions, batch, normalised=False, backend=backend)
    assert got.tolist() == [[4.0, -2.0], [0.0, 0.0]]


@each_backend
def test_missing_cells_do_not_spread_what_is_not_finite(backend: FastBackend) -> None:
    grid = random_grid(1, 0.1)
    features = torch.full((len(grid), 1), torch.inf)
    positions, batch = (each[3:] for each in points_in(40, 1))  # none at a centre
    got = interpolate(features, grid, positions, batch, backend=backend)
    ones = interpolate(torch.ones_like(features), grid, positions, batch, backend=backend)
    assert torch.equal(got[ones == 0], torch.zeros_like(got[ones == 0]))


@each_backend
def test_no_points_no_cells_and_points_far_away(backend: FastBackend) -> None:
    grid, none = random_grid(2, 0.5), torch.zeros(0, 3)
    nobody = torch.zeros(0, dtype=torch.int64)
    features = normal(len(grid), 4, 1)
    assert interpolate(features, grid, none, nobody, backend=backend).shape == (0, 4)
    empty = splat(normal(0, 4, 1), grid, none, nobody, backend=backend)
    assert torch.equal(empty, torch.zeros(len(grid), 4))
    bare = random_grid(2, 0.0)
    far = torch.tensor([[3e38, -3e38, 1e30], [0.0, 1.0, 3.0]])
    batch = torch.tensor([0, 1])
    got = interpolate(normal(0, 4, 1), bare, far, batch, backend=backend)
    assert torch.equal(got, torch.zeros(2, 4))
    assert not interpolate(features, grid, far[:1], batch[:1], backend=backend).any()
    assert splat(normal(2, 4, 1), bare, far, batch, backend=backend).shape == (0, 4)


@needs_native
def test_backends_agree_on_many_points_whatever_the_threads_and_layout() -> None:
    space = VoxelSpace((-3.0, -3.0, -3.0), (0.2, 0.2, 0.2), (30, 30, 30))
    grid = random_grid(3, 0.3, space)
    rng = torch.Generator().manual_seed(4)
    positions, batch = torch.randn(5000, 3, generator=rng), torch.randint(0, 2, (5000,))
    strided, features = positions.T.contiguous().T, normal(9, len(grid), 5).T
    wanted = interpolate(features, grid, positions, batch, backend="torch")
    values = normal(5000, 9, 6)
    spread = splat(values, grid, positions, batch, backend="torch")
    threads, first = torch.get_num_threads(), None
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            got = (
                interpolate(features, grid, strided, batch.int(), backend="native"),
                splat(values, grid, strided, batch.int(), backend="native"),
            )
            first = first or got
            assert all(torch.equal(a, b) for a, b in zip(got, first, strict=True))
    finally:
        torch.set_num_threads(threads)
    assert first is not None
    torch.testing.assert_close(first[0], wanted, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(first[1], spread, rtol=1e-4, atol=1e-4)


@needs_native
def test_native_does_not_read_rows_that_are_not_there() -> None:
    native, features = native_module(), torch.zeros(2, 3)
    weights, out = torch.zeros(1, 8), torch.empty(1, 3)
    for row in (2, -2, 1 << 40):
        rows = torch.full((1, 8), row)
        with pytest.raises(ValueError, match="rows must be -1 or"):
            native.gather_rows(features, rows, weights, out)
        with pytest.raises(ValueError, match="rows must be -1 or"):
            native.scatter_rows(features[:1], rows, weights, features)
        with pytest.raises(ValueError, match="rows must be -1 or"):
            native.multiply_rows(features, rows, features[:1], torch.empty(1, 8))
    first = torch.tensor([[-1, 0, 0, 0], [1 << 60, 0, 0, 0], [0, (1 << 63) - 1, 0, -(1 << 63)]])
    rows = torch.empty(3, 8, dtype=torch.int64)
    native.find_corners(torch.tensor([0]), first, (1, 1, 1), rows)
    assert bool((rows == -1).all())


@pytest.mark.usefixtures("no_type_checks")
def test_mistakes_are_named() -> None:
    grid, (positions, batch) = random_grid(0, 0.5), points_in(4, 0)
    features = normal(len(grid), 2, 0)
    with pytest.raises(ValueError, match=f"each cell, {len(grid)} of them, expected, got 1"):
        interpolate(features[:1], grid, positions, batch)
    with pytest.raises(ValueError, match="each point, 4 of them, expected, got 3"):
        splat(normal(3, 2, 0), grid, positions, batch)
    with pytest.raises(ValueError, match=r"numbers of clouds must lie in \[0, 2\)"):
        interpolate(features, grid, positions, batch + 2)
    with pytest.raises(ValueError, match="positions must be finite"):
        interpolate(features, grid, positions / 0, batch)
    with pytest.raises(ValueError, match="a grid that knows its space expected"):
        interpolate(features, SparseGrid(grid.keys, grid.shape, 2), positions, batch)
    with pytest.raises(ValueError, match=r"one dtype and device expected, got torch.float64"):
        interpolate(features.double(), grid, positions, batch)
    if has_native():
        with pytest.raises(ValueError, match=r"'native' takes float32, got torch.float64"):
            interpolate(features.double(), grid, positions.double(), batch, backend="native")
