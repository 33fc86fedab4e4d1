"""``Adam`` as a ``torch.optim.Optimizer`` over interchangeable step kernels."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, overload

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.graph import increment_version

from sparse3d.ops.adam import _native, _reference, _torch
from sparse3d.ops.adam.settings import AdamStep
from sparse3d.ops.backend import Backend, choose_backend

__all__ = ["Adam"]

_BACKENDS = {"reference": _reference, "torch": _torch, "native": _native}
_MOMENTS = ("exp_avg", "exp_avg_sq")


class Adam(torch.optim.Optimizer):
    """Adam (Kingma and Ba 2015) without weight decay: ``torch.optim.Adam``'s formula and state.

    The state of a parameter is ``exp_avg``, ``exp_avg_sq`` (tensors of dtype ``moments``) and
    ``step`` (an int), so that its ``state_dict`` loads with ``weights_only=True``. It takes over
    the state of ``torch.optim.Adam``, too. Every group may change its ``lr`` between steps.

    With ``moments=torch.bfloat16`` the state takes half the memory and the moments are rounded
    stochastically: up or down with probabilities that keep their expectation, from a hash of step
    and element number, so runs repeat exactly. (Rounding to nearest would freeze ``exp_avg_sq``:
    its relative change in a step, ``1 - beta2``, is below half a unit of the last place.) A stored
    moment is off by less than 2^-7 of itself, a step by about one percent.

    Args:
        params: Parameters or groups of them, as torch takes them. Those without a gradient are
            skipped at each step.
        lr: Learning rate.
        betas: Decay rates of the first and second moment, in [0, 1).
        eps: Added to the root of the second moment. Splats use 1e-15: their gradients are tiny.
        moments: ``torch.float32`` or ``torch.bfloat16``. Loading a state takes over its dtype.
        backend: ``auto`` takes ``native`` for float32 parameters on the CPU where it was built.

    Raises:
        ValueError: If a setting is out of its range.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-15,
        *,
        moments: torch.dtype = torch.float32,
        backend: Backend = "auto",
    ) -> None:
        if not (lr >= 0 and eps > 0 and all(0 <= beta < 1 for beta in betas)):
            raise ValueError(
                f"lr must not be negative, eps must be positive and betas lie in [0, 1),"
                f" got lr={lr}, eps={eps}, betas={betas}"
            )
        if moments not in (torch.float32, torch.bfloat16):
            raise ValueError(f"moments must be torch.float32 or torch.bfloat16, got {moments}")
        self._backend: Backend = backend
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "moments": moments})

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_backend": self._backend}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over a state; torch's loader has cast the moments to the parameters' dtype."""
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("moments", torch.float32)
            for parameter in group["params"]:
                _restore(self.state.get(parameter, {}), group["moments"])

    @overload
    def step(self, closure: None = None, *, visible: Tensor | None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], Any], *, visible: Tensor | None = None) -> Any: ...

    @torch.no_grad()
    def step(
        self,
        closure: Callable[[], Any] | None = None,
        *,
        visible: Bool[Tensor, " n"] | None = None,
    ) -> Any:
        """Take one step with the gradients that are there.

        Args:
            closure: Recomputes the loss and its gradients first, if given.
            visible: Which rows (along the first axis, alike in all parameters with a gradient) to
                update; the others keep values and moments, and nothing of them is read. The step
                counter is shared by all rows, as in gsplat's ``SelectiveAdam``.

        Raises:
            ValueError: If a gradient is sparse or not of its parameter's shape, or ``visible`` is
                no mask of the rows of each parameter.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in _with_gradient(group["params"]):
                self._step(parameter, group, visible)
        return loss

    def _step(self, parameter: Tensor, group: dict[str, Any], visible: Tensor | None) -> None:
        gradient = _checked_gradient(parameter)
        _check_visible(visible, parameter)
        state = self.state[parameter]
        if not state:
            state["step"] = 0
            for name in _MOMENTS:
                state[name] = torch.zeros_like(
                    parameter, dtype=group["moments"], memory_format=torch.contiguous_format
                )
        state["step"] += 1
        beta1, beta2 = group["betas"]
        settings = AdamStep(float(group["lr"]), beta1, beta2, group["eps"], state["step"])
        kernel = _BACKENDS[_choose(self._backend, parameter)]
        moments = state["exp_avg"], state["exp_avg_sq"]
        step = partial(kernel.adam_step, settings=settings, visible=visible)
        _update(step, parameter, gradient, moments)


def _update(
    kernel: Callable[..., None],
    parameter: Float[Tensor, "*shape"],
    gradient: Float[Tensor, "*shape"],
    moments: tuple[Tensor, Tensor],
) -> None:
    """Run a kernel on contiguous data and let autograd know that the parameter has changed."""
    values = parameter.detach()
    dense = values.contiguous()  # the same memory, unless the parameter is transposed or strided
    kernel(dense, gradient.detach().contiguous(), *moments)
    if not values.is_contiguous():
        values.copy_(dense)
    increment_version(parameter)


def _with_gradient(parameters: Iterable[Tensor]) -> list[Tensor]:
    return [parameter for parameter in parameters if parameter.grad is not None]


def _checked_gradient(parameter: Tensor) -> Tensor:
    gradient = parameter.grad
    if gradient is None or gradient.layout != torch.strided or gradient.shape != parameter.shape:
        found = "none" if gradient is None else f"{gradient.layout} {tuple(gradient.shape)}"
        raise ValueError(f"dense gradient of shape {tuple(parameter.shape)} expected, got {found}")
    return gradient


def _check_visible(visible: Tensor | None, parameter: Tensor) -> None:
    if visible is None:
        return
    if visible.dtype != torch.bool or visible.shape != parameter.shape[:1] or not parameter.ndim:
        raise ValueError(
            f"visible must be a mask of the rows of a parameter of shape {tuple(parameter.shape)},"
            f" got {visible.dtype} {tuple(visible.shape)}"
        )


def _choose(backend: Backend, parameter: Tensor) -> Backend:
    if backend == "auto" and parameter.dtype != torch.float32:
        return "torch"
    return choose_backend(backend, parameter.device)


def _restore(state: dict[str, Any], moments: torch.dtype) -> None:
    """Make a loaded state this optimizer's own: int steps, moments dense and of their dtype."""
    if state:
        state["step"] = int(state["step"])
        state.update({name: state[name].to(moments).contiguous() for name in _MOMENTS})
