"""Flat drawing with Pillow: lines, dashes, small texts and a legend, without jagged edges.

Everything is drawn twice as large as it will be and reduced at the end. Places and widths are
given in pixels of the finished picture, x to the right and y down from its upper left corner.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

__all__ = ["DETECTION", "TRUTH", "Canvas", "Stroke", "dashed"]

_SCALE = 2
_CASING = 0.9
"""Pixels of darkness on each side of a line, so that it is seen on any ground."""

Place = tuple[float, float]
Box = tuple[float, float, float, float]
Color = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Stroke:
    """How a line is drawn."""

    color: Color
    """Red, green, blue, opacity, 0 to 255."""
    width: float
    """Pixels."""
    dash: tuple[float, float] | None = None
    """Pixels that are drawn and left out; None for a whole line."""
    casing: Color | None = (6, 12, 14, 190)
    """Of a wider line below."""

    def whole(self) -> "Stroke":
        """The stroke without gaps."""
        return replace(self, dash=None)


TRUTH = Stroke((255, 255, 255, 255), 1.5, dash=(5.0, 3.5))
"""Of true boxes: white, dashed."""
DETECTION = Stroke((255, 94, 168, 255), 1.8)
"""Of detected boxes: pink, whole."""

_INK: Color = (222, 233, 235, 255)
_BACKING: Color = (10, 18, 21, 205)


def dashed(path: Sequence[Place], on: float, off: float) -> list[list[Place]]:
    """The parts of a path that dashes cover; they run on around its corners.

    Args:
        path: Corners, one after the other.
        on: Length of a dash, positive.
        off: Length of a gap, positive.

    Example:
        >>> dashed([(0.0, 0.0), (5.0, 0.0)], 2.0, 1.0)
        [[(0.0, 0.0), (2.0, 0.0)], [(3.0, 0.0), (5.0, 0.0)]]
    """
    corners = np.asarray(path, dtype=np.float64).reshape(-1, 2)
    lengths = np.hypot(*np.diff(corners, axis=0).T)
    marks = np.concatenate([[0.0], lengths.cumsum()])
    starts = np.arange(0.0, marks[-1], on + off)
    return [_part(corners, marks, start, min(start + on, marks[-1])) for start in starts]


def _part(corners: np.ndarray, marks: np.ndarray, start: float, end: float) -> list[Place]:
    inner = marks[(marks > start) & (marks < end)]
    wanted = np.concatenate([[start], inner, [end]])
    x, y = (np.interp(wanted, marks, corners[:, axis]).tolist() for axis in (0, 1))
    return list(zip(x, y, strict=True))


class Canvas:
    """A picture in the making.

    Args:
        picture: What is there at first, RGB in [0, 1].
        footer: Height of a dark strip for a legend that is added below, pixels.
    """

    def __init__(self, picture: Float[Tensor, "h w 3"], footer: int = 0) -> None:
        self.height, self.width, _ = picture.shape
        self._footer = footer
        size = (self.width * _SCALE, (self.height + footer) * _SCALE)
        pixels = (picture.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
        ground = Image.fromarray(pixels).resize(
            (size[0], self.height * _SCALE), Image.Resampling.BICUBIC
        )
        self._image = Image.new("RGB", size, _BACKING[:3])
        self._image.paste(ground, (0, 0))
        self._draw = ImageDraw.Draw(self._image, "RGBA")
        self._taken: list[Box] = []

    def line(self, path: Sequence[Place], stroke: Stroke) -> None:
        """Draw a path; a closed one ends where it begins."""
        parts = [list(path)] if stroke.dash is None else dashed(path, *stroke.dash)
        if stroke.casing is not None:
            for part in parts:
                self._line(part, stroke.casing, stroke.width + 2 * _CASING)
        for part in parts:
            self._line(part, stroke.color, stroke.width)

    def dots(self, places: Float[Tensor, "n 2"], colors: Float[Tensor, "n 3"], size: float) -> None:
        """Draw square dots, the last in front.

        Args:
            places: Their centres; those outside the picture are left out.
            colors: RGB in [0, 1].
            size: Edge, pixels.
        """
        pixels = np.array(self._image)
        edge = max(1, round(size * _SCALE))
        corners = (places * _SCALE - edge / 2).round().long().numpy()
        shades = (colors.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
        steps = np.stack(np.meshgrid(np.arange(edge), np.arange(edge)), -1).reshape(-1, 2)
        cells = (corners[:, None] + steps).reshape(-1, 2)  # [n edge^2, 2], point by point
        limits = (self.width * _SCALE, self.height * _SCALE)
        inside = ((cells >= 0) & (cells < limits)).all(1)
        x, y = cells[inside].T
        pixels[y, x] = shades.repeat(edge * edge, axis=0)[inside]  # the last one stays
        self._image.paste(Image.fromarray(pixels))

    def disc(self, center: Place, radius: float, color: Color) -> None:
        """Fill a circle."""
        (x, y), r = (center[0] * _SCALE, center[1] * _SCALE), radius * _SCALE
        self._draw.ellipse((x - r, y - r, x + r, y + r), fill=color)

    def polygon(self, corners: Sequence[Place], color: Color) -> None:
        """Fill a polygon."""
        self._draw.polygon([(x * _SCALE, y * _SCALE) for x, y in corners], fill=color)

    def reserve(self, places: Float[Tensor, "n 2"]) -> None:
        """Keep labels off the rectangle around some places."""
        (left, top), (right, bottom) = places.amin(0).tolist(), places.amax(0).tolist()
        self._taken.append((left, top, right, bottom))

    def label(
        self,
        places: Sequence[Place],
        texts: Sequence[str],
        color: Color = _INK,
        size: float = 11.0,
    ) -> str | None:
        """Write the first text with a dark backing that covers no earlier one and nothing reserved.

        Args:
            places: Where its lower left corner may be, best first; it is moved into the picture.
            texts: What may be written, best first.
            color: Of the letters.
            size: Of the font, pixels.

        Returns:
            The text that was written, None if there was room for none.
        """
        font = ImageFont.load_default(size * _SCALE)
        for text in texts:
            _, top, right, bottom = self._draw.textbbox((0, 0), text, font=font)
            wide, high = right / _SCALE + 4, (bottom - top) / _SCALE + 4
            for place in places:
                x = min(max(place[0], 0.0), self.width - wide)
                y = min(max(place[1] - high, 0.0), self.height - high)
                area = (x, y, x + wide, y + high)
                if any(_overlap(area, other) for other in self._taken):
                    continue
                self._taken.append(area)
                self._draw.rectangle([value * _SCALE for value in area], fill=_BACKING)
                at = ((x + 2) * _SCALE, (y + 2) * _SCALE - top)
                self._draw.text(at, text, fill=color, font=font)
                return text
        return None

    def note(self, place: Place, text: str, size: float = 12.0) -> float:
        """Write a text without backing; where it ends, to the right.

        Args:
            place: Left end and middle height; the footer begins below the picture's height.
            text: The words.
            size: Of the font, pixels.
        """
        font = ImageFont.load_default(size * _SCALE)
        at = (place[0] * _SCALE, place[1] * _SCALE)
        self._draw.text(at, text, fill=_INK, font=font, anchor="lm")
        return place[0] + self._draw.textlength(text, font=font) / _SCALE

    def legend(self, entries: Sequence[tuple[str, Stroke]], x: float = 10.0) -> float:
        """Clear the footer, and write samples of strokes with their names into it.

        Returns:
            Where the last ends, to the right.
        """
        area = (0, self.height, self.width, self.height + self._footer)
        self._draw.rectangle([value * _SCALE for value in area], fill=_BACKING[:3])
        y = self.height + self._footer / 2
        for name, stroke in entries:
            self.line([(x, y), (x + 30, y)], stroke)
            x = self.note((x + 37, y), name) + 18
        return x

    def ramp(self, place: Place, colors: Float[Tensor, "n 3"], size: tuple[float, float]) -> None:
        """Draw colours in a row, its left end and middle height at ``place``."""
        wide, high = size
        step = wide / len(colors)
        for i, color in enumerate((colors * 255).round().int().tolist()):
            left, top = place[0] + i * step, place[1] - high / 2
            area = (left, top, left + step, top + high)
            self._draw.rectangle([v * _SCALE for v in area], fill=(*color, 255))

    def finished(self) -> UInt8[Tensor, "h w 3"]:
        """The picture, reduced to its size, footer included."""
        size = (self.width, self.height + self._footer)
        return torch.from_numpy(np.array(self._image.resize(size, Image.Resampling.BOX)))

    def _line(self, path: list[Place], color: Color, width: float) -> None:
        thick = max(1, round(width * _SCALE))
        shift = 0.0 if thick % 2 else 0.5  # Pillow cuts decimals off, and cannot halve a pixel
        points = [(x * _SCALE - shift, y * _SCALE - shift) for x, y in path]
        self._draw.line(points, fill=color, width=thick, joint="curve")


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
