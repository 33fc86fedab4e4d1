"""Faces with any number of corners as triangles."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from sparse3d.errors import DataError

__all__ = ["fan_triangles"]


def fan_triangles(path: Path, polygons: np.ndarray | list[np.ndarray]) -> Int[Tensor, "t 3"]:
    """Triangles that share the first corner of each polygon.

    Args:
        path: The file, for the error.
        polygons: Vertex numbers, t x 3 or one array a polygon.

    Raises:
        DataError: If a polygon has fewer than three corners.
    """
    if isinstance(polygons, np.ndarray):
        return torch.from_numpy(polygons.astype(np.int64))
    sizes = np.array([len(polygon) for polygon in polygons], dtype=np.int64)
    if (sizes < 3).any():
        raise DataError(path, f"face with {sizes.min()} corners, at least 3 expected")
    if len(sizes) == 0:
        return torch.empty(0, 3, dtype=torch.int64)
    flat = np.concatenate(polygons).astype(np.int64)
    first = np.repeat(np.cumsum(sizes) - sizes, sizes - 2)
    step = np.arange(len(first)) - np.repeat(np.cumsum(sizes - 2) - (sizes - 2), sizes - 2)
    corners = np.stack([first, first + step + 1, first + step + 2], axis=1)
    return torch.from_numpy(flat[corners])
