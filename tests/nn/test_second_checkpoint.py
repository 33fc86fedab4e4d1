"""Checkpoints of OpenPCDet and mmdetection3d in our encoder, against spconv's forward."""

from collections import OrderedDict
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from sparse3d.errors import DataError
from sparse3d.nn.convert import from_spconv, to_spconv1
from sparse3d.nn.second_checkpoint import (
    read_weights,
    second_encoder_state,
    voxel_backbone_8x,
)
from sparse3d.nn.sparse import SparseTensor
from sparse3d.nn.sparse_blocks import ConvBlock
from sparse3d.nn.sparse_encoder import SparseEncoder, Squeeze
from sparse3d.ops.neighbours import Kernel
from sparse3d.scene.sparse_grid import SparseGrid

SHAPE = (17, 14, 21)
HALVINGS = (Kernel(stride=(2, 2, 2)), Kernel(stride=(2, 2, 2), padding=(1, 1, 0)))
SQUEEZE = Squeeze(12, Kernel((1, 1, 3), (1, 1, 2), padding=(0, 0, 0)))
NORM = {"weight": 1, "bias": 0, "running_mean": 0, "running_var": 1}


def encoder() -> SparseEncoder:
    sizes = ((5, 6, 8), (2, 2, 1), 0.01)
    return SparseEncoder(SHAPE, 4, *sizes, halvings=HALVINGS, squeeze=SQUEEZE)


def names(family: str) -> list[str]:
    return [
        "conv_input",
        *(family + each for each in ("1.0", "2.0", "2.1", "2.2", "3.0", "3.1")),
        "conv_out",
    ]


def random_weights(family: str) -> dict[str, Tensor]:
    """As spconv 2 would save them."""
    rng = torch.Generator().manual_seed(1)
    widths = [4, 5, 5, 6, 6, 6, 8, 8, 12]
    weights: dict[str, Tensor] = {}
    for at, name in enumerate(names(family)):
        inputs, outputs = widths[at : at + 2]
        size = (3, 1, 1) if name == "conv_out" else (3, 3, 3)
        weights[f"{name}.0.weight"] = 0.3 * torch.randn(outputs, *size, inputs, generator=rng)
        for part, about in NORM.items():
            values = about + 0.3 * torch.rand(outputs, generator=rng)
            weights[f"{name}.1.{part}"] = values
        weights[f"{name}.1.num_batches_tracked"] = torch.tensor(7 + at)
    return weights


def in_spconv(spconv: ModuleType, weights: dict[str, Tensor]) -> nn.Module:
    """The same layers in spconv, named as in OpenPCDet."""

    def block(kind: str, inputs: int, outputs: int) -> nn.Module:
        if kind == "down":
            conv = spconv.SparseConv3d(inputs, outputs, 3, 2, padding=1, bias=False)
        elif kind == "flat":
            conv = spconv.SparseConv3d(inputs, outputs, 3, 2, padding=(0, 1, 1), bias=False)
        elif kind == "squeeze":
            conv = spconv.SparseConv3d(inputs, outputs, (3, 1, 1), (2, 1, 1), bias=False)
        else:
            conv = spconv.SubMConv3d(inputs, outputs, 3, bias=False)
        return spconv.SparseSequential(conv, nn.BatchNorm1d(outputs, eps=1e-3), nn.ReLU())

    network = spconv.SparseSequential(
        OrderedDict(
            conv_input=block("same", 4, 5),
            conv1=spconv.SparseSequential(block("same", 5, 5)),
            conv2=spconv.SparseSequential(
                block("down", 5, 6), block("same", 6, 6), block("same", 6, 6)
            ),
            conv3=spconv.SparseSequential(block("flat", 6, 8), block("same", 8, 8)),
            conv_out=block("squeeze", 8, 12),
        )
    )
    network.load_state_dict(weights)
    return network.eval()


