"""``sparse3d eval-files``: the numbers of the benchmark's program, and mistakes that are named."""

import json
import shutil
from pathlib import Path

import pytest

from sparse3d.cli.main import main

CAR = "Car 0.00 0 0.30 600 170 660 220 1.5 1.6 4.0 {x} 1.6 20.0 0.2"


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Three frames with two cars each; results for two of them, one empty."""
    labels, results = tmp_path / "labels", tmp_path / "results"
    labels.mkdir()
    results.mkdir()
    for name in ("000001", "000002", "000007"):
        rows = f"{CAR.format(x=0.0)}\n\n{CAR.format(x=9.0)}\n"
        (labels / f"{name}.txt").write_text(rows)
    (results / "000001.txt").write_text(f"{CAR.format(x=0.0)} 0.9\n\n{CAR.format(x=9.0)} 0.8\n")
    (results / "000002.txt").write_text("")
    return labels, results


def run(folders: tuple[Path, Path], *more: str) -> int:
    labels, results = folders
    return main(["eval-files", "--labels", str(labels), "--detections", str(results), *more])


def test_writes_what_the_benchmarks_program_finds(
    shared_oracles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    oracle, out = shared_oracles / "kitti_eval", tmp_path / "scores.json"
    folders = (oracle / "label_2", oracle / "detections")
    assert run(folders, "--metric", "kitti", "--json", str(out)) == 0
    got = json.loads(out.read_text())
    wanted = json.loads((oracle / "expected.json").read_text())["expected"]
    for key, numbers in wanted.items():
        for name in ("AP_R11", "AP_R40"):
            assert got[key][name] == pytest.approx(numbers[name], abs=0.01), key
    shown = capsys.readouterr().out
    assert "Car (43 / 121 / 149 objects)" in shown
    assert "3D  0.70      21.05  36.33  38.12   26.11  38.82  40.91   21.91" in shown
    assert "warning: fewer than 100 objects count" in shown


def test_a_frame_without_result_file_has_no_detections(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folders, "--json", "-", "--classes", "car") == 0
    printed = capsys.readouterr()
    assert "warning: 1 of 3 label files have no result file" in printed.err
    got = json.loads(printed.out)
    assert got["frames"] == 3
    assert got["car_detection_3d"]["counted"] == [6, 6, 6]
    assert got["car_detection_3d"]["AP_all_point"] == pytest.approx([100 / 3] * 3)


def test_frames_that_are_not_listed_do_not_count(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "val.txt").write_text("000002\n000001\n")
    assert run(folders, "--json", "-", "--frames", str(tmp_path / "val.txt")) == 0
    printed = capsys.readouterr()
    assert "warning" not in printed.err
    got = json.loads(printed.out)
    assert got["frames"] == 2
    assert got["car_detection_3d"]["AP_all_point"] == pytest.approx([50.0] * 3)


@pytest.mark.parametrize(
    ("text", "problem"), [("000003", "names 000003, but there is no"), (" ", "it has none")]
)
def test_lists_that_name_nothing_are_refused(
    folders: tuple[Path, Path],
    tmp_path: Path,
    text: str,
    problem: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "val.txt").write_text(text)
    assert run(folders, "--frames", str(tmp_path / "val.txt")) == 2
    assert problem in capsys.readouterr().err


def test_classes_without_objects_are_shown_as_such(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folders) == 0
    shown = capsys.readouterr().out
    assert "Cyclist (0 / 0 / 0 objects)" in shown
    assert "all-point" in shown
    assert "nan" not in shown.lower()


def spoil(folders: tuple[Path, Path], case: str) -> None:
    labels, results = folders
    if case == "no score":
        (results / "000007.txt").write_text(f"{CAR.format(x=0.0)} 0.9\n\n{CAR.format(x=1.0)}\n")
    elif case == "no label file":
        (results / "000003.txt").write_text("")
    elif case == "bad row":
        (labels / "000002.txt").write_text(CAR.format(x=0.0).rsplit(" ", 1)[0])
    elif case == "nothing matches":
        for path in results.iterdir():
            path.rename(path.with_name(f"x{path.name}"))
    elif case == "empty folder":
        for path in results.iterdir():
            path.unlink()
    elif case == "no folder":
        shutil.rmtree(labels)


def test_other_objects_must_be_asked_for(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for path in folders[0].iterdir():
        path.write_text(CAR.format(x=0.0).replace("Car", "Tram"))
    assert run(folders) == 2
    assert "have Tram: say with --classes which to score" in capsys.readouterr().err
    assert run(folders, "--classes", "Tram") == 0
    assert "Tram (3 / 3 / 3 objects)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("no score", "results/000007.txt: line 3: a detection needs a score in column 16"),
        ("no label file", "results/000003.txt: there is no label file 000003.txt in"),
        ("nothing matches", "results: no result file has the name of a label file in"),
        ("bad row", "labels/000002.txt: line 1: 15 columns expected, 16 with a score, got 14"),
        ("empty folder", "results: a folder of .txt files expected, it has none"),
        ("no folder", "labels: a folder of .txt files expected, there is none"),
        ("class", "--classes: there is no Boat; the label files in"),
        ("twice", "--classes: different names expected, got Car car"),
    ],
)
def test_mistakes_are_named(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str], case: str, message: str
) -> None:
    out = folders[0].parent / "scores.json"
    more = {"class": ["--classes", "Boat"], "twice": ["--classes", "Car", "car"]}.get(case, [])
    spoil(folders, case)
    assert run(folders, "--json", str(out), *more) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("sparse3d: error: ")
    assert message in error
    assert "\n" not in error
    assert not out.exists()
