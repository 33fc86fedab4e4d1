"""The part of a page about a detector: frames, objects, numbers, alone and above a second part."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import torch
from PIL import Image

from sparse3d.detect.scores import evaluate_objects, frame_of_scene
from sparse3d.errors import DataError
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.transforms import rigid
from sparse3d.scene import Boxes3D, Camera, Frame, PointCloud
from sparse3d.scene.images import write_rgb
from sparse3d.splat.config import SplatConfig
from sparse3d.train.environment import Environment
from sparse3d.train.methods import find_method
from sparse3d.train.run import Run
from sparse3d.view.report import Cover, DetectionPart, ShownFrame, Story, write_page
from sparse3d.view.report.detection_facts import read_detection_facts

CLASSES = ("Car", "Pedestrian")
STORY = Story("Cars & <em>people</em>", "Lead.", ("First <u>.",), ("sparse3d detect a > b",))
AXES = torch.tensor([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]], dtype=torch.float64)


class Page(HTMLParser):
    """Links, pictures and texts of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.links: list[str] = []
        self.alts: list[str] = []
        self.ids: list[str] = []
        self.headings: list[int] = []
        self.texts: list[str] = []
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag names."""
        given = {name: value or "" for name, value in attrs}
        self.links += [given[name] for name in ("src", "href") if name in given]
        self.ids += [given["id"]] if "id" in given else []
        self.headings += [int(tag[1])] if re.fullmatch("h[1-6]", tag) else []
        if tag == "img":
            self.alts.append(given["alt"])

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.texts.append(" ".join(data.split()))

    @property
    def text(self) -> str:
        """All texts."""
        return " ".join(text for text in self.texts if text)


def boxes(*rows: tuple[Any, ...], scores: list[float] | None = None) -> Boxes3D:
    """Of name, x, y, yaw: cars of 4 x 2 x 1.5 m, others of 1 x 1 x 2 m."""
    places = torch.tensor([(x, y, 0.0) for _, x, y, _ in rows]).reshape(-1, 3)
    sizes = [(4.0, 2.0, 1.5) if name == "Car" else (1.0, 1.0, 2.0) for name, *_ in rows]
    score = None if scores is None else torch.tensor(scores)
    yaws = torch.tensor([row[3] for row in rows])
    names = tuple(row[0] for row in rows)
    return Boxes3D(places, torch.tensor(sizes).reshape(-1, 3), yaws, names, score)


TRUTH = boxes(("Car", 20.0, 3.0, 0.3), ("Pedestrian", 8.0, -2.0, 0.0), ("Car", 30.0, -8.0, 2.0))
FOUND = boxes(
    ("Car", 20.2, 3.0, 0.3),
    ("Pedestrian", 8.0, -2.0, 0.0),
    ("Pedestrian", 30.0, -8.0, 2.0),
    ("Car", 30.0, -8.0, 2.0),
    scores=[0.91, 0.84, 0.55, 0.12],
)


def detected(folder: Path, title: str, photo: bool = False, camera: bool = True) -> ShownFrame:
    pose = rigid(AXES, torch.tensor([0.3, 0.0, 1.2], dtype=torch.float64))
    path = folder / "photo.png" if photo else None
    if path is not None:
        write_rgb(path, torch.rand(50, 120, 3))
    lens = Intrinsics(120, 50, 60.0, 60.0, 60.0, 25.0)
    cameras = (Camera("front", lens, pose, image_path=path),) if camera else ()
    near = torch.tensor([[20.0, 3.1, 0.2], [20.4, 3.0, 0.0], [19.0, 2.8, 0.1], [8.1, -2.2, 0.3]])
    away = torch.rand(500, 3) * torch.tensor([30.0, 20.0, 2.0]) + torch.tensor([0.0, 0.0, 5.0])
    cloud = PointCloud(torch.cat([near, away]))
    return ShownFrame(title, Frame(title, cameras, cloud, TRUTH), TRUTH, FOUND)


def metrics(frames: list[Frame]) -> dict[str, Any]:
    scores = evaluate_objects([frame_of_scene(frame, FOUND) for frame in frames], CLASSES)
    return {
        **scores.to_json(),
        "iterations": 1200,
        "seconds": 75.0,
        "seconds_per_iteration": 0.062,
        "step_seconds": {"data": 0.01, "losses": 0.03, "backward": 0.02, "optimizer": 0.002},
    }


def run_in(folder: Path, values: dict[str, Any]) -> Run:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps(values))
    method = find_method("sparse-splat")  # the page asks nothing of the method
    return Run(folder, method, folder / "data", 11, SplatConfig(), Environment(torch="9.9"))


def part_in(out: Path, frames: list[ShownFrame], values: dict[str, Any] | None = None) -> Any:
    run = run_in(out / "run", values or metrics([frame.frame for frame in frames]))
    return DetectionPart.of(out, run, STORY, frames, CLASSES, (0.0, -20.0), (40.0, 20.0))


@pytest.fixture
def page(tmp_path: Path) -> Page:
    frames = [detected(tmp_path, 'Held-out <i>"1'), detected(tmp_path, "Fresh & new", photo=True)]
    return Page(write_page(tmp_path / "out", [part_in(tmp_path / "out", frames)]))


def test_every_frame_has_its_pictures_and_objects(page: Page, tmp_path: Path) -> None:
    assert 'Held-out <i>"1' in page.text
    assert "Fresh & new" in page.text
    assert len(page.alts) == 4
    assert all("3 true and 3 detected boxes" in alt for alt in page.alts)
    files = {unquote(path) for path in page.links}
    assert files == {f"pictures/{p.name}" for p in (tmp_path / "out" / "pictures").iterdir()}
    sizes = [picture_size(tmp_path / "out" / path) for path in sorted(files)]
    assert sizes[0][0] > 600
    assert sizes[1] == (120, 80)


def test_each_true_object_stands_beside_its_detection(page: Page) -> None:
    """The nearest first; the car that only a pedestrian overlaps is missed."""
    shown = page.text
    car = r"Car 20 m 3 0.91 0.\d\d"
    assert re.search(f"Pedestrian 8 m 1 0.84 1.00 {car} Car 31 m 0 \N{EN DASH} missed", shown)
    assert "1 more detection, where no such object is." in shown
    assert "0.12" not in shown  # too low to be shown


def test_numbers_are_those_of_the_metrics(page: Page, tmp_path: Path) -> None:
    values = json.loads((tmp_path / "out" / "run" / "metrics.json").read_text())
    for key in ("car_detection_3d", "car_detection_ground", "pedestrian_detection_3d"):
        assert f"{values[key]['AP_all_point'][0]:.1f}" in page.text
    car = values["car_detection_3d"]
    low, high = car["AP_all_point_interval"][0]
    strict = f"{car['AP_all_point'][0]:.1f} ({low:.0f} to {high:.0f})"
    recall = 100 * car["recall_at_one_false_alarm_a_frame"][0]
    assert re.search(rf"Car, 3D {re.escape(strict)} \S+ \(.*?\) {recall:.1f} 4", page.text)
    for words in ("on 2 held-out frames", "0.7 (Car), 0.5 (Pedestrian)", "1:15 min", "62 ms"):
        assert words in page.text
    assert "Fewer than 100 objects count" in page.text
    assert "All objects count." in page.text


def test_words_never_become_tags(page: Page) -> None:
    for words in (STORY.title, STORY.lead, *STORY.steps, *STORY.commands):
        assert words in page.text
    assert "<em>" not in page.source
    assert "<u>" not in page.source


def test_the_page_is_alone_in_the_world_and_in_order(page: Page) -> None:
    assert not re.search(r"https?:|[\"'(]//|@import|url\(|<link|fetch\(", page.source)
    assert page.headings[0] == 1
    assert all(b - a <= 1 for a, b in zip(page.headings, page.headings[1:], strict=False))


def test_two_parts_share_a_page(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = part_in(out, [detected(tmp_path, "One")])
    second = _Other(first)
    page = Page(write_page(out, [first, second], Cover("Both", "Two things.")))
    assert page.source.index("Both") < page.source.index("Two things.")
    assert page.ids == ["detection", "other"]
    assert {"#detection", "#other"} < set(page.links)
    assert "Another title" in page.text
    assert page.text.count("seed 11, torch 9.9") == 1
    assert page.headings.count(1) == 1
    with pytest.raises(ValueError, match="a cover expected above 2 parts"):
        write_page(out, [first, second])


class _Other:
    """A part of another kind."""

    anchor = "other"

    def __init__(self, like: Any) -> None:
        self._like = like
        self.story = replace(STORY, title="Another title")
        self.origin = like.origin

    def draw(self, folder: Path) -> None:
        """Write a picture of its own."""
        (folder / "other.png").touch()

    def tiles(self) -> Any:
        """Those of the other."""
        return self._like.tiles()

    def sections(self) -> Any:
        """Those of the other."""
        return self._like.sections()


def test_a_frame_without_camera_points_or_objects(tmp_path: Path) -> None:
    bare = Frame("bare", (), None, TRUTH)
    frames = [
        detected(tmp_path, "Blind", camera=False),
        ShownFrame("Bare", bare, boxes(), boxes(scores=[])),
    ]
    values = metrics([frames[0].frame])
    page = Page(write_page(tmp_path / "out", [part_in(tmp_path / "out", frames, values)]))
    assert len(page.alts) == 2
    assert "Bare from above: 0 true and 0 detected boxes" in page.alts
    assert "Nothing else was detected." in page.text


def test_of_many_objects_the_nearest_are_listed(tmp_path: Path) -> None:
    crowd = boxes(*(("Pedestrian", 5.0 + i, -3.0, 0.0) for i in range(15)))
    frame = replace(detected(tmp_path, "Crowd"), truth=crowd)
    page = Page(write_page(tmp_path / "out", [part_in(tmp_path / "out", [frame])]))
    assert page.source.count('scope="row">Pedestrian</th>') == 12
    assert "Pedestrian 16 m" in page.text
    assert "Pedestrian 17 m" not in page.text
    assert "3 more are farther away. 3 more detections, where no such object is." in page.text


def test_a_class_without_objects_has_dashes(tmp_path: Path) -> None:
    cars = TRUTH.select(torch.tensor([0, 2]))
    frame = replace(detected(tmp_path, "Cars").frame, boxes=cars)
    facts = read_facts(tmp_path, metrics([frame]))
    assert [p.average for p in facts.strict if p.name == "Pedestrian"] == [None, None]
    assert facts.strict[-1].counted == 0
    shown = ShownFrame("Cars", frame, cars, FOUND)
    page = Page(write_page(tmp_path, [part_in(tmp_path, [shown], metrics([frame]))]))
    assert "Pedestrian, 3D \N{EN DASH}" in page.text


def picture_size(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def read_facts(folder: Path, values: dict[str, Any]) -> Any:
    return read_detection_facts(run_in(folder / "facts", values).metrics, CLASSES)


def test_of_three_difficulties_moderate_is_told(tmp_path: Path) -> None:
    values = metrics([detected(tmp_path, "One").frame])
    values["difficulties"] = ["easy", "moderate", "hard"]
    for key in [key for key in values if "_detection_" in key]:
        plain = values[key]
        values[key] = {
            name: column if name == "overlap" else [None, column[0], None]
            for name, column in plain.items()
        }
    facts = read_facts(tmp_path, values)
    assert facts.level == "moderate"
    assert facts.strict[1].metric == "3D"
    assert facts.strict[1].overlap == 0.7
    assert facts.loose[1].overlap == 0.5
    assert facts.strict[1].counted == 2


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"difficulties": []}, "the metrics of a detector expected"),
        ({"car_detection_3d": None}, "an object car_detection_3d expected"),
        ({"car_detection_3d_0.25": {}}, "car_detection_3d expected at one looser overlap, got 2"),
        ({"step_seconds": [1.0]}, "an object step_seconds expected"),
        ({"seconds": "long"}, "seconds must be a finite number"),
        ({"frames": 0}, "frames must be a whole number"),
    ],
)
def test_metrics_that_are_none_of_a_detector(
    tmp_path: Path, change: dict[str, Any], problem: str
) -> None:
    values = {**metrics([detected(tmp_path, "One").frame]), **change}
    with pytest.raises(DataError, match=problem):
        read_facts(tmp_path, values)


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("AP_all_point", [], "AP_all_point must have a value for each difficulty"),
        ("AP_all_point", ["high"], "AP_all_point must be a finite number"),
        ("AP_all_point_interval", [["low", 2.0]], "low must be a finite number"),
    ],
)
def test_a_damaged_score_is_named(tmp_path: Path, key: str, value: Any, problem: str) -> None:
    values = metrics([detected(tmp_path, "One").frame])
    values["car_detection_3d"][key] = value
    with pytest.raises(DataError, match=f"car_detection_3d: {problem}"):
        read_facts(tmp_path, values)


def test_detections_without_scores_are_refused(tmp_path: Path) -> None:
    frame = replace(detected(tmp_path, "One"), detections=TRUTH)
    with pytest.raises(ValueError, match="must have scores"):
        part_in(tmp_path, [frame], metrics([frame.frame]))
