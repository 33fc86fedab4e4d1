"""The set-up script: does what is missing, once, and asks where it may not do it."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from sparse3d.cli import system

ROOT = Path(__file__).resolve().parents[1]
NEED = system.Need("libexample1", "an example", lambda: False, frozenset({"test"}))


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, working on a small project in ``tmp_path`` and running no command."""
    spec = importlib.util.spec_from_file_location("set_up", ROOT / "scripts" / "set_up.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ("pyproject.toml", "constraints.txt", "CMakeLists.txt", "native/a.cpp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{name}\ntorch==2.5.0 ; marker\ntorchvision==0.20.0\n")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "CONSTRAINTS", tmp_path / "constraints.txt")
    monkeypatch.setattr(module, "__file__", str(tmp_path / "CMakeLists.txt"))
    monkeypatch.setattr(module, "STAMP", tmp_path / "stamp.json")
    monkeypatch.setattr(module, "PYTHON", tmp_path / "python")
    (tmp_path / "python").touch()
    return module


@pytest.fixture
def ran(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that the script would have run."""
    commands: list[list[str]] = []

    def record(*words: str | Path, **_: object) -> int:
        commands.append([str(word) for word in words])
        return 0

    monkeypatch.setattr(script, "run", record)
    return commands


def stamp(script: ModuleType, *sets: str) -> None:
    script.STAMP.write_text(json.dumps({"sets": sets, "key": script.key_of_inputs()}))


def test_a_set_that_was_installed_is_up_to_date(script: ModuleType) -> None:
    assert not script.is_up_to_date("demo")
    stamp(script, "demo")
    assert script.is_up_to_date("demo")
    assert not script.is_up_to_date("test")


def test_the_test_set_holds_the_demo_set(script: ModuleType) -> None:
    stamp(script, "test")
    assert script.is_up_to_date("demo")


@pytest.mark.parametrize("changed", ["pyproject.toml", "constraints.txt", "native/b.cpp"])
def test_a_changed_input_asks_for_another_run(script: ModuleType, changed: str) -> None:
    stamp(script, "test")
    (script.ROOT / changed).write_text("changed")
    assert not script.is_up_to_date("test")
    assert script.installed_sets() == {"test"}


def test_an_environment_that_is_gone_is_not_up_to_date(script: ModuleType) -> None:
    stamp(script, "test")
    script.PYTHON.unlink()
    assert not script.is_up_to_date("test")


def test_root_installs_what_is_missing(
    script: ModuleType, ran: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "root_prefix", lambda: ["sudo"])
    script.install_system([NEED], optional=False)
    assert [command[:3] for command in ran] == [
        ["sudo", "apt-get", "update"],
        ["sudo", "apt-get", "install"],
    ]
    assert "libexample1" in ran[1]


def test_others_are_told_the_line_to_run(
    script: ModuleType, ran: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "root_prefix", lambda: None)
    with pytest.raises(script.SetUpError, match=r"apt-get install .* libexample1"):
        script.install_system([NEED], optional=False)
    assert ran == []


def test_what_is_optional_does_not_stop_them(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "root_prefix", lambda: None)
    script.install_system([NEED], optional=True)
    assert "libexample1" in capsys.readouterr().out


def test_nothing_is_asked_for_where_nothing_is_missing(
    script: ModuleType, ran: list[list[str]]
) -> None:
    script.install_system([], optional=False)
    assert ran == []


def test_pins_are_found_by_their_whole_name(script: ModuleType) -> None:
    assert script.pinned("torch") == "2.5.0"
    assert script.pinned("torchvision") == "0.20.0"


def test_cpu_wheels_are_taken_where_all_can_be_had(
    script: ModuleType, ran: list[list[str]]
) -> None:
    script.install_cpu_torch(("torch", "torchvision"))
    assert len(ran) == 2
    assert "--dry-run" in ran[0]
    assert {"torch==2.5.0", "torchvision==0.20.0", script.CPU_WHEELS} <= set(ran[1])


def test_default_wheels_are_taken_and_said_where_there_are_no_others(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "run", lambda *_, **__: 1)
    script.install_cpu_torch(("torch",))
    assert "default wheels" in capsys.readouterr().out


def test_the_index_given_to_pip_is_given_to_uv(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIP_FIND_LINKS", "UV_DEFAULT_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://other.example/simple")
    monkeypatch.setenv("UV_INDEX", "https://chosen.example/simple")
    assert script.index_for_uv() == {"UV_DEFAULT_INDEX": "https://mirror.example/simple"}


def test_a_wrong_set_is_a_usage_error(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["set_up.py", "everything"])
    assert script.main() == 2
    assert "demo,test" in capsys.readouterr().err
