"""What looks wrong: nothing in data that is right, and every kind of damage by its name."""

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sparse3d.data.box_fit import SortedPoints
from sparse3d.data.checks import FRAMES, Finding, check_scene, frames_to_check
from sparse3d.errors import DataError
from sparse3d.geometry.boxes import points_in_boxes
from sparse3d.geometry.rotations import matrix_from_yaw
from sparse3d.scene import Boxes3D, Frame, PointCloud, Scene, Stored
from sparse3d.scene.formats.registry import open_scene

Damage = Callable[[torch.Tensor], torch.Tensor]
GROUND = -1.7


def shell(row: torch.Tensor, rng: torch.Generator, n: int = 200) -> torch.Tensor:
    """Points a centimetre below the sides and the top of a box."""
    local = torch.rand(n, 3, generator=rng) - 0.5
    side = torch.randint(0, 3, (n,), generator=rng)
    rows = torch.arange(n)
    local[rows, side] = torch.where((local[rows, side] > 0) | (side == 2), 0.5, -0.5)
    local = local * (row[3:6] - 0.02)
    return local @ matrix_from_yaw(row[6]).T + row[:3]


def street(seed: int, *, ground: bool = True) -> Frame:
    """Cars and pedestrians of any heading before the sensor, on flat ground or on none."""
    rng = torch.Generator().manual_seed(seed)
    places = torch.cartesian_prod(torch.arange(6.0, 42, 9), torch.arange(-15.0, 20, 9))
    n = len(places)
    car = torch.rand(n, 1, generator=rng) > 0.3
    sizes = torch.where(car, torch.tensor([4.2, 1.7, 1.5]), torch.tensor([0.8, 0.6, 1.8]))
    sizes = sizes * (0.9 + 0.2 * torch.rand(n, 3, generator=rng))
    centers = torch.cat([places + torch.rand(n, 2, generator=rng), sizes[:, 2:] / 2 + GROUND], 1)
    yaws = (torch.rand(n, generator=rng) * 2 - 1) * math.pi
    names = tuple("Car" if is_car else "Pedestrian" for is_car in car[:, 0].tolist())
    boxes = Boxes3D(centers, sizes, yaws, names)
    points = [shell(row, rng) for row in boxes.rows()]
    if ground:
        flat = torch.rand(12000, 3, generator=rng) * torch.tensor([60.0, 60, 0.04])
        flat += torch.tensor([-5.0, -30, GROUND - 0.03])
        points.append(flat[~points_in_boxes(flat, boxes.rows()).any(0)])
    positions = torch.cat(points)
    intensities = torch.rand(len(positions), generator=rng)
    return Frame(f"{seed:03}", points=PointCloud(positions, intensities=intensities), boxes=boxes)


def boxes_of(frame: Frame) -> Boxes3D:
    boxes = frame.read_boxes()
    assert boxes is not None
    return boxes


def points_of(frame: Frame) -> PointCloud:
    points = frame.read_points()
    assert points is not None
    return points


def damaged(scene: Scene, damage: Damage) -> Scene:
    """The scene with other boxes and the same points."""
    frames = []
    for frame in scene.frames:
        boxes = boxes_of(frame)
        rows = damage(boxes.rows().clone())
        moved = replace(boxes, centers=rows[:, :3], sizes=rows[:, 3:6], yaws=rows[:, 6])
        frames.append(replace(frame, boxes=moved))
    return replace(scene, frames=tuple(frames))


def columns(
    rows: torch.Tensor, *places: int, signs: tuple[int, ...] = (1,) * 6, turn: float = 0.0
) -> torch.Tensor:
    """Columns in another order and with other signs, and another yaw."""
    moved = rows[:, list(places)] * torch.tensor(signs)
    return torch.cat([moved, rows[:, 6:] + turn], dim=1)


def raised(rows: torch.Tensor, by: torch.Tensor | float) -> torch.Tensor:
    rows[:, 2] += by
    return rows


def negated(rows: torch.Tensor) -> torch.Tensor:
    return torch.cat([rows[:, :6], -rows[:, 6:]], dim=1)


