"""Make a world with known truth: photos, depth and surfaces."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from sparse3d.cli.arguments import parse
from sparse3d.data.simulate.room import RoomConfig, simulate_room
from sparse3d.data.simulate.street.config import StreetConfig
from sparse3d.errors import ConfigError

__all__ = ["main"]

_WORLDS = {
    "room": "a furnished, textured room, photographed from known places",
    "street": "streets with cars and people, seen by a spinning LiDAR and a camera",
}


@dataclass(frozen=True)
class Room:
    """Photograph a furnished, textured room: a scene folder with true depth and surfaces."""

    out: tyro.conf.Positional[Path]
    """Scene folder to write, new or empty."""
    room: Annotated[RoomConfig, tyro.conf.arg(name="")] = field(default_factory=RoomConfig)
    """The room."""


@dataclass(frozen=True)
class Street:
    """Drive a spinning LiDAR through streets: sweeps and boxes as a KITTI folder or a scene."""

    out: tyro.conf.Positional[Path]
    """Folder to write, new or empty."""
    street: Annotated[StreetConfig, tyro.conf.arg(name="")] = field(default_factory=StreetConfig)
    """The streets."""


def main(arguments: Sequence[str]) -> int:
    """Run ``sparse3d simulate``."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help())
        return 0 if arguments else 2
    if arguments[0] not in _WORLDS:
        raise ConfigError(f"there is no world {arguments[0]!r}; worlds are: {', '.join(_WORLDS)}")
    print(_room(arguments[1:]) if arguments[0] == "room" else _street(arguments[1:]))
    return 0


def _room(arguments: Sequence[str]) -> str:
    given = parse(Room, "simulate room", arguments)
    from sparse3d.train.progress import showing

    with showing("photographing") as progress:
        simulate_room(given.out, given.room, progress.show)
    return f"{given.room.views} training and {given.room.test_views} test views: {given.out}"


def _street(arguments: Sequence[str]) -> str:
    given = parse(Street, "simulate street", arguments)
    from sparse3d.data.simulate.street.write import simulate_street
    from sparse3d.train.progress import showing

    with showing("driving") as progress:
        made = simulate_street(given.out, given.street, progress.show)
    counts = ", ".join(f"{count} {name}" for name, count in made.objects.items())
    return (
        f"{made.train} training and {made.val} validation frames,"
        f" {made.points / 1000:.0f} thousand points a frame, {counts or 'no objects'}: {given.out}"
    )


def _help() -> str:
    lines = (f"  {name}  {summary}" for name, summary in _WORLDS.items())
    return "\n".join(
        ("usage: sparse3d simulate WORLD OUT [OPTIONS]", "", "Worlds:", "", *lines, "")
    )
