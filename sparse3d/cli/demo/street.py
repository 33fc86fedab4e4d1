"""The part of the demo about streets: simulate them, train a detector, look at what it finds."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparse3d.cli.demo.training import train_or_continue
from sparse3d.data.simulate.street.config import StreetConfig
from sparse3d.detect.config import SecondConfig
from sparse3d.scene.formats.registry import open_scene
from sparse3d.train.config import config_folder, load_config
from sparse3d.train.values import to_plain

if TYPE_CHECKING:
    from sparse3d.detect.detector import Detector
    from sparse3d.scene import Frame, Scene
    from sparse3d.train.run import Run
    from sparse3d.view.report import DetectionPart, ShownFrame, Story

__all__ = ["StreetDemo"]

_RECIPE = "detect/second-demo.yaml"
_FRESH = 1
_FRESH_SEED = 1_000_003
"""The fresh streets are of a seed that is larger by this."""
_SEEDS = 2**63
_SHOWN = 3
_COMMANDS = (
    "sparse3d info sweeps/                    # what is there, and what looks wrong with it",
    "sparse3d train second --data sweeps/ --out runs/mine",
    "sparse3d eval runs/mine",
    "sparse3d detect runs/mine sweeps/ --out found",
)


@dataclass(frozen=True)
class StreetDemo:
    """Streets, and the detector that is trained on them."""

    streets: StreetConfig
    """For training and evaluation."""
    fresh: StreetConfig
    """With photos; the detector sees them for the first time when it is done."""
    config: SecondConfig

    run = "detector"
    data = "streets"

    @classmethod
    def of(cls, seed: int, frames: int, iterations: int | None) -> "StreetDemo":
        """The shipped recipe, with another number of steps where one is given.

        Raises:
            ConfigError: If a number is impossible, or the recipe does not parse.
        """
        config = load_config(config_folder() / _RECIPE, SecondConfig())
        if iterations is not None:
            config = dataclasses.replace(config, iterations=iterations)
        fresh = StreetConfig(frames=_FRESH, seed=(seed + _FRESH_SEED) % _SEEDS, images=True)
        return cls(StreetConfig(frames=frames, seed=seed), fresh, config)

    def plain(self) -> dict[str, Any]:
        """All that decides the result."""
        return {
            "streets": to_plain(self.streets),
            "fresh": to_plain(self.fresh),
            "config": to_plain(self.config),
        }

    def part(self, draft: Path) -> "DetectionPart":
        """Do it, or what of it is not done, and tell the numbers.

        Args:
            draft: Folder of the page; streets, run and pictures go there.

        Raises:
            Stopped: If a signal stopped the training.
            UserError: If the disk or what is installed do not allow it.
        """
        from sparse3d.view.report import DetectionPart

        scene = _simulated(draft / self.data, self.streets, "driving")
        run = train_or_continue(
            draft / self.run, "second", draft / self.data, self.streets.seed, self.config
        )
        fresh = _simulated(draft / "fresh", self.fresh, "driving elsewhere")
        dataset = self.config.dataset
        part = DetectionPart.of(
            folder=draft,
            run=run,
            story=self._story(),
            frames=self._detected(run, scene, fresh),
            classes=dataset.classes,
            low=dataset.low[:2],
            high=dataset.high[:2],
        )
        _tell(part)
        return part

    def _detected(self, run: "Run", scene: "Scene", fresh: "Scene") -> "list[ShownFrame]":
        """The fullest held-out frames, and the fresh ones."""
        from sparse3d.data.detection.load import resolve_view
        from sparse3d.data.detection.split import split_frames
        from sparse3d.train.progress import showing

        held_out = _fullest(split_frames(scene, self.config.dataset).val, self.config)
        wanted = [
            *((f"Fresh frame {frame.name}, of another seed", frame) for frame in fresh.frames),
            *((f"Held-out frame {frame.name}", frame) for frame in held_out),
        ]
        detector = _load_detector(run, self.config)
        view = resolve_view(scene, self.config.dataset)
        found: list[ShownFrame] = []
        with showing("detecting") as progress:
            for title, frame in wanted:
                found.append(_detect(detector, title, frame, view))
                progress.show(len(found), len(wanted))
        return found

    def _story(self) -> "Story":
        from sparse3d.view.report import Story

        names = [name.lower() + "s" for name in self.config.dataset.classes]
        classes = " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
        frames, held_out = self.streets.frames, self.streets.frames // 5
        return Story(
            title=f"{classes.capitalize()} in LiDAR sweeps",
            lead="A detector, trained on a CPU from simulated streets, and what it finds in"
            " streets that it has never seen.",
            steps=(
                f"{frames} streets were made from a seed, each with other houses, plants, cars"
                " and people, and scanned by casting the rays of a spinning LiDAR with 64 beams.",
                f"Every fifth street, {held_out} in all, was held out.",
                f"{self.config.iterations} steps of AdamW trained a network of sparse 3D"
                " convolutions to mark the centre of each object, its size and its heading.",
                "The detections in the held-out streets were compared with the truth by the rules"
                " of the KITTI benchmark. Shown are those with the most objects.",
                "A further street was made from another seed, with a photo, and the detector was"
                " run on its sweep.",
            ),
            commands=_COMMANDS,
        )


def _simulated(folder: Path, streets: StreetConfig, title: str) -> "Scene":
    from sparse3d.data.simulate.street.write import simulate_street
    from sparse3d.train.progress import showing

    if not folder.exists():
        with showing(title) as progress:
            simulate_street(folder, streets, progress.show)
    return open_scene(folder)


def _fullest(frames: "Sequence[Frame]", config: SecondConfig) -> "list[Frame]":
    """A few frames with the most objects of the wanted classes, in their order."""

    def count(frame: "Frame") -> int:
        boxes = frame.read_boxes()
        return 0 if boxes is None else sum(name in config.dataset.classes for name in boxes.names)

    order = sorted(range(len(frames)), key=lambda i: -count(frames[i]))
    return [frames[i] for i in sorted(order[:_SHOWN])]


def _load_detector(run: "Run", config: SecondConfig) -> "Detector":
    from sparse3d.detect.detector import Detector
    from sparse3d.detect.task import load_detector

    detector = Detector(config)
    load_detector(detector, run.checkpoints().load(run.method.name).task)
    return detector


def _detect(detector: "Detector", title: str, frame: "Frame", view: Any) -> "ShownFrame":
    from sparse3d.data.detection.load import load_sample
    from sparse3d.view.report import ShownFrame

    truth = load_sample(frame, detector.config.dataset, view).boxes
    return ShownFrame(title, frame, truth, detector.detect(frame, view))


def _tell(part: "DetectionPart") -> None:
    from sparse3d.view.report.numbers import duration

    facts = part.facts
    print(f"average precision on {facts.frames} held-out frames ({facts.level}, all-point):")
    for strict, loose in zip(facts.strict, facts.loose, strict=True):
        averages = [
            f"{'-' if one.average is None else f'{one.average:.1f}'} at IoU {one.overlap:g}"
            for one in (strict, loose)
        ]
        print(f"{strict.name} {strict.metric}: {', '.join(averages)} ({strict.counted} objects)")
    for warning in facts.warnings:
        print(f"note: {warning}")
    print(f"{facts.iterations} steps in {duration(facts.seconds)}", flush=True)
