"""Set partition window by window."""

from collections import defaultdict

__all__ = ["set_partition"]

Triple = tuple[int, int, int]


def set_partition(
    cells: list[tuple[int, int, int, int]], window: Triple, size: int, shift: Triple, order: str
) -> list[list[int]]:
    """Rows of each set."""
    windows: dict[tuple[int, ...], list[tuple[Triple, int]]] = defaultdict(list)
    for row, (batch, *cell) in enumerate(cells):
        moved = [c + s for c, s in zip(cell, shift, strict=True)]
        x, y, z = (m % w for m, w in zip(moved, window, strict=True))
        number = (batch, *(m // w for m, w in zip(moved, window, strict=True)))
        windows[number].append(((x, y, z) if order == "x" else (y, x, z), row))
    sets = []
    for number in sorted(windows):
        rows = [row for _, row in sorted(windows[number])]
        count = -(-len(rows) // size)
        for j in range(count):
            ranks = [(j * size + k) * len(rows) // (count * size) for k in range(size)]
            sets.append([rows[rank] for rank in ranks])
    return sets
