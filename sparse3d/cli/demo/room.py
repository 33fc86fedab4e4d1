"""The part of the demo about a room: photograph it, reconstruct it from six photos."""

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparse3d.cli.demo.training import train_or_continue
from sparse3d.data.simulate.room import RoomConfig, simulate_room
from sparse3d.scene import Scene
from sparse3d.scene.formats.registry import open_scene
from sparse3d.splat.config import SplatConfig
from sparse3d.train.config import config_folder, load_config
from sparse3d.train.values import to_plain

if TYPE_CHECKING:
    from sparse3d.view.report import SplatPart, Story

__all__ = ["RoomDemo"]

_ROOM = RoomConfig()
_RECIPE = "splat/sparse-splat.yaml"
_COMMANDS = (
    "sparse3d info photos/                    # what is there: images, poses, lenses",
    "sparse3d reconstruct photos/ --views 6 --out runs/mine",
    "sparse3d render runs/mine/splat.ply --cameras photos/ --out runs/mine-views",
    "sparse3d export runs/mine --to compressed-ply   # for other viewers",
)


@dataclass(frozen=True)
class RoomDemo:
    """A room, and how it is reconstructed."""

    room: RoomConfig
    config: SplatConfig
    """Without the training views, which the room decides."""

    run = "run"
    data = "scene"

    @classmethod
    def of(cls, seed: int, iterations: int) -> "RoomDemo":
        """The shipped recipe with another number of steps.

        Raises:
            ConfigError: If the seed is none, or the recipe does not parse.
        """
        recipe = load_config(config_folder() / _RECIPE, SplatConfig())
        recipe = dataclasses.replace(recipe, protocol="even", iterations=iterations)
        return cls(dataclasses.replace(_ROOM, seed=seed), recipe)

    def plain(self) -> dict[str, Any]:
        """All that decides the result."""
        return {"room": to_plain(self.room), "config": to_plain(self.config)}

    def part(self, draft: Path) -> "SplatPart":
        """Do it, or what of it is not done, and tell the numbers.

        Args:
            draft: Folder of the page; scene, run and pictures go there.

        Raises:
            Stopped: If a signal stopped the training.
            UserError: If the disk or what is installed do not allow it.
        """
        from sparse3d.view.report import SplatPart

        scene = self._photographed(draft / self.data)
        views = tuple(i for i, frame in enumerate(scene.frames) if frame.split == "train")
        config = dataclasses.replace(self.config, views=views)
        run = train_or_continue(
            draft / self.run, "sparse-splat", draft / self.data, self.room.seed, config
        )
        part = SplatPart.of(draft, run, scene, self._story(), _overview(draft, scene))
        _tell(part)
        return part

    def _photographed(self, folder: Path) -> Scene:
        from sparse3d.train.progress import showing

        if not folder.exists():
            with showing("photographing") as progress:
                simulate_room(folder, self.room, progress.show)
        return open_scene(folder)

    def _story(self) -> "Story":
        from sparse3d.view.report import Story

        room, total = self.room, self.room.views + self.room.test_views
        return Story(
            title="A room from six photos",
            lead="A Gaussian splat, trained on a CPU from six photos with known camera poses, and"
            " how well it shows the room from places where no photo was given.",
            steps=(
                f"A furnished room was made from a seed and photographed by casting rays: {total}"
                f" photos of {room.width} x {room.height} pixels, and the true depth of each"
                " pixel.",
                "SIFT features of the six training photos were matched, and triangulated with the"
                " known poses. These points became the first Gaussians.",
                f"{self.config.iterations} steps of Adam brought the rendered Gaussians closer to"
                " the photos (L1 and SSIM). Gaussians were added where the photos demand detail,"
                " and removed where they had become transparent.",
                "The splat was drawn from cameras that had no part in the training, and compared"
                " with the photos and the depth there.",
            ),
            commands=_COMMANDS,
        )


def _overview(draft: Path, scene: Scene) -> Path:
    """A picture of the splat with the cameras; a line says so where Open3D has no part in it."""
    from sparse3d.scene.images import write_rgb
    from sparse3d.view.snapshot import SnapshotOptions, snapshot

    splat = open_scene(draft / "run" / "splat.ply").gaussians
    shown = dataclasses.replace(scene, mesh=None, gaussians=splat)
    options = SnapshotOptions(width=1200, height=640)
    picture = snapshot([shown], options, tell=lambda line: print(line, file=sys.stderr))
    write_rgb(draft / "overview.png", picture)
    return draft / "overview.png"


def _tell(part: "SplatPart") -> None:
    from sparse3d.view.report.numbers import duration, score

    facts = part.facts
    for view in facts.per_view:
        print(f"view {view.name}: PSNR {score(view.psnr, 2)} dB, SSIM {score(view.ssim, 3)}")
    mean = f"PSNR {score(facts.mean.psnr, 2)} dB, SSIM {score(facts.mean.ssim, 3)}"
    print(f"{mean} on {len(facts.per_view)} test views; {facts.gaussians} Gaussians")
    print(f"{facts.iterations} steps in {duration(facts.seconds)}", flush=True)
