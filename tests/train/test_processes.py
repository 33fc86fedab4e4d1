"""Several processes: averaged gradients, equal parameters, errors that arrive."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sparse3d.errors import ConfigError
from sparse3d.train.gradients import average_gradients
from sparse3d.train.processes import SingleProcess, launch
from sparse3d.train.settings import TrainSettings


class Beside(SingleProcess):
    """One of several processes; what the others would send is given."""

    def __init__(self, *others: Tensor) -> None:
        self.world_size = len(others) + 1
        self._others = others

    def sum(self, values: Tensor) -> Tensor:
        """Add what the others have."""
        return values + sum(self._others)


def parameters(*grads: Tensor | None) -> list[nn.Parameter]:
    made = [
        nn.Parameter(torch.zeros(2, 2)),
        nn.Parameter(torch.zeros(3)),
        nn.Parameter(torch.zeros(1)),
    ]
    for parameter, grad in zip(made, grads, strict=True):
        parameter.grad = grad
    return made


def test_gradients_become_their_mean() -> None:
    square, row = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([5.0, 6.0, 7.0])
    ours = parameters(square.clone(), None, None)
    others = torch.cat([10 * square.flatten(), row, torch.zeros(1), torch.tensor([1.0, 1.0, 0.0])])
    average_gradients(ours, Beside(others))
    assert ours[0].grad is not None
    assert ours[1].grad is not None
    torch.testing.assert_close(ours[0].grad, 5.5 * square)
    torch.testing.assert_close(ours[1].grad, row / 2)
    assert ours[2].grad is None


def test_alone_gradients_stay_as_they_are() -> None:
    grad = torch.ones(2, 2)
    ours = parameters(grad, None, None)
    average_gradients(ours, SingleProcess())
    assert ours[0].grad is grad
    average_gradients([], Beside(torch.zeros(0)))


def test_one_process_on_the_cpu_needs_no_fabric(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    processes: Any = launch(TrainSettings(), lambda processes: processes)
    assert (processes.rank, processes.world_size, processes.gather(3)) == (0, 1, [3])


@pytest.mark.parametrize("name", ["devices", "checkpoint_every", "log_every"])
@pytest.mark.parametrize("count", [0, -1])
def test_counts_below_one_are_refused(name: str, count: int) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be at least 1, got {count}"):
        replace(TrainSettings(), **{name: count})


@pytest.mark.slow
def test_the_result_of_the_first_process_comes_back(tmp_path: Path) -> None:
    command = [sys.executable, str(Path(__file__).with_name("toy.py")), str(tmp_path), "report"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


def test_two_processes_end_with_the_same_parameters(tmp_path: Path) -> None:
    """Different batches in each, resized parameters, and a user's error in the second."""
    script = Path(__file__).with_name("toy.py")
    command = [sys.executable, str(script), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    first, second = (torch.load(tmp_path / f"2-{rank}.pt", weights_only=True) for rank in (0, 1))
    assert torch.equal(first["rows"], second["rows"])
    assert torch.equal(first["bias"], second["bias"])
    assert len(first["rows"]) == 4
    assert (tmp_path / "error.txt").read_text() == "UserError: photo 17 is missing"
