"""Nearest neighbours against the sorted list of all distances."""

import pytest
import torch
from torch import Tensor

from sparse3d.ops.backend import Backend, has_native, native_module
from sparse3d.ops.knn import Neighbours, knn

needs_native = pytest.mark.skipif(not has_native(), reason="the C++ kernels were not built")
BACKENDS = ["torch", pytest.param("native", marks=needs_native)]
INFINITY = float("inf")


def clouds() -> dict[str, Tensor]:
    """Distributions that a search structure may stumble over; float64, some with many ties."""
    generator = torch.Generator().manual_seed(0)

    def rand(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    return {
        "uniform": rand(131, 3),
        "anisotropic": rand(90, 3) * torch.tensor([1e3, 1.0, 1e-3], dtype=torch.float64),
        "clusters": torch.cat([rand(60, 3) * 1e-6, 5e2 + rand(40, 3), rand(9, 3) * 1e3]),
        "lattice": torch.randint(0, 4, (150, 3), generator=generator).double(),
        "line": torch.arange(70.0, dtype=torch.float64)[:, None].expand(-1, 3).flip(0),
        "duplicates": torch.cat([torch.zeros(50, 3), torch.ones(20, 3)]).double(),
        "one": rand(1, 3),
        "two": rand(2, 3),
    }


def same(a: Neighbours, b: Neighbours) -> bool:
    return torch.equal(a.squared_distances, b.squared_distances) and torch.equal(
        a.indices, b.indices
    )


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", clouds())
@pytest.mark.parametrize("k", [1, 3, 40])
def test_equals_sorting_all_distances(
    backend: Backend, dtype: torch.dtype, name: str, k: int
) -> None:
    points = clouds()[name].to(dtype)
    queries = torch.cat([points[::3], points[:5] + 0.25, 7 * points[-4:]])
    for sources in (None, queries):
        wanted = knn(points, k, queries=sources, backend="reference")
        assert same(knn(points, k, queries=sources, backend=backend), wanted)


@needs_native
def test_backends_agree_to_the_bit() -> None:
    points = torch.randn(3000, 3, generator=torch.Generator().manual_seed(1))
    points[1000:1100] = points[:100]
    assert same(knn(points, 5, backend="native"), knn(points, 5, backend="torch"))


@needs_native
@pytest.mark.parametrize("isa", ["baseline", "avx2", "avx512"])
def test_native_gives_the_same_bits_on_every_instruction_set(isa: str) -> None:
    native = native_module()
    if isa not in native.available_isas():
        pytest.skip(f"this machine or build has no {isa}")
    points = torch.randn(800, 3, generator=torch.Generator().manual_seed(2))
    try:
        native.set_isa(isa)
        got = knn(points, 4, backend="native")
    finally:
        native.set_isa("auto")
    assert same(got, knn(points, 4, backend="torch"))


@needs_native
def test_native_is_the_same_for_any_number_of_threads() -> None:
    points = torch.randint(0, 9, (5000, 3), generator=torch.Generator().manual_seed(3)).float()
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            results.append(knn(points, 6, backend="native"))
    finally:
        torch.set_num_threads(threads)
    assert all(same(one, results[0]) for one in results[1:])


@needs_native
def test_many_duplicates_are_found_in_order_without_comparing_all_pairs() -> None:
    count = 200_000  # all pairs would be 4 * 10^10
    distances, indices = knn(torch.ones(count, 3), 2, backend="native")
    assert not distances.any()
    assert indices[:3].tolist() == [[1, 2], [0, 2], [0, 1]]
    assert bool((indices[3:] == torch.tensor([0, 1])).all())


@pytest.mark.parametrize("backend", BACKENDS)
def test_missing_neighbours_are_infinitely_far(backend: Backend) -> None:
    points = torch.tensor([[0.0, 0.0, 0.0], [0.0, 3.0, 4.0]])
    distances, indices = knn(points, 3, backend=backend)
    assert distances.tolist() == [[25.0, INFINITY, INFINITY]] * 2
    assert indices.tolist() == [[1, -1, -1], [0, -1, -1]]


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_in_nothing_out(backend: Backend) -> None:
    none, two = torch.zeros(0, 3), torch.zeros(2, 3)
    assert knn(none, 3, backend=backend).indices.shape == (0, 3)
    assert knn(two, 3, queries=none, backend=backend).indices.shape == (0, 3)
    assert knn(none, 1, queries=two, backend=backend).indices.tolist() == [[-1], [-1]]


@pytest.mark.parametrize("backend", BACKENDS)
def test_strided_points_and_gradients_are_no_obstacle(backend: Backend) -> None:
    points = torch.randn(3, 50, generator=torch.Generator().manual_seed(4)).T
    got = knn(torch.nn.Parameter(points), 2, queries=points[::2].requires_grad_(), backend=backend)
    wanted = knn(points.contiguous(), 2, queries=points[::2].contiguous(), backend="reference")
    assert torch.equal(got.indices, wanted.indices)
    assert not got.squared_distances.requires_grad


@needs_native
def test_native_refuses_other_dtypes() -> None:
    with pytest.raises(ValueError, match=r"takes float32 or float64 points, got torch.float16"):
        knn(torch.zeros(4, 3, dtype=torch.float16), 1, backend="native")


def test_mistakes_are_named() -> None:
    points = torch.zeros(4, 3)
    with pytest.raises(ValueError, match=r"k must be at least 1, got 0"):
        knn(points, 0)
    with pytest.raises(ValueError, match=r"share dtype and device, got torch.float32"):
        knn(points, 1, queries=points.double())


@pytest.mark.parametrize("value", [float("nan"), INFINITY, -INFINITY, 1e19])
def test_coordinates_without_a_distance_are_named(value: float) -> None:
    points, broken = torch.zeros(4, 3), torch.zeros(4, 3)
    broken[2, 1] = value
    with pytest.raises(ValueError, match=r"points must hold finite coordinates .* in row 2"):
        knn(broken, 1)
    with pytest.raises(ValueError, match=r"queries must hold finite coordinates .* in row 2"):
        knn(points, 1, queries=broken)
