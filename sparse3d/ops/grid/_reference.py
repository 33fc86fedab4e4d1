"""Grids as lists of cells and leaves as boxes, looked at one by one."""

from itertools import product

__all__ = ["crossing", "masks", "neighbours", "outside_planes", "parents"]

Cell = tuple[int, int, int, int]
Box = tuple[tuple[float, float, float], tuple[float, float, float]]
Numbers = tuple[float, float, float]


def parents(cells: list[Cell], levels: int) -> dict[Cell, list[int]]:
    """Rows of the cells ``(batch, x, y, z)`` in each of the cells 2^levels as long."""
    found: dict[Cell, list[int]] = {}
    for row, (batch, x, y, z) in enumerate(cells):
        step = 2**levels
        found.setdefault((batch, x // step, y // step, z // step), []).append(row)
    return found


def neighbours(cells: list[Cell]) -> list[list[int]]:
    """Rows of the cells around each cell, -1 where there is none; x changes slowest."""
    rows = {cell: row for row, cell in enumerate(cells)}
    around = list(product((-1, 0, 1), repeat=3))
    return [
        [rows.get((batch, x + dx, y + dy, z + dz), -1) for dx, dy, dz in around]
        for batch, x, y, z in cells
    ]


def masks(cells: list[Cell], depth: int) -> list[dict[Cell, int]]:
    """Which of their children the nodes of each level have, from the roots down."""
    result: list[dict[Cell, int]] = []
    for level in range(depth, 0, -1):
        nodes: dict[Cell, int] = {}
        for batch, x, y, z in set(parents(cells, level - 1)):
            node = (batch, x // 2, y // 2, z // 2)
            nodes[node] = nodes.get(node, 0) | 1 << 4 * (x % 2) + 2 * (y % 2) + z % 2
        result.append(nodes)
    return result


def crossing(
    box: Box, origin: Numbers, direction: Numbers, near: float, far: float
) -> tuple[float, float] | None:
    """Where a ray enters and leaves a box, None if it does not cross it."""
    for low, high, start, step in zip(*box, origin, direction, strict=True):
        if step == 0:
            if not low <= start < high:
                return None
            continue
        faces = sorted(((low - start) / step, (high - start) / step))
        near, far = max(near, faces[0]), min(far, faces[1])
    return (near, far) if near < far else None


def outside_planes(box: Box, planes: list[tuple[float, float, float, float]]) -> bool:
    """Whether all eight corners of a box are on the outer side of one plane."""
    corners = list(product(*zip(*box, strict=True)))
    return any(all(a * x + b * y + c * z + d < 0 for x, y, z in corners) for a, b, c, d in planes)
