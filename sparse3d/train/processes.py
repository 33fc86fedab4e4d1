"""One process or several, the CPU or another device: what the loop needs to know of it.

Training on the CPU in one process needs torch only. Everything else (several processes, other
devices, mixed precision) is Lightning Fabric's, which is imported here alone and when asked for.
"""

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor
from torch.multiprocessing.spawn import ProcessRaisedException

from sparse3d.errors import ConfigError, MissingDependencyError, UserError
from sparse3d.train.settings import TrainSettings

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["FabricProcesses", "Processes", "SingleProcess", "launch"]

ResultT = TypeVar("ResultT")


@runtime_checkable
class Processes(Protocol):
    """The processes that train together, seen from one of them."""

    @property
    def rank(self) -> int:
        """Number of this process, from 0; that one writes the files."""
        ...

    @property
    def world_size(self) -> int:
        """How many there are."""
        ...

    @property
    def device(self) -> torch.device:
        """That of this process."""
        ...

    def autocast(self) -> AbstractContextManager[Any]:
        """Context of the forward pass."""
        ...

    def sum(self, values: Tensor) -> Tensor:
        """Sum over the processes, the same bits in each; ``values`` may be overwritten."""
        ...

    def gather(self, value: Any) -> list[Any]:
        """Every process' value, by rank."""
        ...


class SingleProcess:
    """One process on the CPU, in full precision."""

    rank = 0
    world_size = 1
    device = torch.device("cpu")

    def autocast(self) -> AbstractContextManager[Any]:
        """Nothing to change."""
        return nullcontext()

    def sum(self, values: Tensor) -> Tensor:
        """The values themselves."""
        return values

    def gather(self, value: Any) -> list[Any]:
        """The value alone."""
        return [value]


class FabricProcesses:
    """Processes, devices and precision of a launched Fabric."""

    def __init__(self, fabric: "Fabric") -> None:
        self._fabric = fabric
        self.rank = int(fabric.global_rank)
        self.world_size = int(fabric.world_size)
        self.device = fabric.device

    def autocast(self) -> AbstractContextManager[Any]:
        """Fabric's precision context."""
        return self._fabric.autocast()

    def sum(self, values: Tensor) -> Tensor:
        """Sum over the processes."""
        if self.world_size == 1:
            return values
        total = self._fabric.all_reduce(values.to(self.device), reduce_op="sum")
        assert isinstance(total, Tensor)
        return total.to(values.device)

    def gather(self, value: Any) -> list[Any]:
        """Every process' value, by rank."""
        found: list[Any] = [value] * self.world_size
        if self.world_size > 1:
            torch.distributed.all_gather_object(found, value)
        return found


def launch(settings: TrainSettings, function: Callable[[Processes], ResultT]) -> ResultT:
    """Run a function in every process; the result of rank 0.

    Under torchrun the processes are there already; otherwise they are spawned, so that
    ``function`` and its result must be picklable where ``devices`` is more than one.

    Raises:
        UserError: The first one that was raised in any process.
        MissingDependencyError: If Lightning Fabric is needed and missing.
    """
    if settings.plain:
        return function(SingleProcess())
    with tempfile.TemporaryDirectory(prefix="sparse3d-") as messages:
        try:
            work = partial(_run_in_process, function, Path(messages))
            return _fabric(settings).launch(work).content
        except ProcessRaisedException as error:
            raise _first_message(Path(messages), error) from error


def _fabric(settings: TrainSettings) -> "Fabric":
    try:
        from lightning_fabric import Fabric
        from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
    except ImportError as error:
        raise MissingDependencyError(
            "several processes, other devices and precisions need Lightning Fabric",
            "pip install lightning-fabric",
        ) from error
    strategy = "ddp" if TorchElasticEnvironment.detect() else "ddp_spawn"
    try:
        return Fabric(
            accelerator=settings.accelerator,
            devices=settings.devices,
            precision=settings.precision,
            strategy=strategy if settings.devices > 1 or strategy == "ddp" else "auto",
        )
    except (RuntimeError, ValueError) as error:  # Fabric's ways to refuse a device
        raise ConfigError(f"cannot train on {settings.accelerator!r}: {error}") from error


def _run_in_process(
    function: Callable[[Processes], ResultT], messages: Path, fabric: "Fabric"
) -> "_Sealed":
    """Body of one process; leaves the message of a user's error where the parent finds it."""
    try:
        return _Sealed(function(FabricProcesses(fabric)))
    except UserError as error:
        (messages / str(fabric.global_rank)).write_text(str(error), encoding="utf-8")
        raise


class _Sealed:
    """A result that Fabric passes on as it is; it would look for tensors in a dataclass."""

    def __init__(self, content: Any) -> None:
        self.content = content


def _first_message(messages: Path, error: Exception) -> Exception:
    found = sorted(messages.iterdir())
    return UserError(found[0].read_text(encoding="utf-8")) if found else error
