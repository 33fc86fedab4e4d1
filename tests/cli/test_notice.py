"""The note about missing kernels: said once, and only where they are missing."""

import importlib.util
from pathlib import Path

import pytest

from sparse3d.cli.notice import tell_once_if_not_native


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def without_native(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if "_native" in name else find_spec(name)
    )


@pytest.mark.usefixtures("cache", "without_native")
def test_it_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    tell_once_if_not_native()
    first = capsys.readouterr().err
    assert first.count("\n") == 1
    assert "C++" in first
    assert "torch backends" in first
    tell_once_if_not_native()
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("without_native")
def test_it_is_said_again_where_nothing_can_be_remembered(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache.write_text("a file where the folder should be")
    for _ in range(2):
        tell_once_if_not_native()
        assert "torch backends" in capsys.readouterr().err


@pytest.mark.usefixtures("cache")
def test_nothing_is_said_where_the_kernels_are_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    tell_once_if_not_native()
    assert capsys.readouterr().err == ""
