"""What is done with grids of occupied cells, and with the octree that the same keys are.

Build (:mod:`.build`), go up and down levels (:mod:`.levels`, :mod:`.octree`), find cells by point
(:mod:`.query`), volume (:mod:`.volumes`) and ray (:mod:`.rays`), refine (:mod:`.adapt`), turn into
tokens (:mod:`.tokens`) and bytes (:mod:`.serialise`), and keep a map of sweeps (:mod:`.merge`).
"""

from sparse3d.ops.grid.adapt import Adapted, merge_leaves, prune_leaves, split_leaves
from sparse3d.ops.grid.build import Filled, Reduce, grid_of_cells, grid_of_points, space_around
from sparse3d.ops.grid.descend import Leaves
from sparse3d.ops.grid.levels import Parents, child_rows, depth_of, parents, subdivide
from sparse3d.ops.grid.merge import Keep, Kept, Merged, evict_far, evict_old, map_of, merge_sweep
from sparse3d.ops.grid.octree import Octree, build_octree, neighbour_rows
from sparse3d.ops.grid.query import locate, rows_of
from sparse3d.ops.grid.rays import Crossings, cast_rays
from sparse3d.ops.grid.serialise import grid_from_bytes, grid_to_bytes
from sparse3d.ops.grid.tokens import (
    Subtrees,
    child_masks,
    grid_of_masks,
    grid_of_splits,
    grid_of_subtrees,
    split_tokens,
    subtree_tokens,
)
from sparse3d.ops.grid.volumes import Extent, frustum_planes, in_box, in_volume

__all__ = [
    "Adapted",
    "Crossings",
    "Extent",
    "Filled",
    "Keep",
    "Kept",
    "Leaves",
    "Merged",
    "Octree",
    "Parents",
    "Reduce",
    "Subtrees",
    "build_octree",
    "cast_rays",
    "child_masks",
    "child_rows",
    "depth_of",
    "evict_far",
    "evict_old",
    "frustum_planes",
    "grid_from_bytes",
    "grid_of_cells",
    "grid_of_masks",
    "grid_of_points",
    "grid_of_splits",
    "grid_of_subtrees",
    "grid_to_bytes",
    "in_box",
    "in_volume",
    "locate",
    "map_of",
    "merge_leaves",
    "merge_sweep",
    "neighbour_rows",
    "parents",
    "prune_leaves",
    "rows_of",
    "space_around",
    "split_leaves",
    "split_tokens",
    "subdivide",
    "subtree_tokens",
]
