"""Plain data (as YAML gives it) laid over typed, nested, frozen dataclasses.

Supported field types: bool, int, float, str, Path, Literal, Optional, tuple (fixed and ragged),
and dataclasses of these.
"""

import dataclasses
import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from sparse3d.errors import ConfigError

__all__ = ["Place", "leaves", "overlay", "to_plain"]

ConfigT = TypeVar("ConfigT")

_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
    NoneType: "null",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: the file, and the keys down to it."""

    source: str
    """Opens every message: a file, or ``command line``."""
    keys: tuple[str, ...] = ()

    def inner(self, key: str) -> "Place":
        """One level deeper."""
        return Place(self.source, (*self.keys, key))

    def problem(self, text: str) -> ConfigError:
        """An error about the value at this place."""
        return ConfigError(f"{self.source}: {'.'.join(self.keys) or 'configuration'} {text}")


def overlay(base: ConfigT, values: object, place: Place) -> ConfigT:
    """A copy of a dataclass with some values replaced, strictly checked.

    Args:
        base: Supplies the types, and whatever ``values`` does not name.
        values: Nested mappings by field name.
        place: For messages.

    Raises:
        ConfigError: If a key is unknown (the nearest valid one is named), a value has another
            type than its field, or the dataclass itself refuses the values by a ValueError.
    """
    if not isinstance(values, Mapping):
        raise place.problem(f"must be a mapping of keys to values, got {_shown(values)}")
    types = get_type_hints(type(base))
    names = [field.name for field in dataclasses.fields(_instance(base)) if field.init]
    changes: dict[str, Any] = {}
    for key, value in values.items():
        if key not in names:
            raise _unknown(str(key), names, base, place)
        changes[key] = _convert(value, types[key], getattr(base, key), place.inner(key))
    try:
        return dataclasses.replace(_instance(base), **changes)
    except (ValueError, ConfigError) as error:  # of its __post_init__
        raise ConfigError(f"{place.source}: {error}") from error


def to_plain(value: object) -> Any:
    """A dataclass as nested dicts, lists and scalars: what :func:`overlay` takes."""
    if dataclasses.is_dataclass(value):
        return {
            field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, tuple):
        return [to_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key and value of everything in nested mappings that is not a mapping itself."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _instance(value: object) -> Any:
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        raise TypeError(f"configurations are instances of dataclasses, got {value!r}")
    return value


def _unknown(key: str, names: Sequence[str], base: object, place: Place) -> ConfigError:
    """The error for a key that is not there; a key of that name deeper down is preferred."""
    deeper = [path for path, _ in leaves(to_plain(base)) if path.rsplit(".", 1)[-1] == key]
    nearest = deeper[:1] or difflib.get_close_matches(key, names, n=1, cutoff=0.0)
    where = ".".join(place.keys)
    full = f"{where}.{key}" if where else key
    hint = f"{where}.{nearest[0]}" if where else nearest[0]
    return ConfigError(f"{place.source}: unknown key {full!r}; the nearest valid one is {hint!r}")


def _convert(value: object, kind: Any, base: object, place: Place) -> Any:
    origin = get_origin(kind)
    if dataclasses.is_dataclass(kind):
        start = base if isinstance(base, kind) else kind()  # pyright: ignore[reportCallIssue, reportArgumentType] # narrowed to an instance or a class at once
        return overlay(start, value, place)
    if origin is Literal:
        return _choice(value, get_args(kind), place)
    if origin in (Union, UnionType):
        return _any_of(value, get_args(kind), base, place)
    if origin is tuple:
        return _tuple(value, get_args(kind), place)
    return _scalar(value, kind, place)


def _choice(value: object, choices: Sequence[object], place: Place) -> object:
    if value in choices and type(value) in {type(choice) for choice in choices}:
        return value
    options = ", ".join(str(choice) for choice in choices)
    raise place.problem(f"must be one of {options}; got {_shown(value)}")


def _any_of(value: object, kinds: Sequence[Any], base: object, place: Place) -> object:
    """The first member of a union that takes the value; the error of a lone one otherwise."""
    if value is None and NoneType in kinds:
        return None
    others = [kind for kind in kinds if kind is not NoneType]
    for kind in others[:-1]:
        try:
            return _convert(value, kind, base, place)
        except ConfigError:
            continue
    return _convert(value, others[-1], base, place)


def _tuple(value: object, kinds: Sequence[Any], place: Place) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise place.problem(f"must be a list, got {_shown(value)}")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise place.problem(f"must have {len(kinds)} entries, got {len(value)}")
    return tuple(
        _convert(item, kind, None, place.inner(str(index)))
        for index, (item, kind) in enumerate(zip(value, kinds, strict=True))
    )


def _scalar(value: object, kind: Any, place: Place) -> object:
    if kind not in _NAMES:
        raise TypeError(f"configuration fields of type {kind} are not supported")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is float and isinstance(value, float) and math.isnan(value):
        raise place.problem("must be a number, got nan")
    if kind is Path and isinstance(value, str):
        return Path(value)
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise place.problem(f"must be {_NAMES[kind]}, got {_shown(value)}")


def _shown(value: object) -> str:
    """A value with the name of its type as YAML users know it."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return f"the list {list(value)}"
    name = {str: "text", bool: "a truth value", int: "a whole number", float: "a number"}
    return f"{name[type(value)]} {value!r}" if type(value) in name else str(value)
