"""The page about a reconstruction: complete, well-formed, escaped, alone in the world."""

import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import torch
from PIL import Image

from sparse3d.errors import DataError
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.scene import Camera, Frame, Scene
from sparse3d.scene.images import write_depth, write_rgb
from sparse3d.splat.config import SplatConfig
from sparse3d.splat.results import picture_name
from sparse3d.train.environment import Environment
from sparse3d.train.methods import find_method
from sparse3d.train.run import Run
from sparse3d.view.colormap import DEPTH, ERROR
from sparse3d.view.report import Story, write_report
from sparse3d.view.report.markup import Markup, fill, link
from sparse3d.view.report.pictures import (
    ERROR_LIMIT,
    DepthRange,
    HeldOut,
    depth_picture,
    error_picture,
)

LENS = Intrinsics(8, 6, 9.0, 9.0, 4.0, 3.0)
TRAIN, TEST = ("a/<i>1.png", "a/2 & 3.png"), ("a/t?#%.png", "a/\"'<b>.png")
STORY = Story("Six & <em>more</em>", "Lead.", ("First.", "Then <u>."), ("run x > y",))
EMPTY_TAGS = {"meta", "img", "input"}


class Page(HTMLParser):
    """Tags, links and text of a page; fails where tags are not closed in order."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.folder, self.source = path.parent, path.read_text(encoding="utf-8")
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.feed(self.source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag and what it links to."""
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset")]
        if tag not in EMPTY_TAGS:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Check that the innermost tag is closed."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.texts.append(data)

    @property
    def text(self) -> str:
        """All texts."""
        return " ".join(self.texts)

    def missing(self) -> list[str]:
        """Links that lead nowhere."""
        return [path for path in self.links if not (self.folder / unquote(path)).is_file()]


def camera(folder: Path, name: str, true_depth: bool) -> Camera:
    rng = torch.Generator().manual_seed(len(name))
    stem = folder / picture_name(name)
    write_rgb(stem.with_name(f"{stem.name}.png"), torch.rand(6, 8, 3, generator=rng))
    depth = stem.with_name(f"{stem.name}.npy") if true_depth else None
    if depth is not None:
        write_depth(depth, torch.rand(6, 8, generator=rng) + 2)
    image = stem.with_name(f"{stem.name}.png")
    return Camera(name, LENS, torch.eye(4, dtype=torch.float64), image, None, depth)


def scene_in(folder: Path, true_depth: bool = True) -> Scene:
    folder.mkdir(parents=True)
    cameras = [camera(folder, name, true_depth) for name in (*TRAIN, *TEST)]
    return Scene("s", tuple(Frame(c.name, (c,)) for c in cameras), metric=True, source=folder)


def metrics(tested: tuple[str, ...] = TEST) -> dict[str, Any]:
    per_view = [
        {"name": name, "psnr": 20.5 + i, "ssim": 0.5 + i / 10, "lpips": None}
        for i, name in enumerate(tested)
    ]
    return {
        "psnr": 21.0 if tested else None,
        "ssim": 0.55 if tested else None,
        "lpips": None,
        "gaussians": 12345,
        "train_views": list(TRAIN),
        "per_view": per_view,
        "iterations": 700,
        "seconds": 75.0,
        "seconds_per_iteration": 0.107,
        "step_seconds": {"data": 0.001, "losses": 0.06, "backward": 0.04, "optimizer": 0.006},
    }


