"""Checkpoints of SECOND's encoder as OpenPCDet and mmdetection3d write them."""

import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from sparse3d.errors import DataError
from sparse3d.nn.convert import from_spconv, from_spconv1
from sparse3d.nn.sparse_blocks import ConvBlock
from sparse3d.nn.sparse_encoder import SparseEncoder, Squeeze
from sparse3d.ops.neighbours import Kernel

__all__ = ["read_weights", "second_encoder_state", "voxel_backbone_8x"]

_PREFIXES = ("backbone_3d.", "pts_middle_encoder.", "middle_encoder.")
"""Under which whole detectors of OpenPCDet and mmdetection3d hold their encoder."""
_VECTORS = ("weight", "bias", "running_mean", "running_var")
_STEPS = "num_batches_tracked"
"""Not in the oldest files."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name; nothing but tensors and plain data is ever loaded.

    Raises:
        DataError: If the file is missing, damaged, or holds no weights.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, OSError) as error:
        raise DataError(path, "a checkpoint was expected; missing, damaged or unsafe") from error
    for key in ("model_state", "state_dict"):  # of OpenPCDet, of mmdetection3d
        if isinstance(content, dict) and key in content:
            content = content[key]
    named = content.items() if isinstance(content, dict) else ()
    weights = {name: value for name, value in named if isinstance(value, Tensor)}
    if not weights:
        raise DataError(path, "a checkpoint with weights was expected, got none")
    return weights


def voxel_backbone_8x(
    shape: tuple[int, int, int], inputs: int, momentum: float = 0.01
) -> SparseEncoder:
    """The encoder of most published checkpoints of SECOND: OpenPCDet's ``VoxelBackBone8x``.

    mmdetection3d's ``SparseEncoder`` is the same as its configurations of SECOND set it. Both add a
    layer of cells to the grid at the top, which counts here: 41 cells along z for 4 m of 0.1 m.

    Args:
        shape: Cells of the voxel grid along x, y, z.
        inputs: Features a voxel.
        momentum: Of the batch norms' running statistics.
    """
    half, flat = Kernel(stride=(2, 2, 2)), Kernel(stride=(2, 2, 2), padding=(1, 1, 0))
    squeeze = Squeeze(128, Kernel((1, 1, 3), (1, 1, 2), padding=(0, 0, 0)))
    channels, layers = (16, 32, 64, 64), (2, 2, 2, 2)
    return SparseEncoder(
        *(shape, inputs, channels, layers, momentum),
        halvings=(half, half, flat),
        squeeze=squeeze,
    )


def second_encoder_state(
    weights: Mapping[str, Tensor], encoder: SparseEncoder
) -> dict[str, Tensor]:
    """The state for an encoder of ours from weights of OpenPCDet or mmdetection3d.

    They are those of OpenPCDet's ``VoxelBackBone8x`` or of mmdetection3d's ``SparseEncoder`` with
    blocks of the type ``conv_module``, alone or within a whole detector, in the layout of spconv 2,
    of spconv 1 or of mmcv; the shapes tell which.

    Args:
        weights: By name.
        encoder: It tells the number of layers and all shapes.

    Raises:
        ValueError: If weights are missing, left over, or of other shapes; the message names them.
    """
    weights = _of_encoder(weights)
    blocks = dict(zip(_names(weights, encoder), encoder.steps, strict=True))
    _check_names(weights, blocks)
    state: dict[str, Tensor] = {}
    for number, (name, block) in enumerate(blocks.items()):
        assert isinstance(block, ConvBlock)
        state[f"steps.{number}.conv.weight"] = _filters(f"{name}.0.weight", weights, block)
        for part, own in block.norm.state_dict().items():
            state[f"steps.{number}.norm.{part}"] = _vector(f"{name}.1.{part}", weights, own)
    return state


def _of_encoder(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without what belongs to other parts of a detector."""
    for prefix in _PREFIXES:
        inside = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
        if inside:
            return inside
    return dict(weights)


def _names(weights: Mapping[str, Tensor], encoder: SparseEncoder) -> list[str]:
    """Their name of each of our steps; the parts of a step are numbered 0 and 1."""
    of_mmdetection = any(name.startswith("encoder_layers.") for name in weights)
    stage = "encoder_layers.encoder_layer" if of_mmdetection else "conv"
    first, *others = encoder.stages
    names = ["conv_input", *(f"{stage}1.{at}" for at in range(first - 1))]
    for number, count in enumerate(others, start=2):
        names += [f"{stage}{number}.{at}" for at in range(count)]
    return [*names, "conv_out"] if encoder.squeezed else names


def _check_names(weights: Mapping[str, Tensor], blocks: Iterable[str]) -> None:
    needed = {f"{b}.0.weight" for b in blocks} | {f"{b}.1.{v}" for b in blocks for v in _VECTORS}
    if missing := sorted(needed - set(weights)):
        raise ValueError(f"weights that the encoder needs are missing: {_listed(missing)}")
    optional = {f"{b}.1.{_STEPS}" for b in blocks}
    if left := sorted(set(weights) - needed - optional):
        raise ValueError(f"the encoder has no place for the weights {_listed(left)}")


def _filters(name: str, weights: Mapping[str, Tensor], block: ConvBlock) -> Float[Tensor, "k i o"]:
    weight, (_, inputs, outputs) = weights[name], block.conv.weight.shape
    size = block.conv.kernel.size[::-1]
    if weight.shape == (outputs, *size, inputs):
        return from_spconv(weight)
    if weight.shape == (*size, inputs, outputs):
        return from_spconv1(weight)
    raise ValueError(
        f"{name} must have the shape {(outputs, *size, inputs)} or {(*size, inputs, outputs)},"
        f" got {tuple(weight.shape)}"
    )


def _vector(name: str, weights: Mapping[str, Tensor], own: Tensor) -> Tensor:
    vector = weights.get(name, torch.zeros_like(own))
    if vector.shape != own.shape:
        raise ValueError(
            f"{name} must have the shape {tuple(own.shape)}, got {tuple(vector.shape)}"
        )
    return vector


def _listed(names: list[str]) -> str:
    others = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + others
