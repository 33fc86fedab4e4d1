"""System needs: looked for by what they bring, and asked for by set."""

import ctypes
import sys

import pytest

from sparse3d.cli import system


def need(package: str, found: bool, *sets: str) -> system.Need:
    return system.Need(package, "a test", lambda: found, frozenset(sets))


def test_missing_are_those_of_the_set_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(
        system, "NEEDS", (need("a", True, "demo"), need("b", False, "demo"), need("c", False, "x"))
    )
    assert [one.package for one in system.missing("demo")] == ["b"]


def test_elsewhere_than_on_linux_nothing_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(system, "NEEDS", (need("b", False, "demo"),))
    assert system.missing("demo") == []


def test_a_library_is_there_if_it_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: name)
    assert system._loads("libanything.so.1")()

    def refuse(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    assert not system._loads("libanything.so.1")()


def test_the_test_set_needs_all_that_the_demo_needs() -> None:
    assert all("test" in one.sets for one in system.NEEDS)


def test_install_line_names_all_packages() -> None:
    line = system.install_line([need("libone1", False), need("libtwo2", False)])
    assert line.startswith("apt-get install -y")
    assert line.endswith(" libone1 libtwo2")
