"""Make a world with known truth: photos, depth and surfaces."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from sparse3d.cli.arguments import parse
from sparse3d.data.simulate.room import RoomConfig, simulate_room
from sparse3d.errors import ConfigError

__all__ = ["main"]

_WORLDS = {"room": "a furnished, textured room, photographed from known places"}


@dataclass(frozen=True)
class Room:
    """Photograph a furnished, textured room: a scene folder with true depth and surfaces."""

    out: tyro.conf.Positional[Path]
    """Scene folder to write, new or empty."""
    room: Annotated[RoomConfig, tyro.conf.arg(name="")] = field(default_factory=RoomConfig)
    """The room."""


def main(arguments: Sequence[str]) -> int:
    """Run ``sparse3d simulate``."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help())
        return 0 if arguments else 2
    if arguments[0] not in _WORLDS:
        raise ConfigError(f"there is no world {arguments[0]!r}; worlds are: {', '.join(_WORLDS)}")
    given = parse(Room, "simulate room", arguments[1:])
    from sparse3d.train.progress import showing

    with showing("photographing") as progress:
        simulate_room(given.out, given.room, progress.show)
    print(f"{given.room.views} training and {given.room.test_views} test views: {given.out}")
    return 0


def _help() -> str:
    lines = (f"  {name}  {summary}" for name, summary in _WORLDS.items())
    return "\n".join(
        ("usage: sparse3d simulate WORLD OUT [OPTIONS]", "", "Worlds:", "", *lines, "")
    )
