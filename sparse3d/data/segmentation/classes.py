"""From the ids of label files to class numbers, and back."""

from dataclasses import dataclass

import torch
from jaxtyping import Int64, Integer
from torch import Tensor

from sparse3d.data.segmentation.config import ID_LIMIT, DataConfig, parse_class

__all__ = ["IGNORED", "ClassMap"]

IGNORED = 0
"""Class number of points that count nowhere; those of classes follow from 1, as in the devkit."""

_UNKNOWN = -1


@dataclass(frozen=True, slots=True, eq=False)
class ClassMap:
    """Classes of a data set and their ids."""

    names: tuple[str, ...]
    """Of the classes; the first has number 1."""
    ids: Int64[Tensor, " k"]
    """Id that is written for each class number, that of ``IGNORED`` first."""
    numbers: Int64[Tensor, " i"]
    """Class number of each id."""

    @classmethod
    def of(cls, config: DataConfig) -> "ClassMap":
        """The map that a configuration describes."""
        classes = [parse_class(text) for text in config.classes]
        numbers = torch.full((ID_LIMIT,), _UNKNOWN, dtype=torch.int64)
        numbers[torch.tensor(config.ignored)] = IGNORED
        for number, (_, ids) in enumerate(classes, 1):
            numbers[torch.tensor(ids)] = number
        written = torch.tensor([config.ignored[0], *(ids[0] for _, ids in classes)])
        return cls(tuple(name for name, _ in classes), written, numbers)

    def to_numbers(self, ids: Integer[Tensor, " n"]) -> Int64[Tensor, " n"]:
        """Class numbers of ids.

        Raises:
            ValueError: If an id is unknown; the unknown ones are listed.
        """
        wide = ids.long()
        within = (wide >= 0) & (wide < ID_LIMIT)
        numbers = torch.where(within, self.numbers[wide.clamp(0, ID_LIMIT - 1)], _UNKNOWN)
        unknown = wide[numbers == _UNKNOWN]
        if len(unknown):
            listed = ", ".join(map(str, unknown.unique().tolist()[:8]))
            raise ValueError(f"ids that classes and ignored name expected, got {listed}")
        return numbers

    def to_ids(self, numbers: Integer[Tensor, " n"]) -> Int64[Tensor, " n"]:
        """Ids of class numbers, as they are written."""
        return self.ids[numbers.long()]
