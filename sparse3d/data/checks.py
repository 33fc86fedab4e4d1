"""What looks wrong in a detection data set, judged by its clouds and boxes alone."""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from sparse3d.data.box_fit import CONVENTIONS, LIFTS, Convention, SortedPoints
from sparse3d.scene import Boxes3D, Frame, PointCloud, Scene

__all__ = ["FRAMES", "Finding", "Kind", "check_scene", "frames_to_check"]

Kind = Literal[
    "no-points",
    "convention",
    "z-offset",
    "empty-boxes",
    "beyond-extent",
    "unknown-class",
    "sizes",
    "width-over-length",
    "duplicates",
    "intensity",
]
FRAMES = 50
"""Frames that are looked at, at most."""

_EXAMPLES = 3
_TELLING = 4
"""Boxes that must speak for something, at least, before it is said of all."""
_MARGIN = 1.0
"""Metres that a box's centre may lie beyond the cloud."""
_INTENSITY_SCALES = (255, 4095, 65535)
_SEEN = (0.1, 0.15)
"""Metres by which the lowest tenth of the points lies below the ground, and what is seen of an
object below its top."""
_OFF = 0.25
"""Metres that boxes must be too high or too low before it is said."""
_SIZES: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "car": ((1.8, 1.0, 0.9), (7.5, 2.8, 3.0)),
    "van": ((2.8, 1.2, 1.2), (9.0, 3.2, 3.8)),
    "truck": ((3.0, 1.4, 1.3), (30.0, 4.5, 5.5)),
    "bus": ((4.5, 1.8, 1.8), (25.0, 4.0, 5.0)),
    "tram": ((5.0, 1.8, 2.0), (60.0, 4.0, 5.5)),
    "pedestrian": ((0.2, 0.2, 0.7), (2.0, 1.6, 2.5)),
    "person": ((0.2, 0.2, 0.7), (2.0, 1.6, 2.5)),
    "cyclist": ((0.8, 0.2, 0.8), (2.8, 1.5, 2.6)),
    "bicycle": ((0.8, 0.2, 0.6), (2.8, 1.5, 2.6)),
    "motorcycle": ((1.0, 0.3, 0.7), (3.5, 1.8, 2.6)),
}
"""Smallest and largest plausible length, width, height of well-known classes, metres."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that looks wrong."""

    kind: Kind
    """Which check found it."""
    message: str
    """One line for people, with examples."""
    count: int
    """Frames in which it shows."""
    examples: tuple[str, ...]
    """Names of some of them."""


@dataclass(frozen=True, slots=True)
class _Look:
    """What the checks need to know of a frame; its points are gone."""

    name: str
    boxes: Boxes3D
    points: int
    extent: Float[Tensor, "2 3"]
    """Lowest and highest x, y, z; NaN without points."""
    intensities: tuple[float, float]
    """Lowest and highest; 0 without any."""
    inside: Int64[Tensor, " n"]
    """Points in each box."""
    otherwise: Int64[Tensor, "k n"]
    """Points in each box read in each of the conventions, then lifted, then lowered."""
    heights: Float64[Tensor, "n 2"]
    """Of the ground and the top, see :meth:`SortedPoints.ground_and_top`."""


