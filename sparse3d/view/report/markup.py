"""HTML from templates; everything that is put into one is escaped."""

import html
import os
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from string import Template
from urllib.parse import quote

__all__ = ["Markup", "asset", "fill", "joined", "link"]

_ASSETS = resources.files("sparse3d.view.report") / "assets"


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def fill(template: str, **values: object) -> Markup:
    """A template of this package with its ``$names`` replaced.

    Args:
        template: File name in ``assets/``, without suffix.
        values: One for each name; what is no :class:`Markup` is escaped, quotes included.

    Raises:
        KeyError: If a name has no value.
    """
    escaped = {
        name: value if isinstance(value, Markup) else html.escape(str(value))
        for name, value in values.items()
    }
    return Markup(Template(asset(f"{template}.html")).substitute(escaped))


def asset(name: str) -> str:
    """The text of a file in ``assets/``."""
    return (_ASSETS / name).read_text(encoding="utf-8")


def joined(pieces: Iterable[Markup]) -> Markup:
    """Pieces one after the other."""
    return Markup("\n".join(pieces))


def link(target: Path, page: Path) -> str:
    """Relative URL of a file, as a page in the folder ``page`` names it.

    Example:
        >>> link(Path("demo/run/renders/a b.png"), Path("demo"))
        'run/renders/a%20b.png'
    """
    return quote(Path(os.path.relpath(target, page)).as_posix())
