"""Check what was downloaded of the KITTI object benchmark, and lay it out for sparse3d.

Run as ``python datasets/kitti/prepare.py DOWNLOADS OUT``; README.md says where the data is.
DOWNLOADS holds the four zip files, or the folders extracted from them. OUT appears whole or not at
all: loose files are linked (copied where that cannot be), zip files extracted.
"""

import hashlib
import math
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import tyro
from jaxtyping import Float
from rich.console import Console
from rich.table import Table
from torch import Tensor

from sparse3d.data.checks import check_scene
from sparse3d.data.downloads import (
    list_archive,
    place_file,
    problems_of_space,
    ranges,
    refuse,
)
from sparse3d.errors import DataError, UserError
from sparse3d.scene.atomic import writing
from sparse3d.scene.formats.kitti_calibration import NOMINAL_SIZE, read_calibration
from sparse3d.scene.formats.kitti_labels import boxes_from_labels, read_labels
from sparse3d.scene.formats.lidar_bin import count_rows
from sparse3d.scene.formats.registry import open_scene
from sparse3d.scene.images import image_size
from sparse3d.train.progress import showing

PARTS = {"training": 7481, "testing": 7518}
"""Number of frames of each part."""
TRAINING_SHARE = 3712 / 7481
"""Of the frames with labels; the literature trains on as many and validates on the other 3769."""
PAGE = "https://www.cvlibs.net/datasets/kitti/eval_object.php?obj_benchmark=3d"
PROJECTED = 50
"""Frames whose boxes are projected into the image."""
LEAST_OVERLAP = 0.8
"""Median IoU of projected boxes and labelled rectangles; KITTI's own is above 0.9."""


@dataclass(frozen=True)
class Arguments:
    """Check what was downloaded of the KITTI object benchmark, and lay it out."""

    downloads: tyro.conf.Positional[Path]
    """Folder with the zip files, or with what was extracted from them."""
    out: tyro.conf.Positional[Path]
    """Folder to write, new or empty."""
    partial: bool = False
    """Accept fewer frames: those that have a cloud, a calibration and (in training) labels."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of file of a frame."""

    folder: str
    suffix: str
    archive: str
    parts: tuple[str, ...]
    check: Callable[[Path], object]
    """Raises DataError where a file is damaged."""


def check_image(path: Path) -> None:
    """A PNG file from its signature to its last chunk; pixels are not decoded."""
    with path.open("rb") as file:
        start = file.read(16)
        file.seek(-min(12, path.stat().st_size), 2)
        end = file.read()
    if start[:8] != b"\x89PNG\r\n\x1a\n" or start[12:16] != b"IHDR":
        raise DataError(path, "a PNG image expected")
    if end[4:8] != b"IEND":
        raise DataError(path, "image is cut short")


BOTH = tuple(PARTS)
KINDS = (  # the small ones first, so that mistakes show early
    Kind("calib", ".txt", "data_object_calib.zip", BOTH, read_calibration),
    Kind("label_2", ".txt", "data_object_label_2.zip", ("training",), read_labels),
    Kind("image_2", ".png", "data_object_image_2.zip", BOTH, check_image),
    Kind("velodyne", ".bin", "data_object_velodyne.zip", BOTH, partial(count_rows, columns=4)),
)


@dataclass(frozen=True, slots=True)
class File:
    """One file of a frame, loose or in a zip file."""

    kind: Kind
    part: str
    frame: str
    size: int
    source: Path
    """The file itself, or the zip file."""
    member: str | None = None
    """Its name in the zip file."""

    @property
    def place(self) -> str:
        """Where it belongs, relative to the output. Made of its parts, never of given paths."""
        return f"{self.part}/{self.kind.folder}/{self.frame}{self.kind.suffix}"


def main(arguments: Sequence[str]) -> int:
    """Run the script; the exit code."""
    given = tyro.cli(Arguments, prog="prepare.py", args=list(arguments))
    try:
        prepare(given.downloads, given.out, accept_fewer=given.partial)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def prepare(downloads: Path, out: Path, *, accept_fewer: bool) -> None:
    """Check the files of a folder, and lay them out in another, whole or not at all.

    Raises:
        ProblemsError: With all that is missing or damaged.
    """
    files = list(find_files(downloads))
    refuse(downloads, problems_of_files(files))
    if accept_fewer:
        files = complete(files, downloads)
    else:
        refuse(downloads, problems_of_whole(files))
    Console().print(table(files))
    extracted = sum(file.size for file in files if file.member is not None)
    refuse(out, problems_of_space(out, extracted))
    with writing(out) as draft:
        for kind in KINDS:
            some = [file for file in files if file.kind is kind]
            refuse(downloads, place_files(kind, some, draft))
        refuse(downloads, problems_of_boxes(draft))
        print(write_splits(downloads, draft, files))
    print(f"ready: {out}; look at it with: sparse3d info {out}")