def in_camera(rows: torch.Tensor) -> torch.Tensor:
    x, y, z, height = rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 5]
    place = torch.stack([-y, height / 2 - z, x], dim=1)
    return torch.cat([place, rows[:, 3:6], -math.pi / 2 - rows[:, 6:]], dim=1)


QUARTER = math.pi / 2
DAMAGES: dict[str, tuple[Damage, str, str]] = {
    "length and width": (
        lambda r: columns(r, 0, 1, 2, 4, 3, 5),
        "convention",
        "off by 90 degrees, or length and width are swapped",
    ),
    "yaw by 90 degrees": (
        lambda r: columns(r, 0, 1, 2, 3, 4, 5, turn=QUARTER),
        "convention",
        "off by 90 degrees, or length and width are swapped",
    ),
    "yaw sign": (negated, "convention", "the yaw turns the wrong way"),
    "x and y": (
        lambda r: negated(columns(r, 1, 0, 2, 3, 4, 5, turn=-QUARTER)),
        "convention",
        "x and y are swapped",
    ),
    "quarter left": (
        lambda r: columns(r, 1, 0, 2, 3, 4, 5, signs=(-1, 1, 1, 1, 1, 1), turn=QUARTER),
        "convention",
        "the boxes' x is the cloud's -y, their y its x",
    ),
    "quarter right": (
        lambda r: columns(r, 1, 0, 2, 3, 4, 5, signs=(1, -1, 1, 1, 1, 1), turn=-QUARTER),
        "convention",
        "the boxes' x is the cloud's y, their y its -x",
    ),
    "backwards": (
        lambda r: columns(r, 0, 1, 2, 3, 4, 5, signs=(-1, -1, 1, 1, 1, 1), turn=math.pi),
        "convention",
        "x and y point backwards",
    ),
    "mirrored": (
        lambda r: negated(columns(r, 0, 1, 2, 3, 4, 5, signs=(1, -1, 1, 1, 1, 1))),
        "convention",
        "y has the wrong sign",
    ),
    "camera": (in_camera, "convention", "camera's axes"),
    "bottom": (lambda r: raised(r, -r[:, 5] / 2), "z-offset", "z is that of the bottom"),
    "top": (lambda r: raised(r, r[:, 5] / 2), "z-offset", "z is that of the top"),
}


@pytest.fixture(scope="module")
def made() -> Scene:
    return Scene("street", tuple(street(seed) for seed in range(3)), metric=True)


@pytest.fixture(scope="module")
def floating() -> Scene:
    return Scene("air", tuple(street(seed, ground=False) for seed in range(3)), metric=True)


@pytest.fixture(scope="module")
def real(shared_data: Path) -> Scene:
    """Real frames in memory."""
    scene = open_scene(shared_data / "kitti_mini")
    frames = (replace(f, points=points_of(f), boxes=boxes_of(f)) for f in scene.frames)
    return replace(scene, frames=tuple(frames))


def first(findings: tuple[Finding, ...]) -> tuple[str, str]:
    return (findings[0].kind, findings[0].message) if findings else ("", "")


@pytest.mark.parametrize("kind", ["made", "floating", "real"])
def test_nothing_is_wrong_with_good_data(kind: str, request: pytest.FixtureRequest) -> None:
    scene = request.getfixturevalue(kind)
    assert check_scene(scene) == ()
    for frame in scene.frames:
        assert check_scene(replace(scene, frames=(frame,))) == ()


@pytest.mark.parametrize(
    ("kind", "damage"),
    [
        *itertools.product(("made", "floating"), DAMAGES),
        *itertools.product(("real",), ("yaw sign", "x and y", "camera", "bottom")),
    ],
)
def test_wrong_conventions_are_named(
    kind: str, damage: str, request: pytest.FixtureRequest
) -> None:
    convert, expected, words = DAMAGES[damage]
    found = check_scene(damaged(request.getfixturevalue(kind), convert))
    assert first(found)[0] == expected
    assert words in first(found)[1]
    assert {finding.kind for finding in found[1:]}.isdisjoint({"convention", "z-offset"})


