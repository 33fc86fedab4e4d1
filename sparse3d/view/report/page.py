"""The page itself: parts about runs, one below the other, in one ``index.html``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from sparse3d import __version__
from sparse3d.scene.atomic import writing
from sparse3d.train.run import Run
from sparse3d.view.colormap import DEPTH, ERROR
from sparse3d.view.report.markup import Markup, asset, fill, joined

__all__ = ["Cover", "Part", "Story", "origin", "write_page"]


@dataclass(frozen=True, slots=True)
class Story:
    """The words of a part."""

    title: str
    lead: str
    """A few sentences below the title."""
    steps: tuple[str, ...]
    """What was done, step by step."""
    commands: tuple[str, ...]
    """Lines for a shell that do the same with other data."""


@dataclass(frozen=True, slots=True)
class Cover:
    """The words above several parts."""

    title: str
    lead: str


@runtime_checkable
class Part(Protocol):
    """What is told of one run."""

    @property
    def story(self) -> Story:
        """The words."""
        ...

    @property
    def anchor(self) -> str:
        """Name for links within the page, of letters."""
        ...

    @property
    def origin(self) -> str:
        """Seed and versions, for the foot of the page."""
        ...

    def draw(self, folder: Path) -> None:
        """Write the pictures of the part that the run does not have into a folder."""
        ...

    def tiles(self) -> Markup:
        """The most telling numbers."""
        ...

    def sections(self) -> Markup:
        """All the rest."""
        ...


def write_page(folder: Path, parts: Sequence[Part], cover: Cover | None = None) -> Path:
    """Write ``index.html``, and ``pictures/`` beside it; earlier ones are replaced.

    Args:
        folder: Where the page goes; with the runs inside, all can be moved together.
        parts: At least one, from top to bottom.
        cover: Title and lead of the page; None takes those of the only part.

    Returns:
        The page.

    Raises:
        DataError: If results of a run are missing or damaged, or the disk is full.
        ValueError: If there are several parts without a cover.
    """
    if cover is None:
        if len(parts) != 1:
            raise ValueError(f"a cover expected above {len(parts)} parts")
        cover = Cover(parts[0].story.title, parts[0].story.lead)
    with writing(folder / "pictures", replace_folder=True) as draft:
        draft.mkdir()
        for part in parts:
            part.draw(draft)
    with writing(folder / "index.html") as draft:
        draft.write_text(_html(parts, cover), encoding="utf-8")
    return folder / "index.html"


def origin(run: Run) -> str:
    """Seed, versions and threads of a run."""
    used = run.environment
    threads = f"{used.threads} thread{'s' * (used.threads != 1)}"
    return f"seed {run.seed}, torch {used.torch}, Python {used.python}, {threads}"


def _html(parts: Sequence[Part], cover: Cover) -> str:
    several = len(parts) > 1
    return fill(
        "page",
        style=Markup(asset("style.css")),
        script=Markup(asset("script.js")),
        depth_colors=DEPTH.css(),
        error_colors=ERROR.css(),
        title=cover.title,
        lead=cover.lead,
        contents=_contents(parts) if several else Markup(),
        parts=joined(_part(part, several) for part in parts),
        version=__version__,
        origin="; ".join(dict.fromkeys(part.origin for part in parts)),
    )


def _contents(parts: Sequence[Part]) -> Markup:
    links = (fill("jump", anchor=part.anchor, title=part.story.title) for part in parts)
    return fill("contents", links=joined(links))


def _part(part: Part, titled: bool) -> Markup:
    story = part.story
    heading = fill("heading", title=story.title, lead=story.lead) if titled else Markup()
    return fill(
        "part",
        anchor=part.anchor,
        heading=heading,
        tiles=part.tiles(),
        sections=part.sections(),
    )
