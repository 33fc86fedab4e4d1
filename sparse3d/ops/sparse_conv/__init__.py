"""Convolution of features that are known at some cells of a grid only."""

from jaxtyping import Float
from torch import Tensor

from sparse3d.ops.neighbours import Rulebook
from sparse3d.ops.sparse_conv import _torch

__all__ = ["sparse_conv"]


def sparse_conv(
    features: Float[Tensor, "n i"], weight: Float[Tensor, "k i o"], rulebook: Rulebook
) -> Float[Tensor, "m o"]:
    """Sum over the kernel's offsets of the inputs there times the weight of the offset.

    Cells without features count as zero. Gradients flow to features and weight. The sums are taken
    in a fixed order.

    Args:
        features: Inputs, one row a cell.
        weight: A matrix for every offset, in the order of ``Kernel.offsets``.
        rulebook: Of the grid and the kernel.

    Raises:
        ValueError: If shapes do not fit the rulebook, or dtypes differ.
    """
    if len(features) != rulebook.inputs or len(weight) != len(rulebook.counts):
        raise ValueError(
            f"the rulebook is for {rulebook.inputs} inputs and {len(rulebook.counts)} offsets,"
            f" got {len(features)} and {len(weight)}"
        )
    if features.dtype != weight.dtype:
        raise ValueError(f"one dtype expected, got {features.dtype} and {weight.dtype}")
    return _torch.sparse_conv(features, weight, rulebook)