def run_in(folder: Path, values: dict[str, Any]) -> Run:
    for part in ("renders", "truth", "depth"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    rng = torch.Generator().manual_seed(7)
    for name in map(picture_name, TEST):
        write_rgb(folder / "renders" / f"{name}.png", torch.rand(6, 8, 3, generator=rng))
        write_rgb(folder / "truth" / f"{name}.png", torch.rand(6, 8, 3, generator=rng))
        write_depth(folder / "depth" / f"{name}.npy", torch.rand(6, 8, generator=rng) + 2)
    (folder / "metrics.json").write_text(json.dumps(values))
    method = find_method("sparse-splat")
    return Run(folder, method, folder / "data", 11, SplatConfig(), Environment(torch="9.9"))


def report(out: Path, run: Run, scene: Scene) -> Path:
    """The page, with any picture of the whole splat."""
    overview = out.parent / "over view.png"
    write_rgb(overview, torch.rand(4, 4, 3))
    return write_report(out, run, scene, STORY, overview)


@pytest.fixture
def page(tmp_path: Path) -> Page:
    out = tmp_path / "out"
    run = run_in(out / "my run", metrics())
    return Page(report(out, run, scene_in(tmp_path / "scene")))


def test_every_view_and_number_is_there(page: Page) -> None:
    for name in (*TRAIN, *TEST):
        assert name in page.text
    for words in ("21.00 dB", "20.50 dB", "0.550", "12\u202f345", "1:15 min", "107 ms", "9.9"):
        assert words in page.text
    for words in (STORY.title, STORY.lead, *STORY.steps, *STORY.commands):
        assert words in page.text
    # Photos; render, truth, depth, true depth and error of each test view; the overview.
    assert page.tags.count("img") == 2 + 5 * 2 + 1


def test_names_and_words_never_become_tags(page: Page) -> None:
    assert {"em", "u", "i"} & set(page.tags) == {"i"}  # ours, of bars and scales
    assert "<i>1" not in page.source
    assert "<b>." not in page.source


def test_nothing_is_loaded_from_elsewhere(page: Page) -> None:
    assert not re.search(r"https?:|[\"'(]//|@import|url\(|<link|fetch\(", page.source)
    assert all(not re.match(r"[a-z]+:|/", path) for path in page.links)


def test_links_lead_to_files_also_after_a_move(page: Page, tmp_path: Path) -> None:
    assert page.links
    assert page.missing() == []
    shutil.rmtree(tmp_path / "scene")
    moved = tmp_path / "elsewhere"
    page.folder.rename(moved)
    assert Page(moved / "index.html").missing() == []


def test_a_scene_without_true_depth(tmp_path: Path) -> None:
    run = run_in(tmp_path / "out" / "run", metrics())
    scene = scene_in(tmp_path / "scene", true_depth=False)
    page = Page(report(tmp_path / "out", run, scene))
    assert "Depth of the splat" in page.text
    assert "True depth" not in page.text
    assert "depth error" not in page.text
    assert page.missing() == []


def test_a_run_without_test_views_or_times(tmp_path: Path) -> None:
    values = metrics(())
    del values["step_seconds"], values["seconds_per_iteration"]
    run = run_in(tmp_path / "out" / "run", values)
    page = Page(report(tmp_path / "out", run, scene_in(tmp_path / "scene")))
    assert "article" not in page.tags
    assert page.missing() == []


def test_an_earlier_page_is_replaced_with_its_pictures(tmp_path: Path) -> None:
    out, scene = tmp_path / "out", scene_in(tmp_path / "scene")
    report(out, run_in(out / "run", metrics()), scene)
    page = Page(report(out, run_in(out / "run", metrics(TEST[:1])), scene))
    used = {unquote(path) for path in page.links if path.startswith("pictures/")}
    assert used == {f"pictures/{path.name}" for path in (out / "pictures").iterdir()}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"train_views": ["gone.png"]}, "'gone.png', which the scene does not have"),
        ({"per_view": None}, None),
        ({"per_view": [{"psnr": 1.0}]}, "view 0: name is missing"),
        ({"per_view": ["x"]}, "view 0 must be an object"),
        ({"psnr": "high"}, "psnr must be a finite number"),
        ({"step_seconds": [1.0]}, "step_seconds must be an object"),
    ],
)
def test_metrics_that_are_none_of_a_reconstruction(
    tmp_path: Path, change: dict[str, Any], problem: str | None
) -> None:
    values = {**metrics(), **change}
    if problem is None:
        del values["per_view"]
        problem = "metrics of a reconstruction expected"
    out = tmp_path / "out"
    run = run_in(out / "run", values)
    with pytest.raises(DataError, match=re.escape(problem)) as raised:
        report(out, run, scene_in(tmp_path / "scene"))
    assert raised.value.path == run.metrics
    assert [path.name for path in out.iterdir()] == ["run"]


@pytest.mark.parametrize("part", ["renders", "truth", "depth"])
def test_a_missing_result_is_named_and_an_earlier_page_stays(tmp_path: Path, part: str) -> None:
    out, scene = tmp_path / "out", scene_in(tmp_path / "scene")
    run = run_in(out / "run", metrics())
    before = report(out, run, scene).read_bytes()
    (gone,) = (run.folder / part).glob(f"{picture_name(TEST[1])}.*")
    gone.unlink()
    with pytest.raises(DataError) as raised:
        report(out, run, scene)
    assert raised.value.path == gone
    assert Page(out / "index.html").source.encode() == before
    assert (out / "pictures").is_dir()


