"""``sparse3d simulate street`` as a user types it."""

from pathlib import Path

import pytest

from sparse3d.cli.main import main
from sparse3d.scene.formats.registry import open_scene


def test_street_is_made_and_summed_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("open3d")
    out = tmp_path / "deep" / "set"
    assert (
        main(("simulate", "street", str(out), "--frames", "1", "--seed", "2", "--to", "scene")) == 0
    )
    said = capsys.readouterr().out
    assert "1 training and 0 validation frames" in said
    assert str(out) in said
    scene = open_scene(out)
    boxes = scene.frames[0].read_boxes()
    assert boxes is not None
    assert f"{boxes.names.count('Car')} Car" in said
    assert len(scene.frames) == 1


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("street", "OUT", "--frames", "0"), "frames must be from 1"),
        (("street", "OUT", "--seed", "-1"), "seed must be from 0"),
        (("moon", "OUT"), "worlds are: room, street"),
    ],
)
def test_mistakes_are_one_line(
    words: tuple[str, ...], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    try:
        code = main(("simulate", *(str(out) if word == "OUT" else word for word in words)))
    except SystemExit as end:
        code = end.code
    assert code == 2
    assert named in capsys.readouterr().err
    assert not out.exists()


def test_an_occupied_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert main(("simulate", "street", str(tmp_path), "--frames", "1")) == 2
    error = capsys.readouterr().err
    assert "new or empty" in error
    assert len(error.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
