"""The pairs of inputs and outputs of a sparse convolution."""

from dataclasses import dataclass

from jaxtyping import Int32
from torch import Tensor

from sparse3d.ops.backend import FastBackend, choose_backend
from sparse3d.ops.neighbours import _native, _torch
from sparse3d.ops.neighbours._torch import Pairs

__all__ = ["Rulebook"]


@dataclass(frozen=True, slots=True)
class Rulebook:
    """Pairs of inputs and outputs, offset by offset of the kernel.

    With one offset, an input has at most one output and an output at most one input; pairs come in
    the order of the outputs.
    """

    sources: Int32[Tensor, " p"]
    """Row of the input of each pair."""
    targets: Int32[Tensor, " p"]
    """Row of the output of each pair."""
    counts: tuple[int, ...]
    """Number of pairs of each offset."""
    inputs: int
    """Number of inputs."""
    outputs: int
    """Number of outputs."""
    mirrored: bool = False
    """Whether the pairs of each offset are those of the opposite one, the other way round; so where
    outputs are where inputs are, of odd kernels."""

    def by_offset(self) -> list[tuple[Int32[Tensor, " _"], Int32[Tensor, " _"]]]:
        """Sources and targets of each offset."""
        sources, targets = self.sources.split(self.counts), self.targets.split(self.counts)
        return list(zip(sources, targets, strict=True))

    def reversed(self, *, backend: FastBackend = "auto") -> "Rulebook":
        """The same pairs from outputs to inputs: the rules of an inverse convolution.

        With the weight's offsets in the same order, so that a convolution along the reversed rules
        goes back to the cells that the rules came from.
        """
        pairs = Pairs(self.sources, self.targets, self.counts)
        native = choose_backend(backend, self.sources.device) == "native"
        back = (_native if native else _torch).reverse(pairs, self.inputs)
        return Rulebook(*back, inputs=self.outputs, outputs=self.inputs, mirrored=self.mirrored)
