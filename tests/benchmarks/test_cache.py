"""Stored results: found again only while all that they depend on is the same."""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import Row, cache

PARTS: dict[str, Any] = {
    "settings": {"scene": {"count": 5, "seed": 0}, "threads": 2},
    "machine": {"processor": "A", "torch": "2.4"},
    "clock": {"repeats": 9},
    "code": "abc",
}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with two folders of code and an ignored file."""
    for name in ("one/a.py", "two/b.py", ".gitignore"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("*.so\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "start")
    return tmp_path


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    subprocess.run(["git", "-C", str(folder), *identity, *words], check=True)


def result(quiet: bool) -> cache.Result:
    return cache.Result((Row("a", 1.5, "ms", goal=2.0),), "2024-01-01", "A", "abc+", quiet)


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"scene": {"count": 6, "seed": 0}, "threads": 2}},
        {"settings": {"scene": {"count": 5, "seed": 0}, "threads": 1}},
        {"machine": {"processor": "B", "torch": "2.4"}},
        {"machine": {"processor": "A", "torch": "2.5"}},
        {"clock": {"repeats": 3}},
        {"code": "abd"},
    ],
)
def test_any_change_is_another_key(change: dict[str, Any]) -> None:
    assert cache.cache_key("a", {**PARTS, **change}) != cache.cache_key("a", PARTS)


def test_the_same_parts_in_another_order_are_the_same_key() -> None:
    turned = dict(reversed(PARTS.items()))
    assert cache.cache_key("a", turned) == cache.cache_key("a", PARTS)
    assert cache.cache_key("b", PARTS) != cache.cache_key("a", PARTS)


def test_an_edit_of_measured_code_changes_its_state_committed_or_not(clone: Path) -> None:
    before = cache.code_state(["one"], root=clone)
    (clone / "one/a.py").write_text("x = 1\n")
    edited = cache.code_state(["one"], root=clone)
    assert edited != before
    git(clone, "commit", "-qam", "edit")
    assert cache.code_state(["one"], root=clone) == edited
    (clone / "one/new.py").write_text("")
    assert cache.code_state(["one"], root=clone) != edited


def test_other_code_and_ignored_files_do_not_change_the_state(clone: Path) -> None:
    before = cache.code_state(["one"], root=clone)
    (clone / "two/b.py").write_text("x = 1\n")
    (clone / "one/built.so").write_text("x")
    assert cache.code_state(["one"], root=clone) == before


def test_a_moved_file_and_a_wrong_path_do_not_go_unnoticed(clone: Path) -> None:
    before = cache.code_state(["one"], root=clone)
    (clone / "one/deeper").mkdir()
    (clone / "one/a.py").rename(clone / "one/deeper/a.py")
    assert cache.code_state(["one"], root=clone) != before
    with pytest.raises(ValueError, match="three"):
        cache.code_state(["three"], root=clone)


def test_compiled_kernels_count(clone: Path) -> None:
    kernels = clone / "one/built.so"
    kernels.write_text("x")
    before = cache.code_state(["one"], [kernels], clone)
    kernels.write_text("y")
    assert cache.code_state(["one"], [kernels], clone) != before


def test_a_commit_is_marked_where_files_differ_from_it(clone: Path) -> None:
    assert not cache.commit(clone).endswith("+")
    (clone / "two/b.py").write_text("x = 1\n")
    assert cache.commit(clone).endswith("+")


def test_a_result_is_found_again(tmp_path: Path) -> None:
    cache.store("key", result(quiet=True), tmp_path)
    assert cache.load("key", tmp_path) == result(quiet=True)
    assert cache.load("other", tmp_path) is None


def test_a_result_of_a_busy_machine_is_not_stored(tmp_path: Path) -> None:
    cache.store("key", result(quiet=False), tmp_path)
    assert cache.load("key", tmp_path) is None


def test_a_result_survives_json(tmp_path: Path) -> None:
    several = replace(result(quiet=True), rows=(Row("a", 1.0, "s"), Row("b", 2.0, "s", "c", 3.0)))
    assert cache.Result.from_json(several.to_json()) == several
