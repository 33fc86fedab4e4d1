"""PTS files by hand and by the count of a real one."""

from pathlib import Path

import pytest

from sparse3d.errors import DataError
from sparse3d.scene.formats import pts


@pytest.mark.parametrize("line", ["1 2 3", "1 2 3 -9", "1 2 3 255 0 51", "1 2 3 -9 255 0 51"])
def test_all_widths(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.pts"
    path.write_text(f"2\n{line}\n{line}\n")
    assert pts.FORMAT.recognises(path)
    cloud = pts.read_points(path)
    assert cloud.positions.tolist() == [[1, 2, 3]] * 2
    assert (cloud.intensities is not None) == ("-9" in line)
    assert (cloud.colors is not None) == ("255" in line)
    if cloud.colors is not None:
        assert cloud.colors[0].tolist() == pytest.approx([1, 0, 0.2])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1000000000000\n1 2 3\n", "cut short"),
        ("2\n1 2 3\n", "cut short"),
        ("1\n1 2 3\n4 5 6\n", "promises 1 points"),
        ("0\n", "empty"),
        ("-1\n1 2 3\n", "number of points"),
        ("1\n1 2 3 4 5\n", "3, 4, 6 or 7"),
        ("1\n1 2 abc\n", "numbers"),
        ("", "number of points"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.pts"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        pts.read_points(path)


def test_real_scan(shared_data: Path) -> None:
    scene = pts.FORMAT.read and pts.FORMAT.read(shared_data / "meshes" / "bunny_scan.pts")
    assert scene
    assert getattr(scene.points, "count", None) == 30571
    cloud = scene.read_points()
    assert cloud is not None
    assert len(cloud) == 30571
