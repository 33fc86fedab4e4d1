"""The sparse 3D backbone of SECOND: submanifold stages with strided convolutions between them."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from sparse3d.nn.sparse import SparseTensor, to_birds_eye
from sparse3d.nn.sparse_blocks import ConvBlock
from sparse3d.ops.neighbours import Kernel

__all__ = ["SparseEncoder", "Squeeze"]

_SAME = Kernel()
_HALF = Kernel(stride=(2, 2, 2))


class Squeeze(NamedTuple):
    """A last convolution that makes columns shorter."""

    outputs: int
    """Channels out."""
    kernel: Kernel
    """With a stride along z."""


class SparseEncoder(nn.Module):
    """Voxels in, a bird's eye view out (Yan et al. 2018, "SECOND", section 3.1.2).

    Every stage but the first begins with a strided convolution. At the end the cells of a column
    are laid side by side as channels.

    Args:
        shape: Cells of the voxel grid along x, y, z.
        inputs: Features a voxel.
        channels: Of each stage.
        layers: Submanifold convolutions of each stage.
        momentum: Of the batch norms' running statistics.
        halvings: Kernels of the strided convolutions, if other than of size 3 and stride 2.
        squeeze: The convolution after the last stage, if any.

    Raises:
        ValueError: If there are not as many layers as channels, and a halving fewer.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        inputs: int,
        channels: Sequence[int],
        layers: Sequence[int],
        momentum: float,
        *,
        halvings: Sequence[Kernel] | None = None,
        squeeze: Squeeze | None = None,
    ) -> None:
        super().__init__()
        halvings = [_HALF] * (len(channels) - 1) if halvings is None else halvings
        if not len(channels) == len(layers) == len(halvings) + 1:
            raise ValueError(
                f"as many layers as channels and a halving fewer expected, got {len(layers)},"
                f" {len(channels)} and {len(halvings)}"
            )
        plan: list[tuple[int, Kernel]] = []
        for width, count, entry in zip(
            channels, layers, [[], *([k] for k in halvings)], strict=True
        ):
            plan += [(width, kernel) for kernel in (*entry, *[_SAME] * count)]
        self.stages = tuple(n + bool(stage) for stage, n in enumerate(layers))
        """Convolutions of each stage."""
        self.squeezed = squeeze is not None
        """Whether there is one more after the last stage."""
        steps: list[nn.Module] = []
        for width, kernel in plan if squeeze is None else [*plan, squeeze]:
            steps.append(ConvBlock(inputs, width, kernel, momentum))
            shape, inputs = kernel.output_shape(shape), width
        self.steps = nn.Sequential(*steps)
        self.stride = math.prod(kernel.stride[0] for _, kernel in plan)
        """Voxels along an edge of a cell of the bird's eye view."""
        self.outputs = inputs * shape[2]
        """Channels of the bird's eye view."""

    def forward(self, voxels: SparseTensor) -> Float[Tensor, "b c x y"]:
        """The bird's eye view, zero where nothing is."""
        return to_birds_eye(self.steps(voxels))
