"""Pooling of sparse tensors; cells without features do not count."""

from torch import nn

from sparse3d.nn.sparse import SparseTensor
from sparse3d.ops.neighbours import Kernel
from sparse3d.ops.pool import average_pool, average_unpool, max_pool

__all__ = ["SparseAvgPool3d", "SparseMaxPool3d", "SparseUnpool3d"]


class SparseMaxPool3d(nn.Module):
    """The largest of the features that each output reads, channel by channel.

    Args:
        kernel: Size and stride; the outputs are where those of a convolution are.
    """

    def __init__(self, kernel: Kernel) -> None:
        super().__init__()
        self.kernel = kernel

    def forward(self, tensor: SparseTensor) -> SparseTensor:
        """Pool."""
        outputs, rules = tensor.outputs(self.kernel)
        return outputs.with_features(max_pool(tensor.features, rules).features)


class SparseAvgPool3d(nn.Module):
    """The mean of the features that each output reads.

    Args:
        kernel: Size and stride; the outputs are where those of a convolution are.
    """

    def __init__(self, kernel: Kernel) -> None:
        super().__init__()
        self.kernel = kernel

    def forward(self, tensor: SparseTensor) -> SparseTensor:
        """Pool."""
        outputs, rules = tensor.outputs(self.kernel)
        return outputs.with_features(average_pool(tensor.features, rules))


class SparseUnpool3d(nn.Module):
    """Copies of features at the cells that they were pooled or convolved from.

    A cell that several of them have read gets their mean.

    Args:
        kernel: That of the layer to go back from.
    """

    def __init__(self, kernel: Kernel) -> None:
        super().__init__()
        self.kernel = kernel

    def forward(self, tensor: SparseTensor) -> SparseTensor:
        """Copy.

        Raises:
            ValueError: If the tensor does not come from a layer with this kernel.
        """
        origin = tensor.origin_of(self.kernel)
        return origin.tensor(average_unpool(tensor.features, origin.rulebook))
