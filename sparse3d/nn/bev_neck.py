"""2D convolutions over the bird's eye view at several scales."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["BevNeck", "conv_block"]


def conv_block(inputs: int, outputs: int, stride: int, momentum: float) -> nn.Sequential:
    """3x3 convolution, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs, eps=1e-3, momentum=momentum),
        nn.ReLU(),
    )


class BevNeck(nn.Module):
    """Blocks of ever coarser scale, brought to one resolution and laid side by side.

    The region proposal network of SECOND (Yan et al. 2018, section 3.1.3) without its heads. The
    first block keeps the resolution, each further one halves it.

    Args:
        inputs: Channels in.
        channels: Of each block.
        layers: Convolutions of each block.
        outputs: Channels to which each block contributes.
        upsample: Cells of the result along an edge of an input cell.
        momentum: Of the batch norms' running statistics.
    """

    def __init__(
        self,
        inputs: int,
        channels: Sequence[int],
        layers: Sequence[int],
        outputs: int,
        upsample: int,
        momentum: float,
    ) -> None:
        super().__init__()
        self.blocks, self.ups = nn.ModuleList(), nn.ModuleList()
        for number, (width, count) in enumerate(zip(channels, layers, strict=True)):
            steps = [conv_block(inputs, width, 2 if number else 1, momentum)]
            steps += [conv_block(width, width, 1, momentum) for _ in range(count - 1)]
            self.blocks.append(nn.Sequential(*steps))
            self.ups.append(_up(width, outputs, upsample * 2**number, momentum))
            inputs = width
        self.outputs = outputs * len(channels)
        """Channels out."""
        self.upsample = upsample

    def forward(self, bev: Float[Tensor, "b c x y"]) -> Float[Tensor, "b o u v"]:
        """Features of ``upsample`` times the resolution."""
        width, height = (edge * self.upsample for edge in bev.shape[2:])
        levels = []
        for block, up in zip(self.blocks, self.ups, strict=True):
            bev = block(bev)
            levels.append(up(bev)[:, :, :width, :height])  # odd sizes come back one cell larger
        return torch.cat(levels, dim=1)


def _up(inputs: int, outputs: int, factor: int, momentum: float) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, factor, stride=factor, bias=False),
        nn.BatchNorm2d(outputs, eps=1e-3, momentum=momentum),
        nn.ReLU(),
    )