# What is there


def find_files(downloads: Path) -> Iterator[File]:
    """All files of frames: of every kind the extracted folders, else the zip file."""
    if not downloads.is_dir():
        raise DataError(downloads, "a folder with the downloads expected")
    for kind in KINDS:
        roots = (downloads, downloads / kind.archive.removesuffix(".zip"))
        loose = [file for root in roots for file in loose_files(kind, root)]
        archive = downloads / kind.archive
        if not loose and archive.is_file():
            yield from packed_files(kind, archive)
        yield from loose


def loose_files(kind: Kind, root: Path) -> Iterator[File]:
    """The extracted files of a kind."""
    for part in kind.parts:
        for path in sorted((root / part / kind.folder).glob(f"*{kind.suffix}")):
            yield File(kind, part, path.stem, path.stat().st_size, path)


def packed_files(kind: Kind, archive: Path) -> Iterator[File]:
    """The files of a zip file, found by its directory.

    Raises:
        DataError: If it is damaged, or holds a file that has no place in the benchmark; that is
            also what becomes of paths that lead elsewhere.
    """
    parts = "|".join(kind.parts)
    pattern = re.compile(rf"({parts})/{kind.folder}/([0-9]{{6}}){re.escape(kind.suffix)}")
    for name, size in list_archive(archive):
        match = pattern.fullmatch(name)
        if match is None:
            raise DataError(archive, f"holds {name!r}, which does not belong to KITTI")
        yield File(kind, match[1], match[2], size, archive, name)


def problems_of_files(files: Sequence[File]) -> Iterator[str]:
    """Wrong names and sizes, and files that are there twice."""
    for place, count in Counter(file.place for file in files).items():
        if count > 1:
            yield f"{place} is there {count} times"
    for file in files:
        if re.fullmatch(r"[0-9]{6}", file.frame) is None:
            yield f"{file.place}: the name of a frame has six digits"
        elif file.size == 0:
            yield f"{file.place} is empty"
        elif file.kind.suffix == ".bin" and file.size % 16:
            yield f"{file.place} is cut short: {file.size} bytes are no whole number of points"


def problems_of_whole(files: Sequence[File]) -> Iterator[str]:
    """What is missing of the whole benchmark, and what is too much."""
    for kind in KINDS:
        by_part = frames_by_part(files, kind)
        if not any(by_part.values()):
            yield f"{kind.archive} is missing, or the folders extracted from it: see {PAGE}"
            continue
        for part in kind.parts:
            there, wanted = by_part[part], {f"{number:06d}" for number in range(PARTS[part])}
            missing, more = wanted - there, there - wanted
            folder, count = f"{part}/{kind.folder}", f"{len(wanted):,} files"
            if missing:
                yield f"{folder}: missing of {count} are {len(missing):,}: {ranges(missing)}"
            if more:
                yield f"{folder}: more than its {count} are {len(more):,}: {ranges(more)}"


def complete(files: Sequence[File], downloads: Path) -> list[File]:
    """The files of all frames that have what a frame needs; an image may be missing.

    Raises:
        DataError: If there is none in the training part.
    """
    kept = {}
    for part in PARTS:
        needed = [kind for kind in KINDS if part in kind.parts and kind.folder != "image_2"]
        kept[part] = set.intersection(*(frames_by_part(files, kind)[part] for kind in needed))
    if not kept["training"]:
        raise DataError(downloads, "not one training frame with velodyne, calib and label_2")
    return [file for file in files if file.frame in kept[file.part]]


def frames_by_part(files: Iterable[File], kind: Kind) -> dict[str, set[str]]:
    """Names of the frames that have a file of a kind."""
    found: dict[str, set[str]] = {part: set() for part in PARTS}
    for file in files:
        if file.kind is kind:
            found[file.part].add(file.frame)
    return found


def table(files: Sequence[File]) -> Table:
    """What was found."""
    shown = Table("folder", "files", "size", "from")
    for part in PARTS:
        for kind in KINDS:
            some = [file for file in files if file.part == part and file.kind is kind]
            if some:
                size = sum(file.size for file in some) / 1e6
                source = some[0].source.name if some[0].member else "files"
                shown.add_row(f"{part}/{kind.folder}", f"{len(some):,}", f"{size:,.1f} MB", source)
    return shown


# Laying it out


