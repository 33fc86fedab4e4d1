"""The sparse 3D backbone of SECOND: submanifold stages with strided convolutions between them."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from sparse3d.nn.sparse import SparseTensor, to_dense
from sparse3d.nn.sparse_blocks import ConvBlock
from sparse3d.ops.neighbours import Kernel

__all__ = ["SparseEncoder"]

_SAME = Kernel()
_HALF = Kernel(stride=(2, 2, 2))


class SparseEncoder(nn.Module):
    """Voxels in, a bird's eye view out (Yan et al. 2018, "SECOND", section 3.1.2).

    Every stage but the first begins with a convolution of stride 2. At the end the cells of a
    column are laid side by side as channels.

    Args:
        shape: Cells of the voxel grid along x, y, z.
        inputs: Features a voxel.
        channels: Of each stage.
        layers: Submanifold convolutions of each stage.
        momentum: Of the batch norms' running statistics.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        inputs: int,
        channels: Sequence[int],
        layers: Sequence[int],
        momentum: float,
    ) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        for stage, (width, count) in enumerate(zip(channels, layers, strict=True)):
            if stage:
                steps.append(ConvBlock(inputs, width, _HALF, momentum))
                shape, inputs = _HALF.output_shape(shape), width
            for _ in range(count):
                steps.append(ConvBlock(inputs, width, _SAME, momentum))
                inputs = width
        self.steps = nn.Sequential(*steps)
        self.stride = 2 ** (len(channels) - 1)
        """Voxels along an edge of a cell of the bird's eye view."""
        self.outputs = inputs * shape[2]
        """Channels of the bird's eye view."""

    def forward(self, voxels: SparseTensor) -> Float[Tensor, "b c x y"]:
        """The bird's eye view, zero where nothing is."""
        dense = to_dense(self.steps(voxels))
        return dense.permute(0, 1, 4, 2, 3).flatten(1, 2)
