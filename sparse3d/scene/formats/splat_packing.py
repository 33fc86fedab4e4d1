"""The bit packing of compressed splats: what a chunk of 256 Gaussians and its rows hold.

A row is four 32-bit words. Position and scale: 11, 10 and 11 bits between the chunk's minimum and
maximum. Rotation: 2 bits say which of w x y z is the largest, 3 times 10 bits hold the others,
times sqrt(2), in order. Colour: 8 bits each for red, green, blue (between the chunk's minimum and
maximum where it has them, else 0 and 1) and opacity. Higher spherical harmonics: a byte a
coefficient, of 256 bins over [-4, 4] (PlayCanvas, "compressed PLY").
"""

import numpy as np

from sparse3d.scene.gaussians import SH_C0

__all__ = [
    "CHUNK",
    "pack_colors",
    "pack_rotations",
    "pack_sh",
    "pack_vectors",
    "unpack_colors",
    "unpack_rotations",
    "unpack_sh",
    "unpack_vectors",
]

CHUNK = 256
"""Rows that share minimum and maximum."""

_VECTOR = ((21, 11), (11, 10), (0, 11))  # shift and bits of x, y, z
_ROTATION = ((20, 10), (10, 10), (0, 10))
_COLOR = ((24, 8), (16, 8), (8, 8), (0, 8))
_SQRT2 = np.sqrt(2.0)

Words = np.ndarray
Bounds = tuple[np.ndarray, np.ndarray]


def unpack_vectors(words: Words, bounds: Bounds) -> np.ndarray:
    """Positions or log scales [n, 3] from words and the chunks' lower and upper bounds [c, 3]."""
    return _between(_unpack(words, _VECTOR), bounds)


def pack_vectors(vectors: np.ndarray) -> tuple[Words, Bounds]:
    """Words and bounds of positions or log scales; the error is half a step of the chunk's range.

    A step is the range by 2047 in x and z, by 1023 in y; the bounds are rounded to float32.
    """
    bounds = _chunk_bounds(vectors)
    return _pack(_share(vectors, bounds), _VECTOR), bounds


def unpack_rotations(words: Words) -> np.ndarray:
    """Unit quaternions w x y z [n, 4]; the largest component is positive."""
    small = (_unpack(words, _ROTATION) - 0.5) * _SQRT2
    largest = np.sqrt(np.maximum(1 - (small**2).sum(1), 0))
    which = (words >> 30).astype(np.int64)
    out = np.empty((len(words), 4))
    rows = np.arange(len(words))[:, None]
    out[rows, _others(which)] = small
    out[rows[:, 0], which] = largest
    return out


def pack_rotations(quaternions: np.ndarray) -> Words:
    """Words of quaternions, which are normalised first; components move by 0.0007 at most."""
    norms = np.linalg.norm(quaternions, axis=1, keepdims=True)
    unit = np.where(norms > 0, quaternions, (1.0, 0.0, 0.0, 0.0)) / np.where(norms > 0, norms, 1)
    which = np.abs(unit).argmax(1)
    rows = np.arange(len(unit))[:, None]
    sign = np.where(unit[rows[:, 0], which] < 0, -1.0, 1.0)[:, None]
    small = unit[rows, _others(which)] * sign
    return _pack(small / _SQRT2 + 0.5, _ROTATION) | (which.astype(np.uint32) << 30)


def unpack_colors(words: Words, bounds: Bounds | None) -> tuple[np.ndarray, np.ndarray]:
    """Constant coefficients [n, 3] and logit opacities [n].

    Opacities of 0 and 255 steps, whose logits are infinite, count as 1/512 and 511/512.
    """
    values = _unpack(words, _COLOR)
    colors = values[:, :3] if bounds is None else _between(values[:, :3], bounds)
    opacity = np.clip(values[:, 3], 1 / 512, 511 / 512)
    return (colors - 0.5) / SH_C0, np.log(opacity / (1 - opacity))


def pack_colors(coefficients: np.ndarray, logits: np.ndarray) -> tuple[Words, Bounds]:
    """Words and colour bounds of constant coefficients [n, 3] and logit opacities [n]."""
    colors = coefficients * SH_C0 + 0.5
    bounds = _chunk_bounds(colors)
    opacity = 0.5 * (1 + np.tanh(0.5 * logits))
    return _pack(np.column_stack([_share(colors, bounds), opacity]), _COLOR), bounds


def unpack_sh(steps: np.ndarray) -> np.ndarray:
    """Coefficients from bytes: the middle of the bin, but -4 and 4 for the outermost ones."""
    share = np.where(steps == 0, 0.0, np.where(steps == 255, 1.0, (steps + 0.5) / 256))
    return (share - 0.5) * 8


def pack_sh(coefficients: np.ndarray) -> np.ndarray:
    """Bytes of coefficients, clamped to [-4, 4]; the error is 1/64 inside, 1/32 at the ends."""
    return np.clip(np.floor((coefficients / 8 + 0.5) * 256), 0, 255).astype(np.uint8)


def _unpack(words: Words, fields: tuple[tuple[int, int], ...]) -> np.ndarray:
    shares = [(words >> shift & ((1 << bits) - 1)) / ((1 << bits) - 1) for shift, bits in fields]
    return np.stack(shares, axis=1)


def _pack(shares: np.ndarray, fields: tuple[tuple[int, int], ...]) -> Words:
    words = np.zeros(len(shares), dtype=np.uint32)
    for column, (shift, bits) in zip(shares.T, fields, strict=True):
        steps = np.rint(np.clip(column, 0, 1) * ((1 << bits) - 1))
        words |= steps.astype(np.uint32) << np.uint32(shift)
    return words


def _others(which: np.ndarray) -> np.ndarray:
    """The three indices besides the given one, ascending [n, 3]."""
    columns = np.arange(3)[None]
    return columns + (columns >= which[:, None])


def _chunk_bounds(values: np.ndarray) -> Bounds:
    starts = np.arange(0, len(values), CHUNK)
    lower = np.minimum.reduceat(values, starts).astype(np.float32)
    return lower, np.maximum.reduceat(values, starts).astype(np.float32)


def _of_rows(bounds: Bounds, count: int) -> Bounds:
    chunk = np.arange(count) // CHUNK
    return bounds[0].astype(np.float64)[chunk], bounds[1].astype(np.float64)[chunk]


def _between(shares: np.ndarray, bounds: Bounds) -> np.ndarray:
    lower, upper = _of_rows(bounds, len(shares))
    return lower * (1 - shares) + upper * shares


def _share(values: np.ndarray, bounds: Bounds) -> np.ndarray:
    lower, upper = _of_rows(bounds, len(values))
    extent = upper - lower
    return (values - lower) / np.where(extent > 0, extent, 1)
