"""The trained tensors of a splat, and how they grow and shrink during a run."""

from collections.abc import Mapping

import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch.optim import Optimizer

from sparse3d.ops.adam import resize_rows
from sparse3d.scene import Gaussians

__all__ = ["SplatParameters"]


class SplatParameters:
    """One ``nn.Parameter`` for each learning rate; the objects stay, their ``.data`` changes."""

    names: tuple[str, ...] = (
        "means",
        "sh_constant",
        "sh_rest",
        "logit_opacities",
        "log_scales",
        "quaternions",
    )

    def __init__(self, gaussians: Gaussians) -> None:
        self._parameters = {
            name: nn.Parameter(value.clone()) for name, value in _columns(gaussians).items()
        }

    def __getitem__(self, name: str) -> nn.Parameter:
        return self._parameters[name]

    def gaussians(self) -> Gaussians:
        """The Gaussians, connected to the parameters for gradients."""
        p = self._parameters
        return Gaussians(
            p["means"],
            p["quaternions"],
            p["log_scales"],
            p["logit_opacities"],
            torch.cat([p["sh_constant"], p["sh_rest"]], dim=1),
        )

    def assign(self, gaussians: Gaussians) -> None:
        """Take over other Gaussians; gradients of the old ones are dropped."""
        for name, value in _columns(gaussians).items():
            parameter = self._parameters[name]
            parameter.grad = None
            # A graph that is still alive holds the node that accumulates this parameter's gradient
            # and remembers the old shape; only a change of dtype makes torch forget that node.
            parameter.data = value.new_empty(0, dtype=torch.float64)
            parameter.data = value.clone()

    def regrow(
        self,
        gaussians: Gaussians,
        kept: Int[Tensor, " m"],
        added: int,
        optimizers: Mapping[str, Optimizer],
    ) -> None:
        """Take over grown Gaussians and edit the optimizers' moments alike.

        Args:
            gaussians: Kept rows first, then ``added`` new ones.
            kept: Their row numbers before.
            added: Number of new rows, which start with zero moments.
            optimizers: By parameter name.
        """
        self.assign(gaussians)
        for name, optimizer in optimizers.items():
            resize_rows(optimizer, self._parameters[name], kept, added)

    def multiply_opacities(self, factor: float) -> None:
        """Scale all opacities (not their logits)."""
        logits = self._parameters["logit_opacities"].data
        opacities = torch.sigmoid(logits) * factor
        self._parameters["logit_opacities"].data = torch.logit(opacities, eps=1e-6)


def _columns(gaussians: Gaussians) -> dict[str, Tensor]:
    return {
        "means": gaussians.means,
        "sh_constant": gaussians.sh[:, :1],
        "sh_rest": gaussians.sh[:, 1:],
        "logit_opacities": gaussians.logit_opacities,
        "log_scales": gaussians.log_scales,
        "quaternions": gaussians.quaternions,
    }
