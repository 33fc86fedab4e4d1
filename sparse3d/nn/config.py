"""Configuration that networks share, and what it must hold; torch-free, as help texts need it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

from sparse3d.errors import ConfigError

__all__ = ["RateConfig", "require_rates", "require_voxels", "require_widths", "require_within"]

_MOST_CELLS = 30_000


@dataclass(frozen=True)
class RateConfig:
    """AdamW with one cycle of the learning rate: up along a cosine, then down."""

    peak: float = 3e-3
    """Highest learning rate."""
    warmup: float = 0.3
    """Share of the training in which it rises."""
    start_divisor: float = 10.0
    """The first learning rate is the highest divided by this."""
    end_divisor: float = 1e3
    """The last learning rate is the highest divided by this."""
    weight_decay: float = 0.01
    """Decoupled (Loshchilov and Hutter 2019)."""
    clip_norm: float = 10.0
    """Gradients are shortened to this norm."""


def require_within(
    config: object, names: str, low: float | int, high: float | int | None = None
) -> None:
    """Refuse values that are not finite or not from ``low`` to ``high``.

    Args:
        config: A (nested) configuration.
        names: Of its values, separated by spaces; dots lead into nested ones.
        low: Least value.
        high: Greatest value; None: any.

    Raises:
        ConfigError: With the name of the value.
    """
    for name in names.split():
        value = attrgetter(name)(config)
        if not low <= value < math.inf or (high is not None and value > high):
            bounds = f"at least {low}" if high is None else f"from {low} to {high}"
            raise ConfigError(f"{name} must be {bounds}, got {value}")


def require_rates(config: object) -> None:
    """Refuse impossible values of ``config.rates``, a :class:`RateConfig`."""
    require_within(config, "rates.peak rates.weight_decay", 0)
    require_within(config, "rates.clip_norm", 1e-6)
    require_within(config, "rates.start_divisor rates.end_divisor", 1)
    require_within(config, "rates.warmup", 0, 1)


def require_widths(config: object, channels: str, layers: str) -> None:
    """Refuse stages without channels or layers, and lists of different lengths.

    Args:
        config: A (nested) configuration.
        channels: Name of the list of channels.
        layers: Name of the list of numbers of layers.
    """
    widths, counts = attrgetter(channels)(config), attrgetter(layers)(config)
    if not widths or len(widths) != len(counts) or min(*widths, *counts) < 1:
        raise ConfigError(
            f"{channels} and {layers} must be positive and equally many, got {widths} and {counts}"
        )


def require_voxels(low: Sequence[float], high: Sequence[float], size: Sequence[float]) -> None:
    """Refuse grids that keys cannot hold, and with which training would not end either.

    Args:
        low: Least x, y, z, metres.
        high: Greatest x, y, z, metres.
        size: Edges of a voxel, metres; the value ``network.voxel_size``.
    """
    if not all(math.isfinite(edge) and edge > 0 for edge in size):
        raise ConfigError(f"network.voxel_size must be positive, got {size}")
    ends = zip(low, high, size, strict=True)
    cells = [math.ceil((high - low) / edge) for low, high, edge in ends]
    if max(cells) > _MOST_CELLS:
        raise ConfigError(
            f"network.voxel_size cuts the range into {cells} voxels, at most {_MOST_CELLS} along an"
            " axis are possible"
        )
