"""Configuration files: YAML with values only, laid strictly over dataclasses."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

import yaml

import sparse3d
from sparse3d.errors import ConfigError, DataError
from sparse3d.train.values import Place, leaves, overlay, to_plain

__all__ = [
    "config_folder",
    "dump_config",
    "first_difference",
    "load_config",
    "parse_yaml",
    "read_text",
]

ConfigT = TypeVar("ConfigT")


def load_config(path: Path, base: ConfigT) -> ConfigT:
    """Read a YAML file over a configuration.

    Args:
        path: The file; an empty one changes nothing.
        base: A (nested, frozen) dataclass that gives types and the values of absent keys.

    Raises:
        ConfigError: If the file is no YAML, a key is unknown (the nearest valid one is named) or
            twice there, or a value is of another type than its field.
        DataError: If the file cannot be read.
    """
    return overlay(base, parse_yaml(read_text(path), str(path)) or {}, Place(str(path)))


def dump_config(config: object) -> str:
    """A dataclass as YAML, every value included; :func:`load_config` gives it back.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Rate:
    ...     first: float = 1e-3
    ...     steps: tuple[int, ...] = (1, 2)
    >>> print(dump_config(Rate()), end="")
    first: 0.001
    steps: [1, 2]
    """
    return yaml.dump(to_plain(config), Dumper=_Dumper, sort_keys=False)


def first_difference(first: str, second: str) -> tuple[str, Any, Any] | None:
    """Key and both values where two dumped configurations first disagree, None where nowhere.

    A key that one of the two does not have counts with the value None.
    """
    ours, theirs = (
        dict(leaves(parse_yaml(text, "configuration") or {})) for text in (first, second)
    )
    for key in [*ours, *(key for key in theirs if key not in ours)]:
        if ours.get(key) != theirs.get(key):
            return key, ours.get(key), theirs.get(key)
    return None


def config_folder() -> Path:
    """Folder of the configurations that come with the package, in a wheel and in a clone.

    Raises:
        DataError: If the installation has lost it.
    """
    package = Path(sparse3d.__file__).resolve().parent
    for folder in (package / "configs", package.parent / "configs"):
        if folder.is_dir():
            return folder
    raise DataError(package / "configs", "the folder of shipped configurations is missing")


def parse_yaml(text: str, source: str) -> Any:
    """Plain data of a YAML document, without Python objects; repeated keys are errors.

    Raises:
        ConfigError: If the text is not valid YAML.
    """
    try:
        return yaml.load(text, Loader=_StrictLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: not valid YAML ({' '.join(str(error).split())})") from error


def read_text(path: Path) -> str:
    """The text of a file, with errors for users.

    Raises:
        DataError: If it is missing, unreadable or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise DataError(path, "no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(path, f"a text file was expected ({error})") from error


class _Dumper(yaml.SafeDumper):
    """The safe dumper; lists stay on one line."""


def _on_one_line(dumper: yaml.SafeDumper, values: list[Any]) -> yaml.SequenceNode:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=True)


_Dumper.add_representer(list, _on_one_line)


class _StrictLoader(yaml.SafeLoader):
    """The safe loader, less two traps of YAML 1.1: silent repetitions, and 1e-3 as text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key.value!r} occurs twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)
