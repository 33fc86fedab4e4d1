"""Global random states come back, switches are put back, stops are noted."""

import os
import random
import signal
import threading

import numpy as np
import pytest
import torch

from sparse3d.train.environment import (
    Environment,
    describe,
    deterministic,
    random_state,
    seed_everything,
    set_random_state,
)
from sparse3d.train.stopping import StopRequest


def draw() -> list[float]:
    legacy = np.random.normal(size=3)  # noqa: NPY002 # the global state is what is tested
    return [random.gauss(0, 1), random.random(), *legacy, *torch.randn(3).tolist()]


def test_random_numbers_continue_where_the_state_was_taken() -> None:
    seed_everything(5)
    draw()  # leaves half a pair of normal numbers in each generator
    state = random_state()
    expected = draw()
    seed_everything(6)
    assert draw() != expected
    set_random_state(state)
    assert draw() == expected


@pytest.mark.parametrize("seed", [0, 1, 2**40])
def test_seeds_decide_all_generators(seed: int) -> None:
    seed_everything(seed)
    first = draw()
    seed_everything(seed)
    assert draw() == first
    seed_everything(seed + 1)
    assert all(a != b for a, b in zip(draw(), first, strict=True))


def test_determinism_ends_with_its_block() -> None:
    with deterministic(torch.device("cpu")):
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.is_deterministic_algorithms_warn_only_enabled()
    assert not torch.are_deterministic_algorithms_enabled()
    with deterministic(torch.device("meta")):
        assert torch.is_deterministic_algorithms_warn_only_enabled()


def test_the_environment_is_described() -> None:
    current = Environment.current()
    assert current.threads == torch.get_num_threads()
    assert current.torch in describe()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted_and_handlers_come_back(
    number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with StopRequest() as stop:
        assert stop.signal is None
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.signal == number
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    assert capfd.readouterr().err.count("stopping after this step") == 1


def test_a_second_ctrl_c_stops_at_once() -> None:
    with StopRequest(announce=False):
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_in_another_thread_nothing_is_caught() -> None:
    found: list[bool] = []

    def enter() -> None:
        with StopRequest() as stop:
            found.append(stop.signal is None)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [True]
