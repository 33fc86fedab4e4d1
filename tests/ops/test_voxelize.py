"""Voxels against a loop over points; borders and bad input."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sparse3d.ops.backend import FastBackend, has_native, native_module
from sparse3d.ops.voxelize import Voxels, VoxelSpace, voxelize
from sparse3d.ops.voxelize._reference import voxelize as reference

SPACE = VoxelSpace((-1.0, 0.0, 2.0), (0.25, 0.5, 1.0), (9, 5, 3))
needs_native = pytest.mark.skipif(not has_native(), reason="no C++ kernels")
each_backend = pytest.mark.parametrize(
    "backend", ["torch", pytest.param("native", marks=needs_native)]
)
SPACES = {
    "one cell": VoxelSpace((0.0, 0.0, 0.0), (8.0, 8.0, 8.0), (1, 1, 1)),
    "flat": VoxelSpace((-4.0, -4.0, -50.0), (0.3, 0.1, 100.0), (27, 80, 1)),
    "long": VoxelSpace((-4.0, -4.0, -4.0), (1e-3, 5.0, 0.7), (8000, 2, 11)),
    "largest": VoxelSpace((-100.0, -100.0, -100.0), (0.003, 0.003, 0.003), (65536, 65536, 65536)),
    "far corner": VoxelSpace((-6553.0, -6553.0, -6553.0), (0.1, 0.1, 0.1), (65536, 65536, 65536)),
}


def cloud(count: int, batch_size: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Positions normal(0, 2), a tenth of them repeated, of random clouds."""
    rng = torch.Generator().manual_seed(seed)
    positions = 2 * torch.randn(count, 3, generator=rng)
    positions[: count // 10] = positions[count - count // 10 :]
    return positions, torch.randint(0, batch_size, (count,), generator=rng)


def same(a: Voxels, b: Voxels) -> bool:
    pairs = ((a.grid.keys, b.grid.keys), (a.points, b.points), (a.offsets, b.offsets))
    return all(torch.equal(one, other) for one, other in pairs) and a.inputs == b.inputs


def as_dict(voxels: Voxels) -> dict[tuple[int, ...], list[int]]:
    ends = voxels.offsets.tolist()
    rows = [voxels.points[a:b].tolist() for a, b in pairwise(ends)]
    cells = [tuple(cell) for cell in voxels.grid.coordinates().tolist()]
    return dict(zip(cells, rows, strict=True))


@each_backend
@given(count=st.integers(0, 200), seed=st.integers(0, 10_000))
def test_equals_the_reference(count: int, seed: int, backend: FastBackend) -> None:
    generator = torch.Generator().manual_seed(seed)
    positions = torch.rand(count, 3, generator=generator) * torch.tensor([3.0, 3.5, 4.0])
    positions += torch.tensor([-1.4, -0.5, 1.5])
    batch = torch.randint(0, 3, (count,), generator=generator)
    found = voxelize(positions, batch, SPACE, 3, backend=backend)
    wanted = reference(positions, batch, SPACE.low, SPACE.size, SPACE.shape)
    assert as_dict(found) == wanted
    assert found.grid.space == SPACE
    inverse = found.inverse(backend=backend).tolist()
    for number, rows in enumerate(as_dict(found).values()):
        assert [inverse[row] for row in rows] == [number] * len(rows)
    assert sum(cell < 0 for cell in inverse) == count - sum(map(len, wanted.values()))


@needs_native
@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("batch_size", [1, 3, 16384])
@pytest.mark.parametrize("count", [1, 40, 3000, 150_000])
def test_backends_find_the_same(name: str, batch_size: int, count: int) -> None:
    positions, batch = cloud(count, batch_size)
    native, torches = (
        voxelize(positions, batch, SPACES[name], batch_size, backend=backend)
        for backend in ("native", "torch")
    )
    assert same(native, torches)
    assert torch.equal(native.inverse(backend="native"), native.inverse(backend="torch"))


@needs_native
def test_many_points_in_one_cell_and_one_far_away() -> None:
    positions = torch.full((200_000, 3), 0.25)
    positions[777] = 90.0
    positions[1000::2] += 4e-3
    native, torches = (
        voxelize(
            positions, torch.zeros(200_000, dtype=torch.int64), SPACES["largest"], 1, backend=b
        )
        for b in ("native", "torch")
    )
    assert same(native, torches)
    assert len(native.grid) == 3


@needs_native
@pytest.mark.parametrize("isa", ["baseline", "avx2", "avx512"])
def test_every_instruction_set_and_any_threads_find_the_same(isa: str) -> None:
    native = native_module()
    if isa not in native.available_isas():
        pytest.skip(f"this machine or build has no {isa}")
    positions, batch = cloud(150_001, 3)
    wanted = voxelize(positions, batch, SPACES["flat"], 3, backend="torch")
    threads = torch.get_num_threads()
    try:
        native.set_isa(isa)
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            got = voxelize(positions, batch, SPACES["flat"], 3, backend="native")
            assert same(got, wanted)
            assert torch.equal(got.inverse(), wanted.inverse(backend="torch"))
    finally:
        torch.set_num_threads(threads)
        native.set_isa("auto")


@each_backend
def test_order_of_points_does_not_change_the_voxels(backend: FastBackend) -> None:
    positions, batch = cloud(500, 2)
    order = torch.randperm(500, generator=torch.Generator().manual_seed(1))
    straight = voxelize(positions, batch, SPACE, 2, backend=backend)
    shuffled = voxelize(positions[order], batch[order], SPACE, 2, backend=backend)
    assert torch.equal(straight.grid.keys, shuffled.grid.keys)
    assert torch.equal(straight.inverse()[order], shuffled.inverse())


@each_backend
def test_reductions_are_those_of_the_points_of_a_cell(backend: FastBackend) -> None:
    positions, batch = cloud(400, 2)
    voxels = voxelize(positions, batch, SPACE, 2, backend=backend)
    inverse = voxels.inverse()
    values = torch.randn(400, 3, generator=torch.Generator().manual_seed(2))
    means, largest, first = (
        voxels.reduce(values, reduction, backend=backend) for reduction in ("mean", "max", "first")
    )
    assert len(voxels.grid) > 10
    for cell in range(len(voxels.grid)):
        own = values[inverse == cell]
        torch.testing.assert_close(means[cell], own.mean(0))
        assert torch.equal(largest[cell], own.amax(0))
        assert torch.equal(first[cell], own[0])


def test_reductions_need_a_row_for_each_point() -> None:
    voxels = voxelize(*cloud(10, 1), SPACE, 1)
    with pytest.raises(ValueError, match="a row for each of 10 points expected, got 9"):
        voxels.reduce(torch.zeros(9, 2), "mean")


def test_owners_are_the_cells_of_the_points() -> None:
    positions = torch.tensor([[0.0, 0.1, 2.5], [-0.9, 0.1, 2.5], [0.1, 0.2, 2.1], [9.0, 0.0, 2.0]])
    found = voxelize(positions, torch.zeros(4, dtype=torch.int64), SPACE, 1)
    assert found.points.tolist() == [1, 0, 2]
    assert found.owners().tolist() == [0, 1, 1]
    centers = SPACE.centers(found.grid.coordinates()[:, 1:])
    away = (positions[found.points] - centers[found.owners()]).abs()
    assert bool((away <= torch.tensor(SPACE.size) / 2 + 1e-6).all())


@needs_native
@pytest.mark.parametrize("row", [-1, 3, 1 << 62, -(1 << 63)])
def test_native_owners_refuse_rows_and_offsets_that_are_not_there(row: int) -> None:
    native, owners = native_module(), torch.empty(3, dtype=torch.int64)
    with pytest.raises(ValueError, match="rows must be rows of"):
        native.write_owners(torch.tensor([1, 0, row]), torch.tensor([0, 1, 3]), owners)
    for offsets in ([], [0], [1, 3], [0, 2], [0, 4], [0, 2, 1, 3]):
        given_offsets = torch.tensor(offsets, dtype=torch.int64)
        with pytest.raises(ValueError, match="offsets must increase"):
            native.write_owners(torch.tensor([1, 0, 2]), given_offsets, owners)


@each_backend
def test_the_far_faces_are_outside_and_the_near_ones_inside(backend: FastBackend) -> None:
    low = torch.tensor([SPACE.low])
    high = low + torch.tensor([SPACE.size]) * torch.tensor([SPACE.shape])
    batch = torch.zeros(2, dtype=torch.int64)
    found = voxelize(torch.cat([low, high]), batch, SPACE, 1, backend=backend)
    assert as_dict(found) == {(0, 0, 0, 0): [0]}


@each_backend
def test_no_points_make_no_cells(backend: FastBackend) -> None:
    none = torch.zeros(0, 3)
    found = voxelize(none, torch.zeros(0, dtype=torch.int64), SPACE, 2, backend=backend)
    assert len(found.grid) == 0
    assert found.offsets.tolist() == [0]
    assert found.grid.batch_size == 2
    assert found.inverse(backend=backend).shape == (0,)
    assert found.reduce(none, "mean", backend=backend).shape == (0, 3)


@each_backend
def test_huge_coordinates_are_just_outside(backend: FastBackend) -> None:
    positions = torch.tensor([[1e30, 0.0, 2.0], [-1e30, 0.0, 2.0], [3.4e38, -3.4e38, 0.0]])
    found = voxelize(positions, torch.zeros(3, dtype=torch.int64), SPACE, 1, backend=backend)
    assert len(found.grid) == 0
    assert found.inverse(backend=backend).tolist() == [-1, -1, -1]


@each_backend
def test_strided_input_and_gradients_are_no_obstacle(backend: FastBackend) -> None:
    positions, batch = cloud(300, 2)
    strided = positions.T.contiguous().T.requires_grad_()
    wide = torch.stack([batch, batch], 1)[:, 0].int()
    found = voxelize(strided, wide, SPACE, 2, backend=backend)
    assert same(found, voxelize(positions, batch, SPACE, 2, backend="torch"))


def test_float64_takes_torch() -> None:
    positions, batch = cloud(300, 2)
    double = voxelize(positions.double(), batch, SPACE, 2)
    assert same(double, voxelize(positions, batch, SPACE, 2, backend="torch"))
    if has_native():
        with pytest.raises(ValueError, match=r"takes float32 positions, got torch.float64"):
            voxelize(positions.double(), batch, SPACE, 2, backend="native")


@each_backend
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("row", [1, 299])
def test_values_that_are_not_finite_are_refused(
    value: float, row: int, backend: FastBackend
) -> None:
    positions = torch.zeros(300, 3)
    positions[row, 1] = value
    with pytest.raises(ValueError, match=f"row {row}"):
        voxelize(positions, torch.zeros(300, dtype=torch.int64), SPACE, 1, backend=backend)


@each_backend
@pytest.mark.parametrize("number", [-1, 2, 1 << 40])
def test_clouds_out_of_range_are_refused(number: int, backend: FastBackend) -> None:
    with pytest.raises(ValueError, match=r"numbers of clouds must lie in \[0, 2\)"):
        voxelize(torch.zeros(1, 3), torch.tensor([number]), SPACE, 2, backend=backend)


@pytest.mark.usefixtures("no_type_checks")
def test_mistakes_are_named() -> None:
    positions, batch = cloud(4, 1)
    with pytest.raises(ValueError, match=r"cloud's number for each expected, got \(4, 3\)"):
        voxelize(positions, batch[:3], SPACE, 1)
    with pytest.raises(TypeError, match=r"as integers expected, got torch.bool"):
        voxelize(positions, batch.bool(), SPACE, 1)
    with pytest.raises(ValueError, match="at most 16384 grids expected, got 16385"):
        voxelize(positions, batch, SPACE, 16385)


def test_a_range_is_cut_into_the_fewest_cells_that_reach() -> None:
    space = VoxelSpace.of_range((0.0, -40.0, -3.0), (70.4, 40.0, 1.0), (0.1, 0.1, 0.3))
    assert space.shape == (704, 800, 14)


@pytest.mark.parametrize(
    ("high", "size"),
    [((1.0, 1.0, 0.0), (0.1, 0.1, 0.1)), ((1.0, 1.0, 1.0), (0.1, 0.0, 0.1))],
)
def test_empty_ranges_and_cells_are_refused(
    high: tuple[float, float, float], size: tuple[float, float, float]
) -> None:
    with pytest.raises(ValueError, match="must be"):
        VoxelSpace.of_range((0.0, 0.0, 0.0), high, size)
