"""Configurations: strict, named errors, nothing lost on the way to YAML and back."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparse3d.errors import ConfigError, DataError
from sparse3d.train.config import (
    config_folder,
    dump_config,
    first_difference,
    load_config,
    parse_yaml,
)
from sparse3d.train.methods import METHODS, find_method
from sparse3d.train.values import Place, overlay


@dataclass(frozen=True)
class Inner:
    """A level down."""

    rate: float = 1e-3
    size: tuple[int, int] = (3, 4)


@dataclass(frozen=True)
class Outer:
    """Every supported type of field."""

    name: str = "a"
    count: int = 1
    fast: bool = False
    mode: Literal["on", "off", 3] = "on"
    folder: Path = Path("x")
    limit: float | None = None
    many: tuple[float, ...] = ()
    inner: Inner = field(default_factory=Inner)
    maybe: Inner | None = None

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("count must not be negative")


def load(tmp_path: Path, text: str, base: Outer | None = None) -> Outer:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return load_config(path, base or Outer())


finite = st.floats(allow_nan=False)
inners = st.builds(Inner, rate=finite, size=st.tuples(st.integers(), st.integers()))
outers = st.builds(
    Outer,
    name=st.text(st.characters(exclude_categories=["Cs"])),
    count=st.integers(min_value=0),
    fast=st.booleans(),
    mode=st.sampled_from(["on", "off", 3]),
    folder=st.sampled_from([Path("a/b"), Path("/c d")]),
    limit=st.none() | finite,
    many=st.lists(finite, max_size=3).map(tuple),
    inner=inners,
    maybe=st.none() | inners,
)


@given(outers)
def test_what_is_dumped_loads_to_the_same(config: Outer) -> None:
    assert overlay(Outer(), parse_yaml(dump_config(config), "text"), Place("text")) == config


def test_absent_keys_keep_the_base(tmp_path: Path) -> None:
    base = Outer(name="base", inner=Inner(rate=5.0))
    loaded = load(tmp_path, "inner: {size: [1, 2]}", base)
    assert loaded == Outer(name="base", inner=Inner(rate=5.0, size=(1, 2)))


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}"])
def test_an_empty_file_changes_nothing(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text) == Outer()


@pytest.mark.parametrize("number", ["1e-3", "1.0e-3", "0.001", "1E-3"])
def test_numbers_are_numbers_however_written(tmp_path: Path, number: str) -> None:
    assert load(tmp_path, f"limit: {number}").limit == 0.001


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cuont: 2", "unknown key 'cuont'; the nearest valid one is 'count'"),
        ("inner: {rat: 2}", "unknown key 'inner.rat'; the nearest valid one is 'inner.rate'"),
        ("rate: 2", "unknown key 'rate'; the nearest valid one is 'inner.rate'"),
        ("1: 2", "unknown key '1'"),
        ("count: 1.5", "count must be a whole number, got a number 1.5"),
        ("count: true", "count must be a whole number, got a truth value True"),
        ("count: '7'", "count must be a whole number, got text '7'"),
        ("count: null", "count must be a whole number, got None"),
        ("count: -1", "count must not be negative"),
        ("limit: fast", "limit must be a number, got text 'fast'"),
        ("limit: .nan", "limit must be a number, got nan"),
        ("limit: 2020-01-01", "limit must be a number, got 2020-01-01"),
        ("fast: 1", "fast must be true or false, got a whole number 1"),
        ("name: 5", "name must be text, got a whole number 5"),
        ("folder: 5", "folder must be a path, got a whole number 5"),
        ("mode: up", "mode must be one of on, off, 3; got text 'up'"),
        ("mode: 3.0", "mode must be one of on, off, 3; got a number 3.0"),
        ("many: 1.0", "many must be a list, got a number 1.0"),
        ("many: [1, b]", "many.1 must be a number, got text 'b'"),
        ("inner: {size: [1, 2, 3]}", "inner.size must have 2 entries, got 3"),
        ("inner: 3", "inner must be a mapping of keys to values, got a whole number 3"),
        ("maybe: {rate: x}", "maybe.rate must be a number, got text 'x'"),
        ("[1, 2]", "must be a mapping of keys to values, got the list [1, 2]"),
        ("a: [", "not valid YAML"),
        ("count: 1\ncount: 2", "key 'count' occurs twice"),
        ("name: !!python/object/apply:os.getcwd []", "not valid YAML"),
    ],
)
def test_mistakes_are_named_with_the_file(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'c.yaml'}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_or_binary_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.yaml: no such file"):
        load_config(tmp_path / "none.yaml", Outer())
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="text file was expected"):
        load_config(tmp_path / "b.yaml", Outer())


def test_first_difference_names_key_and_values() -> None:
    first = dump_config(Outer(inner=Inner(rate=2.0)))
    assert first_difference(first, first) is None
    assert first_difference(first, dump_config(Outer())) == ("inner.rate", 2.0, 0.001)
    assert first_difference("a: 1", "a: 1\nb: 2") == ("b", None, 2)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_shipped_configurations_load(method: Any) -> None:
    assert isinstance(method.default_config(), method.config_type())
    assert (config_folder() / method.defaults).is_file()


def test_an_unknown_method_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="'sparse-spalt'; did you mean 'sparse-splat'"):
        find_method("sparse-spalt")
