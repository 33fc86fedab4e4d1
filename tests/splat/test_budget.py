"""Pictures within a budget: nearest first, all if all fit; and counts that follow the clock."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.transforms import look_at
from sparse3d.geometry.views import Views
from sparse3d.ops.rasterize import rasterize
from sparse3d.scene import Gaussians
from sparse3d.splat.budget import DetailedSplat, TimeBudget

LENS = Intrinsics(64, 48, 60.0, 60.0, 32.0, 24.0)
UP = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)


def street(n: int = 3000) -> Gaussians:
    """Small colourful Gaussians along the x axis, from 1 to 41."""
    rng = torch.Generator().manual_seed(0)
    places = torch.rand(n, 3, generator=rng) * torch.tensor([40.0, 4.0, 3.0])
    return Gaussians(
        places + torch.tensor([1.0, -2.0, -1.5]),
        torch.randn(n, 4, generator=rng),
        torch.rand(n, 3, generator=rng) - 3,
        2 * torch.randn(n, generator=rng),
        torch.randn(n, 4, 3, generator=rng) * 0.4,
    )


def view(x: float = 0.0, towards: float = 10.0) -> Views:
    eye = torch.tensor([x, 0.1, 0.2], dtype=torch.float64)
    pose = look_at(eye, torch.tensor([towards, 0.0, 0.0], dtype=torch.float64), UP)
    return Views.of([LENS], pose[None])


@pytest.mark.parametrize("count", [3000, 3001, 10**9])
def test_a_budget_for_all_draws_the_same_bits(count: int) -> None:
    splat = street()
    # Ties in depth are drawn in the order of rows, so that the order must be kept, too.
    splat.means[1::2, 0] = splat.means[::2, 0]
    part = DetailedSplat.of(splat).within(count, view())
    whole, same = (rasterize(each, view()) for each in (splat, part))
    for name in ("colors", "alphas", "depths", "radii"):
        assert torch.equal(getattr(same, name), getattr(whole, name)), name


def test_near_ones_are_the_own_and_far_ones_are_merged() -> None:
    detailed = DetailedSplat.of(street())
    part = detailed.within(600, view())
    assert 590 < len(part) <= 600
    own = (part.means[:, None] == detailed.gaussians.means).all(-1).any(1)
    depth = part.means[:, 0]
    shares = [float(own[(depth >= a) & (depth < b)].double().mean()) for a, b in NEAR_TO_FAR]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.8
    assert shares[-1] < 0.1
    sizes = part.log_scales.amax(1)
    assert float(sizes[depth > 20].median()) > float(sizes[depth < 6].median()) + 0.5


NEAR_TO_FAR = ((3, 7), (7, 15), (15, 25), (25, 41))


def test_what_is_behind_the_camera_takes_little_of_the_budget() -> None:
    detailed = DetailedSplat.of(street())
    ahead, back = (detailed.within(400, view(20, x)) for x in (40.0, 0.0))
    assert int((ahead.means[:, 0] > 20).sum()) > 300
    assert int((back.means[:, 0] < 20).sum()) > 300


def test_more_budget_gives_a_better_picture() -> None:
    detailed, whole = DetailedSplat.of(street()), rasterize(street(), view()).colors
    parts = (detailed.within(count, view()) for count in (30, 300, 1500, 2900))
    errors = [float((rasterize(part, view()).colors - whole).square().mean()) for part in parts]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.01 * errors[0]


def test_same_budget_same_bits() -> None:
    first, second = (DetailedSplat.of(street()).within(500, view()) for _ in range(2))
    for name in ("means", "quaternions", "log_scales", "logit_opacities", "sh"):
        assert torch.equal(getattr(first, name), getattr(second, name))


def test_nothing_is_within_any_budget() -> None:
    splat = street().select(torch.arange(0))
    assert len(DetailedSplat.of(splat).within(1, view())) == 0


def test_a_budget_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match="budget must be at least 1, got 0"):
        DetailedSplat.of(street(50)).within(0, view())


def test_a_splat_that_is_not_finite_is_refused() -> None:
    splat = street(50)
    with pytest.raises(ValueError, match="gaussians must be finite"):
        DetailedSplat.of(replace(splat, means=splat.means * torch.inf))


class Machine:
    """A machine on which pictures take the time that a function of their count says."""

    def __init__(self, seconds: Callable[[int], float]) -> None:
        self.moment = 0.0
        self._seconds = seconds

    def now(self) -> float:
        """Its clock."""
        return self.moment

    def draw(self, budget: TimeBudget) -> tuple[int, float]:
        """One picture: its count and its seconds."""
        with budget.picture() as count:
            taken = self._seconds(count)
            self.moment += taken
        return count, taken


@pytest.mark.parametrize("fixed", [0.0, 0.02, 0.06])
@pytest.mark.parametrize("each", [1e-7, 1e-6, 3e-5])
def test_the_count_comes_close_to_the_time(fixed: float, each: float) -> None:
    machine = Machine(lambda count: fixed + each * count)
    budget = TimeBudget(0.1, 10_000_000, machine.now)
    drawn = [machine.draw(budget) for _ in range(40)]
    late = [taken > 0.1 for _, taken in drawn]
    assert late == sorted(late, reverse=True), "once in time, always in time"
    assert budget.settled
    assert drawn[-1][1] == pytest.approx(0.09, rel=0.02)


def test_the_count_is_found_again_when_pictures_become_dearer() -> None:
    price = [1e-6]
    machine = Machine(lambda count: price[0] * count)
    budget = TimeBudget(0.1, 10**6, machine.now)
    for price[0], count in ((1e-6, 90_000), (4e-6, 22_500), (1e-6, 90_000)):
        for _ in range(5):
            machine.draw(budget)
        assert budget.count == pytest.approx(count, abs=2)


def test_all_are_drawn_where_there_is_time_for_all() -> None:
    machine = Machine(lambda count: 1e-6 * count)
    budget = TimeBudget(1.0, 50_000, machine.now)
    counts = [machine.draw(budget)[0] for _ in range(4)]
    assert counts == [20_000, 40_000, 50_000, 50_000]
    assert budget.settled


def test_a_time_that_no_count_meets_ends_at_a_thousand() -> None:
    machine = Machine(lambda count: 0.2)
    budget = TimeBudget(0.1, 10**6, machine.now)
    assert not budget.settled
    for _ in range(10):
        machine.draw(budget)
    assert budget.count == 1000
    assert budget.settled


@pytest.mark.parametrize("most", [0, 1, 7])
def test_few_gaussians_are_all_drawn(most: int) -> None:
    machine = Machine(lambda count: 5.0)
    budget = TimeBudget(0.1, most, machine.now)
    machine.draw(budget)
    assert budget.count == max(most, 1)
    assert budget.settled


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan")])
def test_no_time_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="a time above 0 expected"):
        TimeBudget(seconds, 10)
