"""How a training is carried out, as against what is trained; torch-free, for quick help texts."""

from dataclasses import dataclass
from typing import Literal

from sparse3d.errors import ConfigError

__all__ = ["TrainSettings"]


@dataclass(frozen=True)
class TrainSettings:
    """Where a training runs, and what it leaves behind on its way."""

    devices: int = 1
    """Processes, one device each (on the CPU they share its cores)."""
    accelerator: Literal["cpu", "cuda", "mps", "auto"] = "cpu"
    """Kind of device; auto takes the best there is."""
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    """Of the computation; parameters are float32 in both."""
    checkpoint_every: int = 1000
    """Steps between checkpoints; one is always written at the end and at Ctrl-C."""
    keep_checkpoints: bool = False
    """Keep every checkpoint (step-0001000.pt), not only the last."""
    log_every: int = 10
    """Steps between entries in the logs."""
    tensorboard: bool = True
    """Write TensorBoard scalars beside metrics.jsonl."""

    def __post_init__(self) -> None:
        """Refuse what cannot be counted."""
        for name in ("devices", "checkpoint_every", "log_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")

    @property
    def plain(self) -> bool:
        """Whether one process on the CPU in full precision is asked for."""
        return (self.devices, self.accelerator, self.precision) == (1, "cpu", "32-true")
