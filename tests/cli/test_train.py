"""``sparse3d train`` and ``sparse3d eval``: words in, runs and exit codes out."""

import importlib.util
import json
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sparse3d.cli import eval as eval_command
from sparse3d.cli import train as train_command
from sparse3d.errors import ConfigError, DataError
from sparse3d.scene import Scene
from sparse3d.train.methods import METHODS, Method
from sparse3d.train.run import Run

TOY = Path(__file__).parents[1] / "train" / "toy.py"


@pytest.fixture(scope="module")
def toy() -> ModuleType:
    specification = importlib.util.spec_from_file_location("toy_of_commands", TOY)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["toy_of_commands"] = module
    specification.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def workplace(toy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder with data, and a method ``toy`` beside the real ones."""

    def build(scene: Scene, config: Any, seed: int, cache: Path | None) -> Any:
        return toy.Toy(config, seed)

    (tmp_path / "toy.yaml").write_text("iterations: 4\n")
    (tmp_path / "scans").mkdir()
    method = Method("toy", "a toy", "toy.yaml", lambda: toy.ToyConfig, lambda: build)
    monkeypatch.setattr("sparse3d.train.methods.METHODS", (*METHODS, method))
    monkeypatch.setattr("sparse3d.train.methods.config_folder", lambda: tmp_path)
    monkeypatch.setattr("sparse3d.train.run.open_scene", lambda path: Scene(path.name))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(*words: str) -> int:
    return train_command.main(["toy", "--no-tensorboard", *words])


def test_training_and_evaluation_from_words(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--data", "scans", "--seed", "3", "--rates.start", "0.5", "--grow-every", "2"]
    assert train(*words) == 0
    run = Run.open(workplace / "runs" / "scans-toy")
    assert (run.seed, run.config.rates.start, run.config.grow_every) == (3, 0.5, 2)
    assert (run.config.iterations, run.config.rates.decay) == (4, 0.99)
    headline, place = capsys.readouterr().out.splitlines()
    assert headline.startswith("error ")
    assert "4 steps in" in headline
    assert place == "run: runs/scans-toy"

    assert eval_command.main([str(run.folder), "--json", "out.json"]) == 0
    assert capsys.readouterr().out.strip() == headline.split(" (")[0]
    values = json.loads((workplace / "out.json").read_text())
    assert values == json.loads(run.metrics.read_text())
    assert eval_command.main([str(run.folder), "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out) == values


def test_a_file_replaces_shipped_values_and_words_replace_the_file(workplace: Path) -> None:
    (workplace / "mine.yaml").write_text("iterations: 2\nrates: {start: 0.1, decay: 0.5}\n")
    assert train("--data", "scans", "--config", "mine.yaml", "--rates.decay", "0.7") == 0
    config = Run.open(workplace / "runs" / "scans-toy").config
    assert (config.iterations, config.rates.start, config.rates.decay) == (2, 0.1, 0.7)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_says_how_to_go_on(
    workplace: Path,
    toy: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
) -> None:
    original = toy.Toy.after_step

    def after_step(task: Any, step: int, optimizers: Any) -> None:
        original(task, step, optimizers)
        if step == 1:
            signal.raise_signal(number)

    monkeypatch.setattr(toy.Toy, "after_step", after_step)
    assert train("--data", "scans", "--out", "my run", "--iterations", "6") == 128 + number
    error = capsys.readouterr().err
    resume = "sparse3d train toy --out 'my run' --resume"
    assert f"stopped after 3 steps; resume: {resume}" in error
    assert train("--out", "my run", "--resume") == 0
    assert "6 steps in" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["toys"], "no method 'toys'; did you mean 'toy'"),
        (["--data", "x", "toy"], "the method comes first"),
        (["toy"], "--data PATH is missing"),
        (["toy", "--resume"], "--resume needs --out"),
        (["toy", "--data", "none"], "none: no such file or folder"),
        (["toy", "--data", "scans", "--config", "c.yaml"], r"c\.yaml: no such file"),
        (["toy", "--out", "scans", "--resume"], "scans: is no run"),
        (["toy", "--data", "scans", "--devices", "0"], "devices must be at least 1"),
    ],
)
def test_mistakes_are_named(workplace: Path, words: list[str], message: str) -> None:
    with pytest.raises((ConfigError, DataError), match=message):
        train_command.main(words)
    assert not (workplace / "runs").exists()


def test_an_unknown_value_is_answered_with_the_nearest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        train("--data", "scans", "--rates.strat", "1")
    assert caught.value.code == 2
    assert "--rates.start" in capsys.readouterr().err


def test_a_resumed_run_keeps_its_configuration() -> None:
    assert train("--data", "scans", "--out", "a") == 0
    with pytest.raises(ConfigError, match="a: was started with iterations = 4, not 5"):
        train("--out", "a", "--resume", "--iterations", "5")
    with pytest.raises(DataError, match="a: is not empty; --resume continues a run"):
        train("--data", "scans", "--out", "a")


def test_data_that_has_moved_is_found_again(workplace: Path) -> None:
    assert train("--data", "scans", "--out", "a") == 0
    (workplace / "scans").rename(workplace / "moved")
    assert train("--out", "a", "--resume", "--data", "moved") == 0
    assert Run.open(workplace / "a").data == (workplace / "moved").resolve()


@pytest.mark.parametrize("words", [["--help"], ["sparse-splat", "--help"]])
def test_help_needs_no_torch(words: list[str]) -> None:
    code = (
        "import sys; from sparse3d.cli.train import main\n"
        f"try: main({words})\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "sparse-splat" in done.stdout
