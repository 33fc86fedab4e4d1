"""Ids to class numbers and back, on the published map and on made-up ones."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparse3d.data.segmentation.classes import ClassMap
from sparse3d.data.segmentation.config import DataConfig

PUBLISHED = {
    0: 0,
    1: 0,
    10: 1,
    11: 2,
    13: 5,
    15: 3,
    16: 5,
    18: 4,
    20: 5,
    30: 6,
    31: 7,
    32: 8,
    40: 9,
    44: 10,
    48: 11,
    49: 12,
    50: 13,
    51: 14,
    52: 0,
    60: 9,
    70: 15,
    71: 16,
    72: 17,
    80: 18,
    81: 19,
    99: 0,
    252: 1,
    253: 7,
    254: 6,
    255: 8,
    256: 5,
    257: 5,
    258: 4,
    259: 5,
}
"""``learning_map`` of the semantic-kitti-api, copied by number."""
WRITTEN = [0, 10, 11, 15, 18, 20, 30, 31, 32, 40, 44, 48, 49, 50, 51, 70, 71, 72, 80, 81]
"""Its ``learning_map_inv``."""


def test_the_published_map() -> None:
    classes = ClassMap.of(DataConfig())
    ids = torch.tensor(list(PUBLISHED), dtype=torch.int32)
    assert classes.to_numbers(ids).tolist() == list(PUBLISHED.values())
    assert classes.to_ids(torch.arange(20)).tolist() == WRITTEN
    assert (classes.names[0], classes.names[8], classes.names[18]) == (
        "car",
        "road",
        "traffic-sign",
    )


@given(st.lists(st.integers(0, 19)))
def test_numbers_come_back(numbers: list[int]) -> None:
    classes = ClassMap.of(DataConfig())
    given_numbers = torch.tensor(numbers, dtype=torch.int64)
    assert torch.equal(classes.to_numbers(classes.to_ids(given_numbers)), given_numbers)


@pytest.mark.parametrize("dtype", [torch.int16, torch.int32, torch.int64, torch.uint8])
def test_any_integers_and_none(dtype: torch.dtype) -> None:
    classes = ClassMap.of(DataConfig(classes=("b=7,3", "a=0"), ignored=(9,)))
    assert classes.to_numbers(torch.tensor([3, 0, 9, 7], dtype=dtype)).tolist() == [1, 2, 0, 1]
    assert len(classes.to_numbers(torch.zeros(0, dtype=dtype))) == 0


@pytest.mark.parametrize("bad", [2, -1, 65536, 1 << 40])
def test_unknown_ids_are_listed(bad: int) -> None:
    with pytest.raises(ValueError, match=rf"classes and ignored name expected, got {bad}$"):
        ClassMap.of(DataConfig()).to_numbers(torch.tensor([10, bad, 0, bad]))
