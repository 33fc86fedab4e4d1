"""One measured number beside the peer or limit it is compared with, and its goal."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

__all__ = ["Row"]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a result."""

    name: str
    """What was measured."""
    value: float
    """The number, a median where it is a time."""
    unit: str
    """Unit of ``value`` and ``peer_value``."""
    peer: str = ""
    """What it is compared with, measured in the same run; empty if nothing."""
    peer_value: float | None = None
    """The peer's number."""
    goal: float | None = None
    """What the value, or the ratio, should reach."""
    goal_of: Literal["value", "ratio"] = "value"
    """Which of the two the goal is about."""
    better: Literal["lower", "higher"] = "lower"
    """Which way of ``value`` is the good one; a ratio is always better when higher."""
    spread: float | None = None
    """Interquartile range of the repeats as a share of ``value``."""

    @property
    def ratio(self) -> float | None:
        """How many times better than the peer; None without a peer."""
        if self.peer_value is None:
            return None
        over, under = (self.peer_value, self.value)
        if self.better == "higher":
            over, under = under, over
        return over / under if under else None

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None if there is no goal or nothing to hold it against."""
        judged = self.value if self.goal_of == "value" else self.ratio
        if self.goal is None or judged is None:
            return None
        if self.goal_of == "value" and self.better == "lower":
            return judged <= self.goal
        return judged >= self.goal

    def to_json(self) -> dict[str, Any]:
        """Plain data, with the ratio and whether the goal is met."""
        return {**asdict(self), "ratio": self.ratio, "met": self.met}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Row":
        """The row that :meth:`to_json` wrote; other keys are left aside."""
        return cls(**{field.name: data[field.name] for field in fields(cls)})
