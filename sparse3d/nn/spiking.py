"""Spiking layers on sparse tensors, after E-3DSNN.

Qiu et al. 2025, "Efficient 3D Recognition with Event-driven Spike Sparse Convolution": while it is
trained a neuron gives the number of its spikes as an integer; at inference the same number comes as
binary spikes over as many steps, so that a convolution only adds weights.
"""

from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from sparse3d.nn.sparse import RowNorm, SparseTensor
from sparse3d.nn.sparse_conv import SparseConv3d, SubMConv3d
from sparse3d.ops.neighbours import Kernel

__all__ = ["IntegrateAndFire", "SpikeVoxelCoding", "SpikingConv3d", "SpikingResidualBlock"]

Surrogate = Literal["rectangular", "sigmoid"]

_STEEPNESS = 4.0
"""Of the sigmoid whose slope is the surrogate gradient."""


class IntegrateAndFire(nn.Module):
    """Neurons that fire once for every unit of their membrane potential, rounded.

    Args:
        steps: Most spikes of a neuron, and steps of the binary form.
        surrogate: What stands for the gradient, which is zero almost everywhere: ``rectangular`` is
            1 for potentials between 0 and ``steps`` (as the paper has it), ``sigmoid`` the slope of
            one sigmoid at each threshold.

    Raises:
        ValueError: If there are no steps.
    """

    def __init__(self, steps: int = 4, surrogate: Surrogate = "rectangular") -> None:
        super().__init__()
        if steps < 1:
            raise ValueError(f"at least one step expected, got {steps}")
        self.steps = steps
        self.surrogate: Surrogate = surrogate

    def forward(self, potentials: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
        """Number of spikes, 0 to ``steps``."""
        result: Tensor = _Fire.apply(potentials, self.steps, self.surrogate)
        return result

    @torch.no_grad()
    def spikes(self, potentials: Float[Tensor, "n c"]) -> Float[Tensor, "s n c"]:
        """The spikes one by one, 0 or 1 in each step; their sum is :meth:`forward`.

        A spike takes its unit from the membrane (soft reset).
        """
        fired = []
        for _ in range(self.steps):
            fired.append((potentials >= 0.5).to(potentials.dtype))
            potentials = potentials - fired[-1]
        return torch.stack(fired)


class _Fire(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, potentials: Tensor, steps: int, surrogate: Surrogate) -> Tensor:
        ctx.save_for_backward(potentials)
        ctx.steps, ctx.surrogate = steps, surrogate
        counts = torch.zeros_like(potentials)
        for spike in range(steps):
            counts += potentials >= spike + 0.5
        return counts

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  (the decorator hides names)
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor, None, None]:
        (potentials,) = ctx.saved_tensors
        if ctx.surrogate == "rectangular":
            slope = ((potentials > 0) & (potentials < ctx.steps)).to(potentials.dtype)
        else:
            slope = torch.zeros_like(potentials)
            for spike in range(ctx.steps):
                share = torch.sigmoid(_STEEPNESS * (potentials - spike - 0.5))
                slope += _STEEPNESS * share * (1 - share)
        return grad_outputs[0] * slope, None, None


class SpikingConv3d(nn.Module):
    """Neurons, sparse convolution, batch norm: potentials in, potentials out.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        kernel: Submanifold without stride, else with new cells.
        momentum: Of the batch norm's running statistics.
        neuron: What fires; by default up to four times.
        binary: Whether evaluation convolves the binary spikes step by step and adds up, as an
            event-driven machine would. The result is that of the integers, at the cost of as many
            convolutions as there are steps.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: Kernel,
        momentum: float,
        neuron: IntegrateAndFire | None = None,
        *,
        binary: bool = False,
    ) -> None:
        super().__init__()
        self.neuron = neuron or IntegrateAndFire()
        layer = SubMConv3d if kernel.submanifold else SparseConv3d
        self.conv = layer(inputs, outputs, kernel, bias=False)
        self.norm = RowNorm(outputs, eps=1e-3, momentum=momentum)
        self.binary = binary

    def forward(self, tensor: SparseTensor) -> SparseTensor:
        """Fire, convolve, normalise."""
        if self.binary and not self.training:
            result = self._step_by_step(tensor)
        else:
            result = self.conv(tensor.with_features(self.neuron(tensor.features)))
        return result.with_features(self.norm(result.features))

    def _step_by_step(self, tensor: SparseTensor) -> SparseTensor:
        first, *others = self.neuron.spikes(tensor.features)
        result = self.conv(tensor.with_features(first))
        total = result.features
        for spikes in others:
            total = total + self.conv(tensor.with_features(spikes)).features
        return result.with_features(total)


class SpikeVoxelCoding(nn.Module):
    """From features of voxels to spikes: submanifold convolution, batch norm, neurons.

    Args:
        inputs: Features a voxel.
        outputs: Neurons a voxel.
        momentum: Of the batch norm's running statistics.
        neuron: What fires; by default up to four times.
    """

    def __init__(
        self, inputs: int, outputs: int, momentum: float, neuron: IntegrateAndFire | None = None
    ) -> None:
        super().__init__()
        self.conv = SubMConv3d(inputs, outputs, Kernel(), bias=False)
        self.norm = RowNorm(outputs, eps=1e-3, momentum=momentum)
        self.neuron = neuron or IntegrateAndFire()

    def forward(self, voxels: SparseTensor) -> SparseTensor:
        """Number of spikes of every neuron."""
        result = self.conv(voxels)
        return result.with_features(self.neuron(self.norm(result.features)))


class SpikingResidualBlock(nn.Module):
    """Two spiking convolutions whose potentials are added to those of the input.

    The shortcut joins potentials, not spikes, so that what is convolved stays integer.

    Args:
        channels: In and out.
        momentum: Of the batch norms' running statistics.
        neuron: What fires; by default up to four times.
        binary: See :class:`SpikingConv3d`.
    """

    def __init__(
        self,
        channels: int,
        momentum: float,
        neuron: IntegrateAndFire | None = None,
        *,
        binary: bool = False,
    ) -> None:
        super().__init__()
        layers = [
            SpikingConv3d(channels, channels, Kernel(), momentum, neuron, binary=binary)
            for _ in range(2)
        ]
        self.layers = nn.Sequential(*layers)

    def forward(self, tensor: SparseTensor) -> SparseTensor:
        """Convolve twice, add the input."""
        result: SparseTensor = self.layers(tensor)
        return result.with_features(result.features + tensor.features)
