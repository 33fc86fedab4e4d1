"""Level of detail against recursion over the leaves, and what a cut promises."""

import math

import pytest
import torch
from torch import Tensor

from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.rotations import matrix_from_quaternion
from sparse3d.geometry.transforms import look_at
from sparse3d.geometry.views import Views, view_planes
from sparse3d.ops.detail import DetailTree, build_detail, select_detail
from sparse3d.scene import Gaussians

CAMERAS = torch.tensor([[4.0, 0.5, -1.0], [0.2, -0.1, 0.3]])


def some(n: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Gaussians:
    """Two clusters of unlike size and density, some places taken several times."""
    rng = torch.Generator().manual_seed(seed)
    means = torch.randn(n, 3, generator=rng) * torch.tensor([3.0, 1.0, 0.2])
    means[n // 2 :] = means[n // 2 :] * 0.01 + torch.tensor([5.0, -3.0, 1.0])
    means[1::7] = means[::7][: len(means[1::7])]
    return Gaussians(
        means.to(dtype),
        torch.randn(n, 4, generator=rng).to(dtype),
        (torch.rand(n, 3, generator=rng) * 2 - 6).to(dtype),
        torch.randn(n, generator=rng).to(dtype),
        torch.randn(n, 4, 3, generator=rng).to(dtype),
    )


def looking(eyes: Tensor, target: Tensor) -> Views:
    """Narrow views from several places at one."""
    up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    poses = torch.stack([look_at(eye, target.double(), up) for eye in eyes.double()])
    return Views.of([Intrinsics(32, 24, 60.0, 60.0, 16.0, 12.0)] * len(eyes), poses)


def covariances(gaussians: Gaussians) -> Tensor:
    factor = matrix_from_quaternion(gaussians.quaternions.double())
    factor = factor * gaussians.log_scales.double().exp()[:, None]
    return factor @ factor.mT


def masses(gaussians: Gaussians) -> Tensor:
    a, b, c = gaussians.log_scales.double().exp().unbind(1)
    return torch.sigmoid(gaussians.logit_opacities.double()) * (a * b + b * c + c * a)


def leaves_below(tree: DetailTree) -> list[list[int]]:
    """Rows of the input under each node."""
    below: list[list[int]] = [[] for _ in range(len(tree))]
    for node, row in enumerate(tree.rows.tolist()):
        up = node
        while row >= 0 and up >= 0:
            below[up].append(row)
            up = int(tree.parents[up])
    return below


@pytest.mark.parametrize("n", [0, 1, 2, 9, 200])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tree_equals_reference(n: int, dtype: torch.dtype) -> None:
    actual = build_detail(some(n, dtype=dtype))
    expected = build_detail(some(n, dtype=dtype), backend="reference")
    assert torch.equal(actual.parents, expected.parents)
    assert torch.equal(actual.rows, expected.rows)
    assert torch.equal(actual.lows, expected.lows)
    assert torch.equal(actual.highs, expected.highs)
    rtol = 1e-5 if dtype == torch.float32 else 1e-10
    torch.testing.assert_close(actual.masses, expected.masses, rtol=1e-12, atol=0)
    ours, theirs = actual.gaussians, expected.gaussians
    torch.testing.assert_close(ours.means, theirs.means, rtol=rtol, atol=rtol)
    torch.testing.assert_close(ours.sh, theirs.sh, rtol=rtol, atol=rtol)
    torch.testing.assert_close(ours.logit_opacities, theirs.logit_opacities, rtol=rtol, atol=rtol)
    torch.testing.assert_close(covariances(ours), covariances(theirs), rtol=rtol, atol=rtol)


@pytest.mark.parametrize("n", [1, 2, 9, 200])
@pytest.mark.parametrize("cameras", [0, 1, 2])
def test_cuts_equal_reference(n: int, cameras: int) -> None:
    tree = build_detail(some(n))
    for budget in {1, 2, 3, n // 3 + 1, n - 1 or 1, n, 2 * n}:
        actual = select_detail(tree, budget, CAMERAS[:cameras])
        expected = select_detail(tree, budget, CAMERAS[:cameras], backend="reference")
        assert torch.equal(actual, expected)


@pytest.mark.parametrize("n", [2, 60, 200])
def test_cuts_for_what_cameras_see_equal_reference(n: int) -> None:
    tree = build_detail(some(n))
    planes = view_planes(looking(CAMERAS, torch.tensor([5.0, -3.0, 1.0])))
    for budget in {1, 2, 3, n // 5 + 1, n // 2, n - 1, n}:
        actual = select_detail(tree, budget, CAMERAS, planes=planes)
        expected = select_detail(tree, budget, CAMERAS, planes=planes, backend="reference")
        assert torch.equal(actual, expected)


def test_what_no_camera_sees_is_refined_last() -> None:
    """The camera stands in one cluster and looks at the other, far one."""
    gaussians = some(400)
    tree, here = build_detail(gaussians), torch.tensor([[0.2, -0.1, 0.3]])
    planes = view_planes(looking(here, torch.tensor([5.0, -3.0, 1.0])))
    seen = ((gaussians.means @ planes[0, :, :3].T + planes[0, :, 3]) >= 0).all(1)
    own = []
    for sight in (None, planes):
        cut = select_detail(tree, 120, here, planes=sight)
        leaves = tree.rows[cut][tree.rows[cut] >= 0]
        own.append(int(seen[leaves].sum()))
    assert own[1] > 2 * own[0]
    assert sorted(tree.rows[select_detail(tree, 400, here, planes=planes)]) == list(range(400))


def test_a_cut_within_a_box_of_equals_ends_where_the_room_ends() -> None:
    """None is seen, so all look alike, and the coarse ones come first."""
    tree = build_detail(some(300))
    away = torch.tensor([[[0.0, 0.0, 0.0, -1.0]]])
    for budget in (2, 50, 299):
        cut = select_detail(tree, budget, CAMERAS[:1], planes=away)
        without = select_detail(tree, budget, CAMERAS[:0])
        assert torch.equal(cut, without)
        assert budget - 8 < len(cut) <= budget


def test_leaves_are_the_input_by_morton_key() -> None:
    gaussians = some(150)
    tree = build_detail(gaussians)
    leaf = tree.rows >= 0
    assert sorted(tree.rows[leaf].tolist()) == list(range(150))
    for name in ("means", "quaternions", "log_scales", "logit_opacities", "sh"):
        stored = getattr(tree.gaussians, name)[leaf]
        assert torch.equal(stored, getattr(gaussians, name)[tree.rows[leaf]])


def test_parents_come_first_and_have_several_children() -> None:
    tree = build_detail(some(150))
    assert int(tree.parents[0]) == -1
    assert bool((tree.parents[1:] < torch.arange(1, len(tree))).all())
    children = torch.bincount(tree.parents[1:], minlength=len(tree))
    assert torch.equal(children == 0, tree.rows >= 0)
    assert int(children[children > 0].min()) >= 2


def test_nodes_keep_mass_centre_and_spread_of_their_leaves() -> None:
    gaussians = some(150, dtype=torch.float64)
    tree = build_detail(gaussians)
    mass, spread, node_spread = (
        masses(gaussians),
        covariances(gaussians),
        covariances(tree.gaussians),
    )
    for node, rows in enumerate(leaves_below(tree)):
        weights = mass[rows] / mass[rows].sum()
        centre = weights @ gaussians.means[rows]
        offsets = gaussians.means[rows] - centre
        second = torch.einsum("n,ni,nj->ij", weights, offsets, offsets)
        expected = torch.einsum("n,nij->ij", weights, spread[rows]) + second
        torch.testing.assert_close(tree.masses[node], mass[rows].sum())
        torch.testing.assert_close(tree.gaussians.means[node], centre)
        torch.testing.assert_close(node_spread[node], expected, rtol=1e-9, atol=1e-14)
        colour = torch.einsum("n,nkc->kc", weights, gaussians.sh[rows])
        torch.testing.assert_close(tree.gaussians.sh[node], colour)


def test_opacity_keeps_the_mass_unless_that_were_more_than_opaque() -> None:
    tree = build_detail(some(150, dtype=torch.float64))
    drawn, opacity = masses(tree.gaussians), torch.sigmoid(tree.gaussians.logit_opacities)
    clear = opacity < 1 - 2e-6
    assert 0 < int((~clear).sum()) < len(tree), "both kinds are there"
    torch.testing.assert_close(drawn[clear], tree.masses[clear], rtol=1e-6, atol=0)
    assert bool((drawn[~clear] <= tree.masses[~clear]).all())


def test_boxes_hold_three_standard_deviations_of_all_leaves() -> None:
    gaussians = some(60)
    tree = build_detail(gaussians)
    reach = 3 * covariances(gaussians).diagonal(dim1=1, dim2=2).sqrt()
    for node, rows in enumerate(leaves_below(tree)):
        lows = (gaussians.means[rows].double() - reach[rows]).amin(0)
        highs = (gaussians.means[rows].double() + reach[rows]).amax(0)
        torch.testing.assert_close(tree.lows[node], lows)
        torch.testing.assert_close(tree.highs[node], highs)


@pytest.mark.parametrize("n", [1, 2, 9, 150])
def test_every_cut_covers_each_leaf_once_within_the_budget(n: int) -> None:
    gaussians = some(n, dtype=torch.float64)
    tree, mass = build_detail(gaussians), masses(gaussians)
    below = leaves_below(tree)
    for budget in range(1, n + 2):
        cut = select_detail(tree, budget, CAMERAS)
        assert len(cut) <= budget
        assert sorted(row for node in cut.tolist() for row in below[node]) == list(range(n))
        weights = tree.masses[cut] / tree.masses[cut].sum()
        torch.testing.assert_close(tree.masses[cut].sum(), mass.sum())
        centre = weights @ tree.gaussians.means[cut]
        torch.testing.assert_close(centre, mass / mass.sum() @ gaussians.means)


def test_full_budget_is_the_original_and_one_is_the_root() -> None:
    tree = build_detail(some(150))
    assert select_detail(tree, 1, CAMERAS).tolist() == [0]
    for budget in (150, 10**9):
        cut = select_detail(tree, budget, CAMERAS)
        assert sorted(tree.rows[cut].tolist()) == list(range(150))


def test_larger_budgets_refine_smaller_ones() -> None:
    tree = build_detail(some(150))
    below = leaves_below(tree)
    before = [set(range(150))]
    for budget in range(1, 151):
        now = [set(below[node]) for node in select_detail(tree, budget, CAMERAS).tolist()]
        assert all(any(part <= whole for whole in before) for part in now)
        before = now


def test_detail_is_where_the_camera_is() -> None:
    tree = build_detail(some(400))
    right, left = (
        select_detail(tree, 60, torch.tensor([place]))
        for place in ([5.0, -3.0, 1.0], [-6.0, 3.0, 0.0])
    )
    near = [int((tree.gaussians.means[cut][:, 1] < -2.9).sum()) for cut in (right, left)]
    assert near[0] > 5 * near[1]


def test_same_bits_for_any_number_of_threads() -> None:
    threads, trees = torch.get_num_threads(), []
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            trees.append(build_detail(some(6_000)))
    finally:
        torch.set_num_threads(threads)
    for tree in trees[1:]:
        assert torch.equal(tree.parents, trees[0].parents)
        assert torch.equal(tree.masses, trees[0].masses)
        for name in ("means", "quaternions", "log_scales", "logit_opacities", "sh"):
            assert torch.equal(getattr(tree.gaussians, name), getattr(trees[0].gaussians, name))


def test_all_in_one_place_make_one_node() -> None:
    one = some(1)
    tree = build_detail(one.select(torch.zeros(6, dtype=torch.long)))
    assert tree.parents.tolist() == [-1, 0, 0, 0, 0, 0, 0]
    torch.testing.assert_close(tree.gaussians.means[0], one.means[0])
    torch.testing.assert_close(covariances(tree.gaussians)[0], covariances(one)[0])
    assert [len(select_detail(tree, budget, CAMERAS)) for budget in (1, 5, 6)] == [1, 1, 6]


def test_invisible_and_flat_ones_stay_finite() -> None:
    gaussians = some(20)
    gaussians.logit_opacities[:] = -1e4
    gaussians.log_scales[:, 1:] = -60
    tree = build_detail(gaussians)
    for name in ("means", "quaternions", "log_scales", "logit_opacities", "sh"):
        assert bool(getattr(tree.gaussians, name).isfinite().all()), name


def test_nothing_has_no_nodes() -> None:
    tree = build_detail(some(0))
    assert len(tree) == 0
    assert select_detail(tree, 5, CAMERAS).tolist() == []


@pytest.mark.parametrize("name", ["means", "quaternions", "log_scales", "logit_opacities", "sh"])
def test_values_that_are_not_finite_are_refused(name: str) -> None:
    gaussians = some(5)
    getattr(gaussians, name)[3] = math.nan
    with pytest.raises(ValueError, match="gaussians must be finite"):
        build_detail(gaussians)


def test_impossible_cuts_are_refused() -> None:
    tree = build_detail(some(5))
    with pytest.raises(ValueError, match="budget must be at least 1, got 0"):
        select_detail(tree, 0, CAMERAS)
    with pytest.raises(ValueError, match="positions of cameras must be finite"):
        select_detail(tree, 1, torch.tensor([[0.0, math.inf, 0.0]]))
    with pytest.raises(ValueError, match="finite planes for 2 positions expected"):
        select_detail(tree, 1, CAMERAS, planes=torch.full((2, 5, 4), math.nan))
