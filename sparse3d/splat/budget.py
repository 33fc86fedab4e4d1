"""Drawing a splat within a budget: of Gaussians, or of time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

from sparse3d.geometry.views import Views, view_planes
from sparse3d.ops.detail import DetailTree, build_detail, select_detail
from sparse3d.scene.gaussians import Gaussians

__all__ = ["DetailedSplat", "TimeBudget"]

_AIM = 0.9
_FIRST = 20_000
_LEAST = 1_000
_MOST_GROWTH = 2.0
_SETTLED_GROWTH = 1.1


@dataclass(frozen=True, slots=True)
class DetailedSplat:
    """A splat in all levels of detail."""

    gaussians: Gaussians
    tree: DetailTree

    @classmethod
    def of(cls, gaussians: Gaussians) -> "DetailedSplat":
        """Merge what can be merged, once for all pictures.

        Raises:
            ValueError: If a value is not finite or a quaternion is zero.
        """
        return cls(gaussians, build_detail(gaussians))

    def within(self, count: int, views: Views) -> Gaussians:
        """At most ``count`` Gaussians that stand for the whole splat in these views.

        The splat's own ones near the cameras, merged ones far away, coarse ones where no camera
        looks (see :func:`sparse3d.ops.detail.select_detail`). The same bits for the same views;
        the splat itself, in its own order, if all fit.

        Raises:
            ValueError: If the count is below 1.
        """
        if count >= len(self.gaussians):
            return self.gaussians
        positions = views.world_from_camera[:, :3, 3]
        cut = select_detail(self.tree, count, positions, planes=view_planes(views))
        return self.tree.gaussians.select(cut)


class TimeBudget:
    """How many Gaussians to draw for a picture to take a given time, by the pictures before.

    After each picture the count is multiplied by the time aimed at, 90 % of the budget, over the
    time that was measured, at most doubled. If a picture takes ``a + b count`` seconds, that comes
    ever closer to the aim: from below without passing it, from above within the budget after a few
    pictures, unless ``a`` alone is more; then the count ends at a thousand. What is drawn depends
    on the machine and on what else it does.

    Args:
        seconds: A picture shall take, with choosing its Gaussians.
        most: Number of Gaussians that there are.
        now: Seconds since any moment.

    Raises:
        ValueError: If the time is not positive.
    """

    def __init__(self, seconds: float, most: int, now: Callable[[], float] = perf_counter) -> None:
        if not seconds > 0:
            raise ValueError(f"a time above 0 expected, got {seconds} s")
        self._seconds = seconds
        self._most = max(most, 1)
        self._least = min(_LEAST, self._most)
        self._now = now
        self.count = min(_FIRST, self._most)
        """For the next picture."""
        self.settled = False
        """Whether the last picture was in time and not many more Gaussians would have been, or the
        count is as small as it gets."""

    @contextmanager
    def picture(self) -> Iterator[int]:
        """Take the time of drawing a picture of so many Gaussians at most."""
        begin, count = self._now(), self.count
        yield count
        taken = max(self._now() - begin, 1e-9)
        factor = min(_AIM * self._seconds / taken, _MOST_GROWTH)
        self.count = min(max(int(count * factor), self._least), self._most)
        in_time = taken <= self._seconds and self.count <= _SETTLED_GROWTH * count
        self.settled = in_time or self.count == count