@pytest.mark.parametrize("family", ["conv", "encoder_layers.encoder_layer"])
def test_the_converted_encoder_computes_what_spconv_does(
    family: str, spconv: ModuleType, dense: ModuleType, tmp_path: Path
) -> None:
    path = tmp_path / "second.pth"
    weights = random_weights(family)
    whole = {f"backbone_3d.{name}": value for name, value in weights.items()}
    torch.save({"model_state": {**whole, "dense_head.conv_cls.bias": torch.ones(3)}}, path)
    ours = encoder().eval()
    ours.load_state_dict(second_encoder_state(read_weights(path), ours))
    grid = dense.random_grid(2, SHAPE, 0.1)
    features = torch.randn(len(grid), 4)
    cells = grid.coordinates()[:, [0, 3, 2, 1]].int().contiguous()
    theirs = in_spconv(spconv, random_weights("conv"))
    with torch.no_grad():
        wanted = theirs(spconv.SparseConvTensor(features, cells, list(SHAPE[::-1]), 2)).dense()
    got = ours(SparseTensor(grid, features))
    assert torch.allclose(got.transpose(2, 3), wanted.flatten(1, 2), rtol=1e-4, atol=1e-4)
    assert int(ours.state_dict()["steps.0.norm.num_batches_tracked"]) == 7


def test_the_published_encoder_has_the_shapes_of_its_papers_grid() -> None:
    network = voxel_backbone_8x((1408, 1600, 41), 4).eval()
    assert (network.stride, network.outputs) == (8, 256)
    cells = torch.tensor([[0, 1407, 1599, 40], [0, 3, 5, 0]])
    grid = SparseGrid.of_coordinates(cells, (1408, 1600, 41), 1)
    assert network(SparseTensor(grid, torch.ones(2, 4))).shape == (1, 256, 176, 200)
    kernels = [step.conv.kernel for step in network.steps if isinstance(step, ConvBlock)]
    assert len(kernels) == 12
    assert sum(kernel.submanifold for kernel in kernels) == 8


def test_the_older_layout_is_told_by_its_shape() -> None:
    weights = random_weights("conv")
    for name, value in weights.items():
        if value.ndim == 5:
            size = (1, 1, 3) if "out" in name else (3, 3, 3)
            weights[name] = to_spconv1(from_spconv(value), size)
    older = second_encoder_state(weights, encoder())
    newer = second_encoder_state(random_weights("conv"), encoder())
    assert older.keys() == newer.keys() == encoder().state_dict().keys()
    assert all(torch.equal(older[name], newer[name]) for name in newer)


def test_counts_of_steps_may_be_missing() -> None:
    weights = {k: v for k, v in random_weights("conv").items() if "num_batches" not in k}
    state = second_encoder_state(weights, encoder())
    assert int(state["steps.3.norm.num_batches_tracked"]) == 0
    encoder().load_state_dict(state)


def test_what_does_not_match_is_named() -> None:
    weights = random_weights("conv")
    without = {k: v for k, v in weights.items() if not k.startswith("conv2.1")}
    with pytest.raises(ValueError, match=r"missing: conv2\.1\.0\.weight, conv2\.1\.1\.bias"):
        second_encoder_state(without, encoder())
    with pytest.raises(ValueError, match=r"no place for the weights conv5\.0\.0\.weight$"):
        second_encoder_state({**weights, "conv5.0.0.weight": torch.zeros(1)}, encoder())
    with pytest.raises(ValueError, match=r"conv3\.0\.0\.weight must have the shape \(8, 3, 3, 3"):
        second_encoder_state({**weights, "conv3.0.0.weight": torch.zeros(9, 3, 3, 3, 6)}, encoder())
    with pytest.raises(ValueError, match=r"conv1\.0\.1\.bias must have the shape \(5,\)"):
        second_encoder_state({**weights, "conv1.0.1.bias": torch.zeros(6)}, encoder())
    with pytest.raises(ValueError, match="and 36 more"):
        second_encoder_state({"other": torch.zeros(1)}, encoder())


def test_files_without_weights_are_refused(tmp_path: Path) -> None:
    for name, content in {"empty.pth": {}, "list.pth": [1], "unsafe.pth": {"a": Path()}}.items():
        torch.save(content, tmp_path / name)
        with pytest.raises(DataError, match=name):
            read_weights(tmp_path / name)
    (tmp_path / "torn.pth").write_bytes(b"PK\x03\x04torn")
    for name in ("torn.pth", "missing.pth"):
        with pytest.raises(DataError, match=name):
            read_weights(tmp_path / name)
