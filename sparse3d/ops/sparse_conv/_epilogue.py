"""What becomes of the sums of a convolution."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["NO_EPILOGUE", "Epilogue"]


class Epilogue(NamedTuple):
    """A bias, then ReLU, where wanted."""

    bias: Float[Tensor, " o"] | None
    relu: bool

    @property
    def trained(self) -> bool:
        """Whether the bias wants a gradient."""
        return self.bias is not None and self.bias.requires_grad

    def of(self, sums: Float[Tensor, "m o"]) -> Float[Tensor, "m o"]:
        """Step by step, with gradients."""
        result = sums if self.bias is None else sums + self.bias
        return torch.relu(result) if self.relu else result


NO_EPILOGUE = Epilogue(None, relu=False)
