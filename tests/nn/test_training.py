"""What methods share of drawing frames and of taking over states."""

import pytest

from sparse3d.errors import ConfigError
from sparse3d.nn.training import check_origin, drawn_row


def test_every_row_comes_once_before_any_again() -> None:
    draws = [drawn_row(draw, 7, seed=3) for draw in range(21)]
    epochs = [draws[begin : begin + 7] for begin in (0, 7, 14)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert draws != [drawn_row(draw, 7, seed=4) for draw in range(21)]


def test_states_of_others_are_refused() -> None:
    state = {"method": "second", "setting": {"size": 1}}
    check_origin(state, "second", {"size": 1})
    with pytest.raises(ConfigError, match="checkpoint of 'second', expected 'sparse-unet'"):
        check_origin(state, "sparse-unet", {"size": 1})
    with pytest.raises(
        ConfigError, match=r"is for {'size': 1}; the configuration says {'size': 2}"
    ):
        check_origin(state, "second", {"size": 2})
    with pytest.raises(ConfigError, match="checkpoint of None"):
        check_origin({}, "second", {})
