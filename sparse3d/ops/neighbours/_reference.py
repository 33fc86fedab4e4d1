"""Rules by looking every cell up in a dictionary."""

from itertools import product

__all__ = ["rules"]

Cell = tuple[int, int, int, int]
Triple = tuple[int, int, int]


def rules(
    cells: list[Cell], shape: Triple, size: Triple, stride: Triple
) -> dict[Cell, dict[int, int]]:
    """For every output cell the row of the input at each kernel offset that has one.

    Args:
        cells: Inputs ``(batch, x, y, z)``.
        shape: Of the output.
        size: Of the kernel.
        stride: Of the kernel; without one, outputs are where inputs are.
    """
    offsets = list(product(*(range(-(k // 2), k // 2 + 1) for k in size)))
    found: dict[Cell, dict[int, int]] = {}
    for row, (batch, *cell) in enumerate(cells):
        for number, offset in enumerate(offsets):
            place = [c - o for c, o in zip(cell, offset, strict=True)]
            if any(p % s for p, s in zip(place, stride, strict=True)):
                continue
            x, y, z = (p // s for p, s in zip(place, stride, strict=True))
            inside = 0 <= x < shape[0] and 0 <= y < shape[1] and 0 <= z < shape[2]
            if inside and (stride != (1, 1, 1) or (batch, x, y, z) in cells):
                found.setdefault((batch, x, y, z), {})[number] = row
    return found
