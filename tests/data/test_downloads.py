"""Lists of problems, zip files and room on the disk; extraction itself: tests of the data sets."""

import zipfile
from pathlib import Path

import pytest

from sparse3d.data.downloads import (
    ProblemsError,
    list_archive,
    place_file,
    problems_of_space,
    ranges,
    refuse,
)
from sparse3d.errors import DataError


def test_problems_are_listed_up_to_a_limit() -> None:
    refuse(Path("there"), [])
    with pytest.raises(ProblemsError) as caught:
        refuse(Path("there"), (f"problem {i}" for i in range(23)))
    lines = str(caught.value).splitlines()
    assert lines[0] == "there: 23 problems"
    assert lines[1:21] == [f"  problem {i}" for i in range(20)]
    assert lines[21:] == ["  ... and 3 more"]


def test_ranges_are_exact_and_short() -> None:
    assert ranges([]) == ""
    assert ranges(["000009"]) == "000009"
    assert ranges(["10", "09", "11", "13"]) == "09-11, 13"
    assert ranges(f"{2 * i:03}" for i in range(50)).endswith("036, 038, ...")


def test_archives_are_listed_without_their_folders(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("inner/", "")
        archive.writestr("inner/a.txt", "abc")
        archive.writestr("../b.txt", "")
    assert list_archive(path) == [("inner/a.txt", 3), ("../b.txt", 0)]
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"a\.zip: not a whole zip file"):
        list_archive(path)


def test_members_go_where_they_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../b.txt", "precious" * 100)
    with zipfile.ZipFile(path) as archive:
        place_file(path, "../../b.txt", tmp_path / "out/c.txt", {path: archive})
    assert (tmp_path / "out/c.txt").read_text() == "precious" * 100
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["a.zip", "c.txt", "out"]


def test_room_is_that_of_the_disk(tmp_path: Path) -> None:
    out = tmp_path / "new/deeper"
    assert list(problems_of_space(out, 0)) == []
    assert "GB are free" in next(problems_of_space(out, 10**18))
