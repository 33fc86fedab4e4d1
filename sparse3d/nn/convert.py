"""Weights from and to the layouts of spconv, mmcv and ocnn.

Ours are matrices ``[inputs, outputs]`` in the order of ``Kernel.offsets``: x slowest, z fastest.
spconv and mmcv keep one axis for each of z, y and x; spconv 2 puts the outputs first and the inputs
last, spconv 1 and mmcv put both last. The inverse convolutions of all of them have the layout of
the others. ocnn orders offsets as we do.
"""

from jaxtyping import Float
from torch import Tensor

__all__ = [
    "from_ocnn_deconvolution",
    "from_spconv",
    "from_spconv1",
    "to_ocnn_deconvolution",
    "to_spconv",
    "to_spconv1",
]

Triple = tuple[int, int, int]


def from_spconv(weight: Float[Tensor, "o z y x i"]) -> Float[Tensor, "k i o"]:
    """A weight of spconv 2."""
    return weight.permute(3, 2, 1, 4, 0).flatten(0, 2).contiguous()


def to_spconv(weight: Float[Tensor, "k i o"], size: Triple) -> Float[Tensor, "o z y x i"]:
    """A weight for spconv 2.

    Args:
        weight: Ours.
        size: Of the kernel along x, y, z.
    """
    return weight.unflatten(0, size).permute(4, 2, 1, 0, 3).contiguous()


def from_spconv1(weight: Float[Tensor, "z y x i o"]) -> Float[Tensor, "k i o"]:
    """A weight of spconv 1 or mmcv."""
    return weight.permute(2, 1, 0, 3, 4).flatten(0, 2).contiguous()


def to_spconv1(weight: Float[Tensor, "k i o"], size: Triple) -> Float[Tensor, "z y x i o"]:
    """A weight for spconv 1 or mmcv.

    Args:
        weight: Ours.
        size: Of the kernel along x, y, z.
    """
    return weight.unflatten(0, size).permute(2, 1, 0, 3, 4).contiguous()


def from_ocnn_deconvolution(weight: Float[Tensor, "k o i"], stride: int) -> Float[Tensor, "k i o"]:
    """A weight of ocnn's ``OctreeDeconv``; those of ``OctreeConv`` are as ours.

    Theirs is that of the convolution which it transposes, so inputs and outputs change places, and
    without stride so do opposite offsets.
    """
    return (weight.flip(0) if stride == 1 else weight).transpose(1, 2).contiguous()


def to_ocnn_deconvolution(weight: Float[Tensor, "k i o"], stride: int) -> Float[Tensor, "k o i"]:
    """A weight for ocnn's ``OctreeDeconv``, see :func:`from_ocnn_deconvolution`."""
    return (weight.flip(0) if stride == 1 else weight).transpose(1, 2).contiguous()
