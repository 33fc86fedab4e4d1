"""``sparse3d doctor``: true facts, and for everything missing the line that gets it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from sparse3d.cli import diagnosis, system
from sparse3d.cli.doctor import main, report
from sparse3d.ops.backend import has_native


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    return diagnosis.diagnose()


def test_facts_are_those_of_this_process(facts: dict[str, Any]) -> None:
    assert facts["torch"]["version"] == torch.__version__
    assert facts["torch"]["threads"] == torch.get_num_threads()
    assert facts["torch"]["devices"][0] == "cpu"
    assert facts["native"]["built"] == has_native()


def test_every_operator_is_listed_with_the_backend_that_auto_takes(facts: dict[str, Any]) -> None:
    expected = "native" if has_native() else "torch"
    assert facts["backends"]["ssim"]["cpu"] == expected
    assert facts["backends"]["ssim"]["cuda"] == "torch"


def test_facts_are_written_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", str(tmp_path / "doctor.json")]) == 0
    written = json.loads((tmp_path / "doctor.json").read_text())
    assert set(written) >= {"python", "torch", "native", "backends", "system", "extras"}
    assert "python" in capsys.readouterr().out


def test_json_can_go_to_the_console_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "-"]) == 0
    assert "python" in json.loads(capsys.readouterr().out)


def test_missing_kernels_are_said_with_the_way_to_them(facts: dict[str, Any]) -> None:
    shown = "\n".join(report({**facts, "native": {"built": False}}))
    assert "NOT BUILT" in shown
    assert "SPARSE3D_REQUIRE_NATIVE=1" in shown


def test_missing_packages_are_said_with_the_way_to_them(
    facts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    version = diagnosis._version
    monkeypatch.setattr(
        diagnosis, "_version", lambda name: None if name == "open3d" else version(name)
    )
    viewer = diagnosis._extra("viewer", "looking")
    assert viewer["packages"]["open3d"] is None
    assert viewer["packages"]["viser"] is not None
    assert viewer["install"].endswith("-m pip install 'open3d==0.19.0'")
    shown = "\n".join(report({**facts, "extras": {"viewer": viewer}}))
    assert "open3d MISSING" in shown
    assert viewer["install"] in shown


def test_missing_libraries_are_said_with_the_way_to_them(
    facts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = system.Need("libexample1", "an example", lambda: False, frozenset({"test"}))
    there = system.Need("libthere1", "an example", lambda: True, frozenset({"test"}))
    monkeypatch.setattr(system, "NEEDS", (lost, there))
    monkeypatch.setattr("sys.platform", "linux")
    shown = "\n".join(report({**facts, "system": diagnosis._system()}))
    assert "missing: libexample1 (an example)" in shown
    assert "sudo apt-get install -y --no-install-recommends libexample1" in shown
    assert "libthere1" not in shown
