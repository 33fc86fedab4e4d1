"""Files of predicted labels."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sparse3d.scene import Frame
from sparse3d.segment.results import prediction_file, write_prediction


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("08/000123", "sequences/08/predictions/000123.label"),
        ("sweep 7", "predictions/sweep_7.label"),
        ("../up/0", "sequences/__up/predictions/0.label"),
        ("../..", "sequences/_/predictions/_.label"),
    ],
)
def test_places(name: str, file: str) -> None:
    assert prediction_file(Frame(name)) == Path(file)


def test_files_hold_one_uint32_a_point(tmp_path: Path) -> None:
    path = write_prediction(tmp_path, Frame("11/000004"), torch.tensor([40, 0, 259]))
    assert path == tmp_path / "sequences/11/predictions/000004.label"
    assert np.fromfile(path, "<u4").tolist() == [40, 0, 259]
