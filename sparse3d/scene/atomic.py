"""Outputs that are either whole or not there."""

import errno
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sparse3d.errors import DataError

__all__ = ["writing"]


@contextmanager
def writing(target: Path, *, replace_folder: bool = False) -> Iterator[Path]:
    """A path beside ``target`` to write to; renamed to ``target`` when the block succeeds.

    The caller creates a file or a folder at the yielded path. If the block fails, whatever was
    written is removed and ``target`` is left as it was.

    Args:
        target: The file or folder that shall exist afterwards; parents are created, and removed
            again if the block fails. An existing file is replaced.
        replace_folder: Whether an existing folder may be replaced, too.

    Raises:
        DataError: If ``target`` is a folder with contents and may not be replaced, or the disk is
            full or not writable, or it is the current folder or one around it.
    """
    target = Path(os.path.abspath(target))  # noqa: PTH100 - keeps links, which resolve() follows
    if target.is_dir() and target in (Path.cwd(), *Path.cwd().parents):
        raise DataError(target, "cannot be replaced from within; name a folder inside it")
    if target.is_dir() and not replace_folder and any(target.iterdir()):
        raise DataError(target, "output folder must be new or empty")
    draft = target.parent / f".{target.name}.{uuid.uuid4().hex[:8]}.part"
    missing = [folder for folder in target.parents if not folder.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        _replace(draft, target)
    except OSError as error:
        raise _named(error, target) from error
    finally:
        _remove(draft)
        _remove_empty(missing)


def _replace(draft: Path, target: Path) -> None:
    """Put the old folder, if there is one, aside until the new one is in its place."""
    if not target.is_dir():
        draft.replace(target)
        return
    aside = draft.with_suffix(".old")
    target.replace(aside)
    try:
        draft.replace(target)
    except OSError:
        aside.replace(target)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    elif path.exists():
        path.unlink()


def _remove_empty(folders: Sequence[Path]) -> None:
    """Take back new folders, the innermost first, up to one that has contents."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:  # not empty, as after every success, or never made
            return


def _named(error: OSError, target: Path) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DataError(target, "no space left on the output disk; nothing was written")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
        return DataError(target, f"cannot be written ({error.strerror})")
    return error