@pytest.mark.parametrize(
    ("kind", "offset"),
    [("made", -1.73), ("made", -0.45), ("made", 0.45), ("made", 1.73), ("real", 0.45)],
)
def test_a_constant_height_is_measured(
    kind: str, offset: float, request: pytest.FixtureRequest
) -> None:
    scene = request.getfixturevalue(kind)
    message = first(check_scene(damaged(scene, lambda r: raised(r, offset))))[1]
    side = "above" if offset > 0 else "below"
    assert f"m {side} their objects" in message
    measured = float(message.split("about ")[1].split()[0])
    assert measured == pytest.approx(abs(offset), abs=0.12)
    assert "geometric centre" not in message


def kinds(scene: Scene, classes: tuple[str, ...] = ()) -> dict[str, Finding]:
    return {finding.kind: finding for finding in check_scene(scene, classes)}


def with_boxes(scene: Scene, change: Callable[[Boxes3D], Boxes3D], frame: int = 1) -> Scene:
    frames = list(scene.frames)
    frames[frame] = replace(frames[frame], boxes=change(boxes_of(frames[frame])))
    return replace(scene, frames=tuple(frames))


def joined(first: Boxes3D, second: Boxes3D) -> Boxes3D:
    return Boxes3D(
        torch.cat([first.centers, second.centers]),
        torch.cat([first.sizes, second.sizes]),
        torch.cat([first.yaws, second.yaws]),
        first.names + second.names,
    )


def test_boxes_without_points_are_counted(made: Scene) -> None:
    extra = Boxes3D(torch.tensor([[20.0, 2, 9]]), torch.ones(1, 3), torch.zeros(1), ("Balloon",))
    found = kinds(with_boxes(made, lambda b: joined(b, extra)))
    assert set(found) == {"empty-boxes"}
    total = sum(len(boxes_of(frame)) for frame in made.frames) + 1
    assert found["empty-boxes"].message == f"1 of {total} boxes (2 %) hold no point (frame 001)"
    assert (found["empty-boxes"].count, found["empty-boxes"].examples) == (1, ("001",))


def test_boxes_beyond_the_cloud_are_counted(made: Scene) -> None:
    far = Boxes3D(torch.tensor([[20.0, 99, -1]]), torch.ones(1, 3), torch.zeros(1), ("Car?",))
    found = kinds(with_boxes(made, lambda b: joined(b, far)))
    assert set(found) == {"empty-boxes", "beyond-extent"}
    assert "1 of " in found["beyond-extent"].message


def test_unknown_classes_are_tallied(made: Scene) -> None:
    assert kinds(made, ("Car", "Pedestrian", "Bus")) == {}
    found = kinds(made, ("Pedestrian",))
    count = sum(boxes_of(frame).names.count("Car") for frame in made.frames)
    assert set(found) == {"unknown-class"}
    assert f"other than Pedestrian: Car {count}" in found["unknown-class"].message


def test_sizes_are_compared_with_those_of_the_class(made: Scene) -> None:
    def height_first(boxes: Boxes3D) -> Boxes3D:
        return replace(boxes, sizes=boxes.sizes.flip(1))

    def shrunk(boxes: Boxes3D) -> Boxes3D:
        return replace(boxes, sizes=boxes.sizes * 0.3)

    assert (
        "in the order height, width, length"
        in kinds(with_boxes(made, height_first))["sizes"].message
    )
    found = [f for f in check_scene(with_boxes(made, shrunk)) if f.kind == "sizes"]
    assert [finding.message.split(":")[0] for finding in found] == ["Car", "Pedestrian"]
    assert all("order" not in finding.message for finding in found)
    unknown = with_boxes(made, lambda b: replace(shrunk(b), names=("Box",) * len(b)))
    assert "sizes" not in kinds(unknown)


def test_width_over_length_is_said(made: Scene) -> None:
    found = kinds(damaged(made, DAMAGES["length and width"][0]))
    assert "are wider than long" in found["width-over-length"].message
    assert "width-over-length" not in kinds(damaged(made, DAMAGES["yaw by 90 degrees"][0]))


def test_duplicates_are_counted(made: Scene) -> None:
    def twice(boxes: Boxes3D) -> Boxes3D:
        again = boxes.select(torch.tensor([0, 3]))
        return joined(boxes, replace(again, centers=again.centers + 0.04))

    found = kinds(with_boxes(made, twice))
    assert set(found) == {"duplicates"}
    assert found["duplicates"].message.startswith("2 boxes are there twice")
    other = kinds(with_boxes(made, lambda b: joined(b, replace(b, names=("Rider",) * len(b)))))
    assert "duplicates" not in other