def check_scene(
    scene: Scene,
    classes: Sequence[str] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[Finding, ...]:
    """Look at the boxes of a scene and the points around them.

    Up to :data:`FRAMES` frames with boxes are looked at, spread evenly over all of them.

    Args:
        scene: Frames with clouds and boxes; without any box nothing is read.
        classes: Names that boxes should have; any name will do where there are none.
        on_progress: Called with the number of frames looked at and in all.

    Returns:
        What looks wrong, what explains most first.

    Raises:
        DataError: If a frame cannot be read.
    """
    frames, looks = frames_to_check(scene), []
    for number, frame in enumerate(frames, 1):
        looks.append(_look(frame))
        if on_progress is not None:
            on_progress(number, len(frames))
    if not looks:
        return ()
    checks = (_no_points, _place, _empty, _beyond)
    found = [finding for check in checks for finding in check(looks)]
    found += _unknown_classes(looks, classes)
    checks = (_implausible_sizes, _wide, _duplicates, _intensity)
    return (*found, *(finding for check in checks for finding in check(looks)))


def frames_to_check(scene: Scene) -> tuple[Frame, ...]:
    """The frames that :func:`check_scene` looks at."""
    frames = [frame for frame in scene.frames if frame.boxes is not None]
    if len(frames) <= FRAMES:
        return tuple(frames)
    return tuple(frames[round(i * (len(frames) - 1) / (FRAMES - 1))] for i in range(FRAMES))


def _look(frame: Frame) -> _Look:
    boxes, cloud = frame.read_boxes(), frame.read_points()
    assert boxes is not None  # its frame was picked for having boxes
    cloud = PointCloud(torch.zeros(0, 3)) if cloud is None else cloud
    positions = cloud.positions[cloud.positions.isfinite().all(1)].double()
    points, rows = SortedPoints(positions), boxes.rows().double()
    read = [convention.convert(rows) for convention in (*CONVENTIONS, *LIFTS)]
    nowhere = torch.full((2, 3), math.nan, dtype=torch.float64)
    return _Look(
        frame.name,
        boxes,
        len(positions),
        torch.stack([positions.amin(0), positions.amax(0)]) if len(positions) else nowhere,
        _range(cloud),
        points.count_inside(rows),
        points.count_inside(torch.cat(read)).reshape(len(read), len(rows)),
        points.ground_and_top(rows),
    )


def _range(cloud: PointCloud) -> tuple[float, float]:
    values = torch.zeros(1) if cloud.intensities is None else cloud.intensities
    values = values[values.isfinite()]
    return (values.min().item(), values.max().item()) if len(values) else (0.0, 0.0)


def _finding(kind: Kind, problem: str, names: Sequence[str]) -> Finding:
    """A finding with examples of the frames it shows in; names may come more than once."""
    frames = tuple(dict.fromkeys(names))
    shown = ", ".join(frames[:_EXAMPLES]) + (", ..." if len(frames) > _EXAMPLES else "")
    where = f"{len(frames)} frames: " if len(frames) > 1 else "frame "
    return Finding(kind, f"{problem} ({where}{shown})", len(frames), frames[:_EXAMPLES])


def _names_where(looks: Sequence[_Look], masks: Sequence[Bool[Tensor, " _"]]) -> list[str]:
    """The frame of every box where a mask is true."""
    return [
        look.name for look, mask in zip(looks, masks, strict=True) for _ in range(int(mask.sum()))
    ]


def _of(part: int, whole: int, what: str) -> str:
    return f"{part:,} of {whole:,} {what}"


def _no_points(looks: Sequence[_Look]) -> Iterator[Finding]:
    names = [look.name for look in looks if look.points == 0]
    if names:
        problem = f"{_of(len(names), len(looks), 'frames')} have boxes, but no finite point"
        yield _finding("no-points", problem, names)


def _place(looks: Sequence[_Look]) -> Iterator[Finding]:
    """What is wrong with where the boxes are; heights mean nothing where the axes are wrong."""
    inside = torch.cat([look.inside for look in looks])
    otherwise = torch.cat([look.otherwise for look in looks], dim=1)
    flat, lifted = otherwise[: len(CONVENTIONS)], otherwise[len(CONVENTIONS) :]
    kind: Kind = "convention"
    problem = _better(inside, flat, CONVENTIONS)
    if problem is None:
        kind, problem = "z-offset", _off_the_ground(looks) or _better(inside, lifted, LIFTS)
    if problem is not None:
        yield _finding(kind, problem, [look.name for look in looks if len(look.boxes)])


def _better(
    ours: Int64[Tensor, " n"], others: Int64[Tensor, "k n"], conventions: Sequence[Convention]
) -> str | None:
    """The convention in which boxes hold most points, where it is plainly better than theirs.

    Boxes tell where one count exceeds the other by a fifth. Four of five of them must speak for
    the other convention, and hold a quarter more points in it.
    """
    best = int(others.sum(1).argmax())
    other = others[best]
    better, worse = other > 1.2 * ours + 1, ours > 1.2 * other + 1
    telling = better | worse
    gain = bool(other[telling].sum() >= 1.25 * ours[telling].sum())
    if int(better.sum()) < max(_TELLING, 4 * int(worse.sum())) or not gain:
        return None
    counts = f"the boxes hold {int(other.sum()):,} points instead of {int(ours.sum()):,}"
    return f"{conventions[best].says}: so read, {counts}"


def _off_the_ground(looks: Sequence[_Look]) -> str | None:
    """Boxes whose bottom is off the ground and whose top is off the object's, both the same way."""
    heights = torch.cat([look.heights for look in looks]) + torch.tensor(_SEEN)
    known = heights.isfinite().all(1)
    if int(known.sum()) < _TELLING:
        return None
    ground, top = heights[known].median(0).values.tolist()
    if min(abs(ground), abs(top)) < _OFF or ground * top < 0:
        return None
    half = torch.cat([look.boxes.sizes[:, 2] for look in looks]).double() / 2
    by_half = abs((heights[:, 0] / half)[known].median().abs().item() - 1) < 0.25
    side, end = ("below", "bottom") if ground > 0 else ("above", "top")
    reason = f": z is that of the {end}, not of the geometric centre" if by_half else ""
    return f"boxes lie about {abs(ground):.2f} m {side} their objects and the ground{reason}"


def _empty(looks: Sequence[_Look]) -> Iterator[Finding]:
    masks = [look.inside == 0 for look in looks]
    names = _names_where(looks, masks)
    total = sum(len(look.boxes) for look in looks)
    if names:
        share = f"{_of(len(names), total, 'boxes')} ({100 * len(names) / total:.0f} %)"
        yield _finding("empty-boxes", f"{share} hold no point", names)


def _beyond(looks: Sequence[_Look]) -> Iterator[Finding]:
    masks = []
    for look in looks:
        centers, (low, high) = look.boxes.centers[:, :2], look.extent[:, :2]
        masks.append(((centers < low - _MARGIN) | (centers > high + _MARGIN)).any(1))
    names = _names_where(looks, masks)
    total = sum(len(look.boxes) for look in looks)
    if names:
        problem = f"{_of(len(names), total, 'boxes')} lie beyond the extent of their cloud"
        yield _finding("beyond-extent", problem, names)


def _unknown_classes(looks: Sequence[_Look], classes: Sequence[str] | None) -> Iterator[Finding]:
    if not classes:
        return
    tally = Counter(name for look in looks for name in look.boxes.names)
    unknown = {name: n for name, n in tally.most_common() if name not in classes}
    names = [look.name for look in looks if unknown.keys() & set(look.boxes.names)]
    if unknown:
        counts = ", ".join(f"{name} {n:,}" for name, n in unknown.items())
        problem = f"boxes of classes other than {', '.join(classes)}: {counts}"
        yield _finding("unknown-class", problem, names)


def _implausible_sizes(looks: Sequence[_Look]) -> Iterator[Finding]:
    present = dict.fromkeys(name for look in looks for name in look.boxes.names)
    for name in present:
        limits = _SIZES.get(name.lower())
        if limits is not None:
            yield from _sizes_of(name, torch.tensor(limits), looks)


def _sizes_of(name: str, limits: Float[Tensor, "2 3"], looks: Sequence[_Look]) -> Iterator[Finding]:
    sizes = [look.boxes.sizes[_called(name, look.boxes)].float() for look in looks]
    masks = [~_plausible(some, limits) for some in sizes]
    names = _names_where(looks, masks)
    if not names:
        return
    wrong = torch.cat([some[mask] for some, mask in zip(sizes, masks, strict=True)])
    low, high = (_size_text(corner) for corner in limits)
    fits = _plausible(wrong.flip(1), limits).float().mean() > 0.5
    problem = (
        f"{name}: {_of(len(names), sum(map(len, sizes)), 'boxes')} have sizes hard to believe,"
        f" such as {_size_text(wrong[0])} m; length x width x height from {low} to {high} expected"
        f"{', which they are in the order height, width, length' if fits else ''}"
    )
    yield _finding("sizes", problem, names)


def _called(name: str, boxes: Boxes3D) -> Bool[Tensor, " n"]:
    return torch.tensor([other == name for other in boxes.names], dtype=torch.bool)


def _plausible(sizes: Float[Tensor, "n 3"], limits: Float[Tensor, "2 3"]) -> Bool[Tensor, " n"]:
    """Whether sizes are within limits; length and width may be swapped, as that is said apart."""
    sides = sizes[:, :2].sort(dim=1, descending=True).values
    sorted_ = torch.cat([sides, sizes[:, 2:]], dim=1)
    return ((sorted_ >= limits[0]) & (sorted_ <= limits[1])).all(1)


def _size_text(size: Float[Tensor, " 3"]) -> str:
    return " x ".join(f"{value:.4g}" for value in size.tolist())


def _wide(looks: Sequence[_Look]) -> Iterator[Finding]:
    """Most of the boxes that are plainly longer one way than the other are wider than long."""
    masks, elongated = [], 0
    for look in looks:
        length, width = look.boxes.sizes[:, 0], look.boxes.sizes[:, 1]
        masks.append(width > 1.6 * length)
        elongated += int((masks[-1] | (length > 1.6 * width)).sum())
    names = _names_where(looks, masks)
    if len(names) >= _TELLING and 2 * len(names) > elongated:
        problem = (
            f"{_of(len(names), elongated, 'elongated boxes')} are wider than long: are length and"
            " width swapped?"
        )
        yield _finding("width-over-length", problem, names)


def _duplicates(looks: Sequence[_Look]) -> Iterator[Finding]:
    names = [look.name for look in looks for _ in range(_count_duplicates(look.boxes))]
    if names:
        problem = f"{len(names):,} boxes are there twice, within 0.1 m"
        yield _finding("duplicates", problem, names)


def _count_duplicates(boxes: Boxes3D) -> int:
    rows = torch.cat([boxes.centers, boxes.sizes], dim=1).double()
    near = (rows[:, None] - rows[None]).abs().amax(2) < 0.1
    parallel = torch.cos(boxes.yaws[:, None] - boxes.yaws[None]).abs() > 0.99
    same = (near & parallel).triu(1).nonzero().tolist()
    return len({j for i, j in same if boxes.names[i] == boxes.names[j]})


def _intensity(looks: Sequence[_Look]) -> Iterator[Finding]:
    names = [look.name for look in looks if look.intensities[0] < 0 or look.intensities[1] > 1]
    if not names:
        return
    ends = tuple(itertools.chain.from_iterable(look.intensities for look in looks))
    low, high = min(ends), max(ends)
    scale = next((s for s in _INTENSITY_SCALES if s / 16 < high <= s), high)
    advice = f"; set intensity_scale to {scale:g}" if high > 1 else ""
    problem = f"intensities run from {low:g} to {high:g}, 0 to 1 expected{advice}"
    yield _finding("intensity", problem, names)
