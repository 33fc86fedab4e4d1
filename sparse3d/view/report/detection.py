"""The part about a detector: frames from above and through cameras, and average precision."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sparse3d.train.run import Run
from sparse3d.view.report.detection_facts import DetectionFacts, Precision, read_detection_facts
from sparse3d.view.report.markup import Markup, fill, joined, link
from sparse3d.view.report.numbers import count, duration, step_bar
from sparse3d.view.report.objects import ShownFrame
from sparse3d.view.report.page import Story, origin

__all__ = ["DetectionPart"]

_LEAST = 0.3
"""Score from which detections are shown."""
_PARTS = {
    "data": "read and change sweeps",
    "losses": "network and losses",
    "backward": "gradients",
    "optimizer": "Adam",
}
_NONE = "\N{EN DASH}"
_LEVELS = {
    "all": "All objects count.",
    "easy": "Objects of KITTI's difficulty easy count.",
    "moderate": "Objects of KITTI's difficulty moderate count: at least 25 pixels high in the"
    " image, at most partly hidden, at most 30 % outside.",
    "hard": "Objects of KITTI's difficulty hard count.",
}


@dataclass(frozen=True)
class DetectionPart:
    """Truth beside detections in a few frames, and the numbers of all that were held out."""

    folder: Path
    """Of the page."""
    run: Run
    """A detector that was evaluated."""
    story: Story
    facts: DetectionFacts
    frames: Sequence[ShownFrame]
    low: tuple[float, float]
    """Least x and y of the pictures from above, metres."""
    high: tuple[float, float]
    """Largest x and y of the pictures from above, metres."""

    anchor = "detection"

    @classmethod
    def of(
        cls,
        folder: Path,
        run: Run,
        story: Story,
        frames: Sequence[ShownFrame],
        classes: Sequence[str],
        low: tuple[float, float],
        high: tuple[float, float],
    ) -> "DetectionPart":
        """Read what a run has left; detections with low scores are not shown.

        Args:
            folder: Of the page.
            run: A detector that was evaluated.
            story: The words.
            frames: To show, with truth and all detections.
            classes: That were to be detected.
            low: Least x and y of the pictures from above, metres.
            high: Largest x and y of the pictures from above, metres.

        Raises:
            DataError: If the metrics of the run are missing or damaged.
        """
        facts = read_detection_facts(run.metrics, classes)
        shown = [frame.confident(_LEAST) for frame in frames]
        return cls(folder, run, story, facts, shown, low, high)

    @property
    def origin(self) -> str:
        """Seed and versions."""
        return origin(self.run)

    def draw(self, folder: Path) -> None:
        """Write two pictures a frame."""
        for number, frame in enumerate(self.frames):
            frame.draw_above(folder / _picture(number, "above"), self.low, self.high)
            if frame.camera is not None:
                frame.draw_camera(frame.camera, folder / _picture(number, "camera"))

    def tiles(self) -> Markup:
        """Average precision of every class in space, and what the training took."""
        rows = [
            *map(_precision_tile, self.facts.strict[1::2], self.facts.strict[::2]),
            (duration(self.facts.seconds), "training", f"{count(self.facts.iterations)} steps"),
            (duration(self.facts.seconds_per_iteration), "a step", "median of all steps"),
        ]
        return joined(fill("tile", value=value, name=name, note=note) for value, name, note in rows)

    def sections(self) -> Markup:
        """Frames, numbers, steps and commands."""
        return fill(
            "detection",
            least=_LEAST,
            frames=joined(self._frame(number) for number in range(len(self.frames))),
            table=_table(self.facts),
            warnings=joined(fill("warning", text=_sentence(text)) for text in self.facts.warnings),
            steps_of_time=step_bar(self.facts.step_seconds, _PARTS),
            steps=joined(fill("step", text=text) for text in self.story.steps),
            commands="\n".join(self.story.commands),
        )

    def _frame(self, number: int) -> Markup:
        frame = self.frames[number]
        counts = f"{len(frame.truth)} true and {len(frame.detections)} detected boxes"
        through = Markup()
        if frame.camera is not None:
            source = self._link(number, "camera")
            through = fill("camera", source=source, title=frame.title, counts=counts)
        return fill(
            "sweep",
            title=frame.title,
            counts=counts,
            above=self._link(number, "above"),
            camera=through,
            objects=frame.table(),
        )

    def _link(self, number: int, kind: str) -> str:
        return link(self.folder / "pictures" / _picture(number, kind), self.folder)


def _picture(number: int, kind: str) -> str:
    return f"frame-{number}-{kind}.png"


def _precision_tile(space: Precision, above: Precision) -> tuple[str, str, str]:
    note = f"3D average precision at an overlap of {space.overlap:g}; BEV {_percent(above.average)}"
    return _percent(space.average), space.name, note


def _table(facts: DetectionFacts) -> Markup:
    rows = [
        fill(
            "precision",
            name=f"{strict.name}, {strict.metric}",
            strict=_average(strict),
            loose=_average(loose),
            recall=_percent(strict.recall),
            counted=count(strict.counted),
        )
        for strict, loose in zip(facts.strict, facts.loose, strict=True)
    ]
    return fill(
        "precisions",
        frames=count(facts.frames),
        rows=joined(rows),
        overlaps=_overlaps(facts.strict),
        loose=_overlaps(facts.loose),
        interval="In brackets: 95 % of the values when frames are drawn anew."
        if any(precision.interval for precision in facts.strict)
        else "",
        level=_LEVELS.get(facts.level, ""),
    )


def _average(precision: Precision) -> str:
    text = _percent(precision.average)
    if precision.interval is None:
        return text
    low, high = precision.interval
    return f"{text} ({low:.0f} to {high:.0f})"


def _percent(value: float | None) -> str:
    return _NONE if value is None else f"{value:.1f}"


def _overlaps(precisions: Sequence[Precision]) -> str:
    """Such as ``0.7 (Car), 0.5 (Pedestrian)``."""
    by_class = {precision.name: precision.overlap for precision in precisions}
    return ", ".join(f"{overlap:g} ({name})" for name, overlap in by_class.items())


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
