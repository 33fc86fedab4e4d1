"""Rules by looking every cell up in a dictionary."""

from itertools import product

__all__ = ["rules"]

Cell = tuple[int, int, int, int]
Triple = tuple[int, int, int]


def rules(
    cells: list[Cell],
    shape: Triple,
    offsets: list[Triple],
    stride: Triple,
    *,
    transposed: bool,
    same: bool,
) -> dict[Cell, dict[int, int]]:
    """For every output cell the row of the input at each kernel offset that has one.

    Args:
        cells: Inputs ``(batch, x, y, z)``.
        shape: Of the output.
        offsets: Of the kernel.
        stride: Of the kernel.
        transposed: Whether an input writes to ``input * stride + offset``; else an output reads
            ``output * stride + offset``.
        same: Whether outputs are where inputs are.
    """
    found: dict[Cell, dict[int, int]] = {}
    for (row, (batch, *cell)), (number, offset) in product(enumerate(cells), enumerate(offsets)):
        axes = list(zip(cell, offset, stride, strict=True))
        if transposed:
            place = [c * s + o for c, o, s in axes]
        elif all((c - o) % s == 0 for c, o, s in axes):
            place = [(c - o) // s for c, o, s in axes]
        else:
            continue
        x, y, z = place
        inside = 0 <= x < shape[0] and 0 <= y < shape[1] and 0 <= z < shape[2]
        if inside and (not same or (batch, x, y, z) in cells):
            found.setdefault((batch, x, y, z), {})[number] = row
    return found
