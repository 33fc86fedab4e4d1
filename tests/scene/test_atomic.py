"""Outputs that are whole or not there."""

import errno
from pathlib import Path

import pytest

from sparse3d.errors import DataError
from sparse3d.scene.atomic import writing


def write_half(target: Path, error: BaseException) -> None:
    with writing(target) as draft:
        draft.write_text("half")
        raise error


def test_files_and_folders_appear_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file"
    with writing(target) as draft:
        draft.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    with writing(tmp_path / "folder") as draft:
        draft.mkdir()
        (draft / "inner").touch()
    assert (tmp_path / "folder" / "inner").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "new"]


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt()])
def test_a_failing_block_leaves_the_old_file(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(type(error)):
        write_half(target, error)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "no space left on the output disk; nothing was written"),
        (errno.EDQUOT, "no space left"),
        (errno.EACCES, "cannot be written"),
        (errno.EROFS, "cannot be written"),
    ],
)
def test_errors_of_the_disk_name_the_output(tmp_path: Path, number: int, message: str) -> None:
    with pytest.raises(DataError, match=f"out: {message}"):
        write_half(tmp_path / "out", OSError(number, "reason"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_contents_is_replaced_only_when_asked(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(DataError, match="must be new or empty"), writing(target):
        pass
    with writing(target, replace_folder=True) as draft:
        draft.mkdir()
        (draft / "new").touch()
    assert [path.name for path in target.iterdir()] == ["new"]


def test_a_parent_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(DataError, match="out: cannot be written"),
        writing(tmp_path / "file" / "out"),
    ):
        pass


def test_a_failing_block_takes_new_parents_back(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(ValueError, match="x"):
        write_half(tmp_path / "mine" / "new" / "newer" / "file", ValueError("x"))
    assert [path.name for path in tmp_path.rglob("*")] == ["mine"]


def test_the_current_folder_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    for target in (Path(), inner, tmp_path):
        with pytest.raises(DataError, match="name a folder inside it"), writing(target):
            pass
    with writing(Path("new")) as draft:
        draft.mkdir()
    assert [path.name for path in inner.iterdir()] == ["new"]


def test_an_old_folder_stays_where_the_new_one_cannot_take_its_place(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "kept").touch()
    with (
        pytest.raises(FileNotFoundError),  # nothing was written at the draft
        writing(tmp_path / "old", replace_folder=True),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old" / "kept").exists()
