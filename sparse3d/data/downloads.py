"""What preparing any data set needs: problems in one list, zip files, room on the disk."""

import shutil
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from sparse3d.errors import DataError, UserError
from sparse3d.scene.formats.photos import link_or_copy

__all__ = [
    "ProblemsError",
    "list_archive",
    "place_file",
    "problems_of_space",
    "ranges",
    "refuse",
]

_SHOWN = 20


class ProblemsError(UserError):
    """Everything that is missing or damaged, a line each; only the first ones of very many.

    Args:
        where: The folder that was looked at; it opens the message.
        problems: One line each, at least one.
    """

    def __init__(self, where: Path, problems: Sequence[str]) -> None:
        lines = [f"{where}: {len(problems)} problem{'s' * (len(problems) > 1)}"]
        lines += [f"  {problem}" for problem in problems[:_SHOWN]]
        if len(problems) > _SHOWN:
            lines.append(f"  ... and {len(problems) - _SHOWN} more")
        super().__init__("\n".join(lines))


def refuse(where: Path, problems: Iterable[str]) -> None:
    """Raise if there is any problem.

    Raises:
        ProblemsError: With all of them.
    """
    found = list(problems)
    if found:
        raise ProblemsError(where, found)


def ranges(names: Iterable[str]) -> str:
    """Numbered names in short, such as those of missing frames.

    >>> ranges(["000006", "000004", "000007", "000008"])
    '000004, 000006-000008'
    """
    found: list[list[str]] = []
    for name in sorted(names):
        if found and int(name) == int(found[-1][-1]) + 1:
            found[-1] = [found[-1][0], name]
        else:
            found.append([name])
    shown = ", ".join("-".join(ends) for ends in found[:_SHOWN])
    return f"{shown}, ..." if len(found) > _SHOWN else shown


def list_archive(archive: Path) -> list[tuple[str, int]]:
    """Names and sizes of the files in a zip file by its directory; names may be anything.

    Raises:
        DataError: If it is damaged.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            return [(i.filename, i.file_size) for i in opened.infolist() if not i.is_dir()]
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(archive, f"not a whole zip file, download it again ({error})") from None


def place_file(
    source: Path, member: str | None, target: Path, archives: Mapping[Path, zipfile.ZipFile]
) -> None:
    """Link or copy a loose file, or extract one of a zip file.

    Args:
        source: The loose file, or the zip file.
        member: Its name in the zip file; None for a loose file.
        target: Where it goes; never made of a name that a zip file gives.
        archives: Open zip files by their paths.

    Raises:
        DataError: If its bytes in the zip file are damaged.
    """
    if member is None:
        link_or_copy(source, target)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with archives[source].open(member) as packed, target.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DataError(target, f"damaged in {source.name} ({error})") from None


def problems_of_space(out: Path, needed: int) -> Iterator[str]:
    """Whether the disk of an output has room for so many bytes."""
    folder = next(parent for parent in out.resolve().parents if parent.exists())
    free = shutil.disk_usage(folder).free
    if needed > free:
        yield f"extracting takes {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free"
