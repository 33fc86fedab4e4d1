"""What is done with grids of occupied cells, and with the octree that the same keys are."""

from sparse3d.ops.grid.build import Filled, Reduce, grid_of_cells, grid_of_points, space_around
from sparse3d.ops.grid.levels import Parents, child_rows, depth_of, parents, subdivide
from sparse3d.ops.grid.octree import Octree, build_octree, neighbour_rows
from sparse3d.ops.grid.query import locate, rows_of

__all__ = [
    "Filled",
    "Octree",
    "Parents",
    "Reduce",
    "build_octree",
    "child_rows",
    "depth_of",
    "grid_of_cells",
    "grid_of_points",
    "locate",
    "neighbour_rows",
    "parents",
    "rows_of",
    "space_around",
    "subdivide",
]