def view(depth: list[list[float]], truth: list[list[float]] | None = None) -> HeldOut:
    true_depth = None if truth is None else torch.tensor(truth)
    return HeldOut("v", Path("r.png"), Path("t.png"), torch.tensor(depth), true_depth)


def test_depth_is_light_where_it_is_near_and_transparent_where_it_is_unknown() -> None:
    picture = depth_picture(torch.tensor([[1.0, 3.0, 0.0], [0.5, 9.0, 2.0]]), DepthRange(1.0, 3.0))
    assert picture[..., 3].tolist() == [[255, 255, 0], [255, 255, 255]]
    ends = (DEPTH.table[[-1, 0]] * 255).round().to(torch.uint8)
    assert torch.equal(picture[:, :2, :3], ends.expand(2, 2, 3))


def test_the_range_of_depths_leaves_out_extremes_and_the_unknown() -> None:
    depth = torch.linspace(1, 3, 1001).reshape(11, 91)
    depth[0, 0], depth[0, 1] = 1e6, 0.0
    found = DepthRange.of([depth, torch.zeros(2, 2)])
    assert found.near == pytest.approx(1.04, abs=0.01)
    assert found.far == pytest.approx(2.96, abs=0.01)


@pytest.mark.parametrize("depths", [[], [torch.zeros(2, 3)], [torch.full((2, 3), 4.0)]])
def test_a_range_is_never_empty(depths: list[torch.Tensor]) -> None:
    found = DepthRange.of(depths)
    assert found.far > found.near


def test_depth_error_is_the_median_where_both_are_known() -> None:
    assert view([[1.0, 2.0, 0.0, 5.0]], [[1.1, 2.3, 4.0, 5.2]]).depth_error() == pytest.approx(0.2)
    assert view([[0.0, 1.0]], [[1.0, 0.0]]).depth_error() is None
    assert view([[1.0]]).depth_error() is None


def test_errors_of_colours(tmp_path: Path) -> None:
    render, truth = torch.zeros(1, 3, 3), torch.zeros(1, 3, 3)
    truth[0, 1], truth[0, 2, 0] = 1.0, 3 * ERROR_LIMIT / 2
    pair = tmp_path / "r.png", tmp_path / "t.png"
    write_rgb(pair[0], render)
    write_rgb(pair[1], truth)
    picture = error_picture(HeldOut("v", *pair, torch.ones(1, 3), None))
    expected = ERROR(torch.tensor([0.0, 1.0, np.round(0.375 * 255) / 255 * 2 / 3 / 0.5]))
    assert (picture[0].float() / 255 - expected).abs().max() < 0.01


def test_large_photos_are_made_small(tmp_path: Path) -> None:
    out, scene = tmp_path / "out", scene_in(tmp_path / "scene")
    path = tmp_path / "large.png"
    Image.new("RGBA", (1000, 10), (255, 0, 0, 0)).save(path)
    pose = torch.eye(4, dtype=torch.float64)
    large = Camera(TRAIN[0], Intrinsics(1000, 10, 9.0, 9.0, 4.0, 3.0), pose, path)
    frames = (Frame("large", (large,)), *scene.frames[1:])
    scene = Scene("s", frames, source=tmp_path)
    report(out, run_in(out / "run", metrics()), scene)
    with Image.open(out / "pictures" / f"{picture_name(TRAIN[0])}_photo.jpg") as photo:
        assert photo.size == (480, 5)
        assert photo.getpixel((0, 0)) == (255, 255, 255)


def test_templates_escape_all_but_markup() -> None:
    filled = fill("td", text="<&\"'")
    assert html.unescape(filled) == "<td><&\"'</td>\n"
    assert "<&" not in filled
    assert fill("td", text=Markup("<b>")) == "<td><b></td>\n"
    with pytest.raises(KeyError):
        fill("td")


def test_links_are_relative_and_cannot_become_other_addresses() -> None:
    assert link(Path("a/http:x.png"), Path("a")) == "http%3Ax.png"
    assert link(Path("a/b?c#d.png"), Path("a/e")) == "../b%3Fc%23d.png"


@pytest.mark.slow
def test_a_browser_runs_the_script(page: Page) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium found")
    url = (page.folder / "index.html").resolve().as_uri()
    options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom")
    done = subprocess.run(
        [browser, *options, url], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.count('class="compare live"') == len(TEST)
    assert done.stdout.count('type="range"') == len(TEST)
