"""Which annotated objects are to be detected, and which are left out of account."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool
from torch import Tensor

from sparse3d.data.detection.config import DataConfig
from sparse3d.scene import Boxes3D

__all__ = ["ClassMap", "joined"]


@dataclass(frozen=True, slots=True)
class ClassMap:
    """Class names of the data, and what they mean here; names are compared exactly."""

    classes: frozenset[str]
    """Names to detect."""
    ignored: frozenset[str]
    """Names that are neither object nor background."""
    renamed: Mapping[str, str]
    """Our name of a name of the data; names that are missing stand for themselves."""

    @classmethod
    def of(cls, config: DataConfig) -> "ClassMap":
        """The map that a configuration describes."""
        renamed = dict(text.split("=", 1) for text in config.renamed)
        return cls(frozenset(config.classes), frozenset(config.ignored), renamed)

    def wants(self, name: str) -> bool:
        """Whether objects with this name in the data are to be detected."""
        return self.renamed.get(name, name) in self.classes

    def rename(self, boxes: Boxes3D) -> Boxes3D:
        """The boxes under our names."""
        return replace(boxes, names=tuple(self.renamed.get(name, name) for name in boxes.names))

    def apply(self, boxes: Boxes3D) -> tuple[Boxes3D, Boxes3D]:
        """Boxes to detect and boxes to ignore, under our names; all others are background."""
        named = self.rename(boxes)
        wanted = named.select(_mask(named.names, self.classes))
        return wanted, named.select(_mask(named.names, self.ignored))


def joined(first: Boxes3D, second: Boxes3D) -> Boxes3D:
    """The boxes of both, where they lie and how they are called; nothing else is kept."""
    return Boxes3D(
        torch.cat([first.centers, second.centers]),
        torch.cat([first.sizes, second.sizes]),
        torch.cat([first.yaws, second.yaws]),
        first.names + second.names,
    )


def _mask(names: tuple[str, ...], wanted: frozenset[str]) -> Bool[Tensor, " n"]:
    return torch.tensor([name in wanted for name in names], dtype=torch.bool)
