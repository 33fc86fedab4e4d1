"""Frames come in order and with the same bits, whoever makes them."""

import pytest
import torch

from sparse3d.data.simulate.street.ahead import FramesAhead
from sparse3d.data.simulate.street.frames import simulate_frame


def test_other_processes_make_the_same_frames() -> None:
    with FramesAhead(3, 3, with_image=False, processes=2) as ahead:
        made = [ahead.take(i) for i in range(3)]
    for index, frame in enumerate(made):
        wanted = simulate_frame(3, index)
        assert torch.equal(frame.points.positions, wanted.points.positions)
        assert torch.equal(frame.boxes.rows(), wanted.boxes.rows())
        assert frame.boxes.names == wanted.boxes.names


def test_an_early_end_leaves_no_process_behind() -> None:
    with FramesAhead(0, 100, with_image=False, processes=2) as ahead:
        ahead.take(0)
        with pytest.raises(ValueError, match="frame 1 is next, got 5"):
            ahead.take(5)
        pool = ahead._pool
    assert pool is not None
    assert not pool._processes
