"""The part about a reconstruction: from a run and its scene to pictures and HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from sparse3d.errors import DataError
from sparse3d.scene import Camera, Scene
from sparse3d.splat.results import picture_name
from sparse3d.train.run import Run
from sparse3d.view.report.facts import Facts, Scores, read_facts
from sparse3d.view.report.markup import Markup, fill, joined, link
from sparse3d.view.report.numbers import length, score, score_table, step_bar, tiles
from sparse3d.view.report.page import Story, origin, write_page
from sparse3d.view.report.pictures import (
    ERROR_LIMIT,
    DepthRange,
    HeldOut,
    depth_picture,
    error_picture,
    held_out,
    small_photo,
    write_picture,
)

__all__ = ["SplatPart", "write_report"]

_PARTS = {
    "data": "load a photo",
    "losses": "render and compare",
    "project": "project to pixels",
    "sort": "sort by depth",
    "forward": "blend",
    "loss": "compare with the photo",
    "backward": "gradients",
    "optimizer": "Adam",
    "after_step": "add and remove Gaussians",
}


def write_report(
    folder: Path, run: Run, scene: Scene, story: Story, overview: Path | None = None
) -> Path:
    """Write a page about a reconstruction alone; see :func:`write_page` and :class:`SplatPart`.

    Raises:
        DataError: If results of the run are missing or damaged, or the disk is full.
    """
    return write_page(folder, [SplatPart.of(folder, run, scene, story, overview)])


@dataclass(frozen=True)
class SplatPart:
    """Photos, renders beside truth, depth, errors and numbers of a reconstruction."""

    folder: Path
    """Of the page."""
    run: Run
    """A reconstruction that was evaluated."""
    story: Story
    facts: Facts
    metric: bool
    photos: Sequence[Camera]
    """Of the training."""
    views: Sequence[HeldOut]
    overview: Path | None = None
    """A picture of the whole splat."""

    anchor = "reconstruction"

    @classmethod
    def of(
        cls, folder: Path, run: Run, scene: Scene, story: Story, overview: Path | None = None
    ) -> "SplatPart":
        """Read what a run has left.

        Renders and truths are linked where the run has them.

        Args:
            folder: Of the page.
            run: A reconstruction that was evaluated.
            scene: What it was made from.
            story: The words.
            overview: A picture of the whole splat.

        Raises:
            DataError: If results of the run are missing or damaged.
        """
        facts = read_facts(run.metrics)
        cameras = {camera.name: camera for camera in scene.iter_cameras()}
        tested = [_camera(cameras, scores.name, run) for scores in facts.per_view]
        return cls(
            folder=folder,
            run=run,
            story=story,
            facts=facts,
            metric=scene.metric,
            photos=[_camera(cameras, name, run) for name in facts.train_views],
            views=[held_out(run.folder, camera) for camera in tested],
            overview=overview,
        )

    @property
    def origin(self) -> str:
        """Seed and versions."""
        return origin(self.run)

    def draw(self, folder: Path) -> None:
        """Write all pictures that the run does not have."""
        for camera in self.photos:
            small_photo(camera, folder / f"{picture_name(camera.name)}_photo.jpg")
        for view in self.views:
            depth = depth_picture(view.depth, self._range())
            write_picture(folder / f"{view.name}_depth.png", depth)
            write_picture(folder / f"{view.name}_error.png", error_picture(view))
            if view.true_depth is not None:
                truth = depth_picture(view.true_depth, self._range())
                write_picture(folder / f"{view.name}_true_depth.png", truth)

    def tiles(self) -> Markup:
        """Means over the held-out views."""
        return tiles(self.facts, self._mean_depth_error(), self.metric)

    def sections(self) -> Markup:
        """Photos, views, numbers, steps and commands."""
        return fill(
            "splat",
            photo_count=len(self.photos),
            photos=joined(map(self._photo, self.photos)),
            views=joined(map(self._view, self.views, self.facts.per_view)),
            overview=self._overview(),
            table=self._table(),
            steps_of_time=step_bar(self.facts.step_seconds, _PARTS),
            steps=joined(fill("step", text=text) for text in self.story.steps),
            commands="\n".join(self.story.commands),
        )

    def _photo(self, camera: Camera) -> Markup:
        return fill("photo", name=camera.name, source=self._picture(camera.name, "photo.jpg"))

    def _view(self, view: HeldOut, scores: Scores) -> Markup:
        limits = self._range()
        ends = {"low": length(limits.near, self.metric), "high": length(limits.far, self.metric)}
        maps = [("Depth of the splat", "depth", ends)]
        if view.true_depth is not None:
            maps.append(("True depth", "true_depth", ends))
        error_ends = {"low": "0", "high": f"{100 * ERROR_LIMIT:.0f} %"}
        maps.append(("Error of the colours", "error", error_ends))
        return fill(
            "view",
            name=scores.name,
            render=link(view.render, self.folder),
            truth=link(view.truth, self.folder),
            maps=joined(self._map(scores.name, *each) for each in maps),
            psnr=score(scores.psnr, 2),
            ssim=score(scores.ssim, 3),
            more=self._depth_score(view),
        )

    def _map(self, name: str, title: str, kind: str, ends: dict[str, str]) -> Markup:
        scale = "error" if kind == "error" else "depth"
        source = self._picture(name, f"{kind}.png")
        return fill("map", name=name, title=title, source=source, scale=scale, **ends)

    def _depth_score(self, view: HeldOut) -> Markup:
        error = view.depth_error()
        return Markup() if error is None else fill("more", value=length(error, self.metric))

    def _overview(self) -> Markup:
        if self.overview is None:
            return Markup()
        return fill("overview", source=link(self.overview, self.folder))

    def _table(self) -> Markup:
        errors = [view.depth_error() for view in self.views]
        every = [*errors, self._mean_depth_error()]
        return score_table(self.facts.per_view, self.facts.mean, every, self.metric)

    def _mean_depth_error(self) -> float | None:
        known = [error for view in self.views if (error := view.depth_error()) is not None]
        return mean(known) if known else None

    def _picture(self, name: str, kind: str) -> str:
        return link(self.folder / "pictures" / f"{picture_name(name)}_{kind}", self.folder)

    def _range(self) -> DepthRange:
        return DepthRange.of(
            view.depth if view.true_depth is None else view.true_depth for view in self.views
        )


def _camera(cameras: dict[str, Camera], name: str, run: Run) -> Camera:
    if name not in cameras:
        raise DataError(run.metrics, f"names the view {name!r}, which the scene does not have")
    return cameras[name]
