"""The numbers of one Adam step."""

from typing import NamedTuple

__all__ = ["AdamStep"]


class AdamStep(NamedTuple):
    """What a step kernel needs beside the tensors."""

    lr: float
    beta1: float
    beta2: float
    eps: float
    step: int
    """Number of this step, from 1."""

    @property
    def first_correction(self) -> float:
        """``1 - beta1^step``, which the first moment is divided by."""
        return 1 - self.beta1**self.step

    @property
    def second_correction(self) -> float:
        """``1 - beta2^step``, which the second moment is divided by."""
        return 1 - self.beta2**self.step