@pytest.mark.parametrize(
    ("scale", "advice"),
    [(255.0, "set intensity_scale to 255"), (65535.0, "to 65535"), (-1.0, "0 to 1 expected")],
)
def test_intensities_name_their_scale(made: Scene, scale: float, advice: str) -> None:
    frames = list(made.frames)
    points = points_of(frames[2])
    assert points.intensities is not None
    frames[2] = replace(frames[2], points=replace(points, intensities=points.intensities * scale))
    found = kinds(replace(made, frames=tuple(frames)))
    assert set(found) == {"intensity"}
    assert advice in found["intensity"].message
    assert found["intensity"].examples == ("002",)


def test_clouds_without_intensities_are_fine(made: Scene) -> None:
    frames = tuple(replace(f, points=replace(points_of(f), intensities=None)) for f in made.frames)
    assert check_scene(replace(made, frames=frames)) == ()


def test_frames_without_points_are_named(made: Scene) -> None:
    gone = PointCloud(torch.full((3, 3), math.nan))
    for points in (None, PointCloud(torch.zeros(0, 3)), gone):
        frames = (made.frames[0], replace(made.frames[1], points=points))
        found = kinds(replace(made, frames=frames))
        assert set(found) == {"no-points", "empty-boxes"}
        assert found["no-points"].examples == ("001",)
        assert "1 of 2 frames" in found["no-points"].message


def test_scenes_without_boxes_are_not_read() -> None:
    def refuse(path: Path) -> PointCloud:
        raise AssertionError(f"{path} was read")

    frame = Frame("0", points=Stored(Path("a.bin"), refuse))
    assert check_scene(Scene("drive", (frame,))) == ()
    assert check_scene(Scene("empty")) == ()
    none = Boxes3D(torch.zeros(0, 3), torch.zeros(0, 3), torch.zeros(0), ())
    seen = Frame("0", points=PointCloud(torch.zeros(1, 3)), boxes=none)
    assert check_scene(Scene("nothing there", (seen,))) == ()


def test_frames_that_cannot_be_read_are_errors(made: Scene) -> None:
    def broken(path: Path) -> PointCloud:
        raise DataError(path, "file is cut short")

    frame = replace(made.frames[0], points=Stored(Path("a.bin"), broken))
    with pytest.raises(DataError, match=r"a\.bin: file is cut short"):
        check_scene(Scene("x", (frame,)))


def test_large_sets_are_sampled_evenly(made: Scene) -> None:
    frames = tuple(Frame(str(i), boxes=boxes_of(made.frames[0])) for i in range(1000))
    unlabelled = tuple(Frame(f"u{i}") for i in range(1000))
    numbers = [int(frame.name) for frame in frames_to_check(Scene("x", unlabelled + frames))]
    assert (len(numbers), numbers[0], numbers[-1]) == (FRAMES, 0, 999)
    steps = {b - a for a, b in itertools.pairwise(numbers)}
    assert steps <= {20, 21}


def test_progress_counts_frames(made: Scene) -> None:
    shown: list[tuple[int, int]] = []
    check_scene(made, on_progress=lambda done, total: shown.append((done, total)))
    assert shown == [(1, 3), (2, 3), (3, 3)]


def test_points_inside_are_counted_as_their_definition_says(made: Scene) -> None:
    positions, rows = points_of(made.frames[0]).positions, boxes_of(made.frames[0]).rows()
    expected = points_in_boxes(positions, rows).sum(1)
    assert int(expected.min()) > 0
    assert torch.equal(SortedPoints(positions).count_inside(rows), expected)
    assert SortedPoints(torch.zeros(0, 3)).count_inside(rows).tolist() == [0] * len(rows)
    edge = torch.tensor([[2.0, 0.0, 0.0]])
    box = torch.tensor([[0.0, 0, 0, 4, 2, 2, 0]])
    assert SortedPoints(edge).count_inside(box).tolist() == [1]