def place_files(kind: Kind, files: Sequence[File], draft: Path) -> Iterator[str]:
    """Link or extract all files of a kind, and look into each; what is damaged."""
    with showing(kind.folder) as progress, ExitStack() as stack:
        sources = {file.source for file in files if file.member is not None}
        archives = {path: stack.enter_context(zipfile.ZipFile(path)) for path in sources}
        for number, file in enumerate(files, 1):
            target = draft / file.place
            try:
                place_file(file.source, file.member, target, archives)
                kind.check(target)
            except DataError as error:
                yield f"{file.place}: {str(error).removeprefix(f'{target}: ')}"
            progress.show(number, len(files))


def problems_of_boxes(draft: Path) -> Iterator[str]:
    """Whether boxes lie where points and labelled rectangles are, on a sample of frames."""
    labels = sample(draft / "training/label_2")
    overlap = torch.cat([projected_overlap(path) for path in labels])
    if len(overlap) and overlap.median() < LEAST_OVERLAP:
        yield (
            f"boxes projected with the calibration overlap their labelled rectangles by"
            f" {overlap.median():.2f} only, {LEAST_OVERLAP} expected: labels and calibrations do"
            f" not go together"
        )
    with showing("boxes") as progress:
        for finding in check_scene(open_scene(draft), on_progress=progress.show):
            if finding.kind in ("no-points", "convention", "z-offset"):
                yield finding.message


def sample(folder: Path) -> list[Path]:
    """Some files of a folder, spread evenly."""
    paths = sorted(folder.iterdir())
    return paths[:: math.ceil(len(paths) / PROJECTED)]


def projected_overlap(label_path: Path) -> Float[Tensor, " n"]:
    """IoU of each box that is wholly in the image with its labelled rectangle."""
    part, name = label_path.parent.parent, label_path.stem
    calibration = read_calibration(part / "calib" / f"{name}.txt")
    boxes = boxes_from_labels(read_labels(label_path), calibration)
    image = part / "image_2" / f"{name}.png"
    size = image_size(image) if image.exists() else NOMINAL_SIZE
    assert boxes.image is not None  # label files have rectangles
    ours, theirs = calibration.rectangles(boxes.rows(), size), boxes.image.rectangles.double()
    low, high = torch.maximum(ours[:, :2], theirs[:, :2]), torch.minimum(ours[:, 2:], theirs[:, 2:])
    both = (high - low).clamp_min(0).prod(1)
    areas = [(some[:, 2:] - some[:, :2]).prod(1) for some in (ours, theirs)]
    return (both / (areas[0] + areas[1] - both))[boxes.image.truncations == 0]


# Splits


def write_splits(downloads: Path, draft: Path, files: Sequence[File]) -> str:
    """Write ``ImageSets``; the line that says which split it is."""
    frames = {part: sorted({f.frame for f in files if f.part == part}) for part in PARTS}
    given = given_split(downloads, frames["training"])
    train, val = given or own_split(frames["training"])
    splits = {"train": train, "val": val, "trainval": frames["training"], "test": frames["testing"]}
    (draft / "ImageSets").mkdir()
    for name, names in splits.items():
        if names:
            text = "".join(f"{frame}\n" for frame in names)
            (draft / "ImageSets" / f"{name}.txt").write_text(text, encoding="ascii")
    counts = f"{len(train):,} frames to train on, {len(val):,} to validate on"
    return f"split: {'yours' if given else 'our own, not that of the literature'}; {counts}"


def given_split(downloads: Path, frames: Sequence[str]) -> tuple[list[str], list[str]] | None:
    """The user's ``train.txt`` and ``val.txt``; None where there are none.

    Raises:
        ProblemsError: If only one of the two is there, or they name a frame twice or one that is
            not there.
    """
    for folder in (downloads / "ImageSets", downloads):
        paths = [folder / "train.txt", folder / "val.txt"]
        if any(path.is_file() for path in paths):
            refuse(folder, (f"{path.name} is missing" for path in paths if not path.is_file()))
            train, val = (path.read_text(encoding="utf-8").split() for path in paths)
            counts, there = Counter(train + val), set(frames)
            problems = [f"frame {n} is named {c} times" for n, c in counts.items() if c > 1]
            problems += [f"frame {n} is not there" for n in counts if n not in there]
            refuse(folder, problems)
            return train, val
    return None


def own_split(frames: Sequence[str]) -> tuple[list[str], list[str]]:
    """As many frames for training as in the literature, chosen by the SHA-256 of their names."""
    count = round(len(frames) * TRAINING_SHARE)
    ranked = sorted(frames, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    return sorted(ranked[:count]), sorted(ranked[count:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
