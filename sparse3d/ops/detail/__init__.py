"""Level of detail of a splat: a tree of merged Gaussians over sorted Morton keys, and cuts of it.

Source: Kerbl et al. 2024, "A Hierarchical 3D Gaussian Representation for Real-Time Rendering of
Very Large Datasets", section 4: how nodes are merged, and cuts by the projected size of nodes.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from sparse3d.ops.detail import _reference, _torch
from sparse3d.ops.detail._moments import gaussians_from_moments, moments_of, morton_keys
from sparse3d.scene.gaussians import Gaussians

__all__ = ["DetailTree", "build_detail", "select_detail"]

_BACKENDS = {"reference": _reference, "torch": _torch}


@dataclass(frozen=True, slots=True)
class DetailTree:
    """Gaussians and merged groups of them: the octree of their centres without single children.

    The root comes first, then the inner nodes from coarse to fine, then the leaves; each of these
    by Morton key.
    """

    gaussians: Gaussians
    """One a node. Leaves are the input's, unchanged; inner nodes stand for all leaves below."""
    parents: Int64[Tensor, " m"]
    """Node number of the parent; -1 for the root."""
    rows: Int64[Tensor, " m"]
    """Row of the input that a leaf is; -1 for inner nodes."""
    masses: Float64[Tensor, " m"]
    """Opacity times area (see :func:`build_detail`), summed over the leaves, squared scene units.
    Where that is more than an opaque Gaussian of the node's shape has, the node is drawn as one."""
    lows: Float64[Tensor, "m 3"]
    """Lower corner of a box around all leaves, three standard deviations each, scene units."""
    highs: Float64[Tensor, "m 3"]
    """Upper corner."""

    def __len__(self) -> int:
        return len(self.parents)


def build_detail(
    gaussians: Gaussians, *, backend: Literal["torch", "reference"] = "torch"
) -> DetailTree:
    """Merge Gaussians level by level along their Morton keys (an octree of 16 levels).

    The weight of a Gaussian is its opacity times ``ab + bc + ca`` of its standard deviations, which
    is proportional to what it covers of a picture, averaged over directions. A node has the
    weighted mean of centres and of spherical harmonics, the covariance of the mixture
    ``sum w (C + d d^T)``, and the opacity that keeps the sum of the weights. Not differentiable.
    The result does not depend on the number of threads.

    Args:
        gaussians: A splat in the world, float32 or float64.
        backend: ``torch`` runs on any device; ``reference`` is the loop that tests compare with.

    Returns:
        A tree of at most ``2 n - 1`` nodes; none if there are no Gaussians.

    Raises:
        ValueError: If a value is not finite or a quaternion is zero.

    Example:
        >>> pair = Gaussians(
        ...     means=torch.tensor([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0]]),
        ...     quaternions=torch.tensor([[1.0, 0.0, 0.0, 0.0]]).repeat(2, 1),
        ...     log_scales=torch.zeros(2, 3),
        ...     logit_opacities=torch.zeros(2),
        ...     sh=torch.zeros(2, 1, 3),
        ... )
        >>> tree = build_detail(pair)
        >>> tree.gaussians.means[0].tolist()
        [1.0, 0.0, 0.0]
        >>> tree.rows.tolist()
        [-1, 0, 1]
    """
    gaussians = gaussians.detached()
    moments = moments_of(gaussians)
    if not all(bool(value.isfinite().all()) for value in moments):
        raise ValueError("gaussians must be finite and have quaternions other than zero")
    keys = morton_keys(gaussians.means)
    order = keys.argsort(stable=True)
    sorted_moments = tuple(value[order] for value in moments)
    parents, merged = _BACKENDS[backend].build(keys[order], sorted_moments)
    inner = len(parents) - len(order)
    nodes = gaussians_from_moments(merged, gaussians.select(order))
    rows = torch.cat([order.new_full((inner,), -1), order])
    masses, lows, highs = (
        torch.cat([merged[i], sorted_moments[i]]) for i in (0, 4, 5)
    )  # every node's
    return DetailTree(nodes, parents, rows, masses, lows, highs)


def select_detail(
    tree: DetailTree,
    budget: int,
    positions: Float[Tensor, "c 3"],
    *,
    planes: Float[Tensor, "c p 4"] | None = None,
    backend: Literal["torch", "reference"] = "torch",
) -> Int64[Tensor, " k"]:
    """A cut of the tree: nodes that together cover every leaf exactly once, ``budget`` at most.

    From the root on, always that node is replaced by its children whose box looks largest from the
    nearest camera that sees it (diagonal over distance to the box; boxes around a camera first,
    those that none sees last, the coarser one of equally large ones first), until the next one
    would not fit. So a cut of a larger budget refines that of a smaller one.

    Args:
        tree: Of :func:`build_detail`.
        budget: How many Gaussians at most, at least 1.
        positions: Centres of cameras in the world; without any, coarse levels are refined first.
        planes: ``a, b, c, d`` around what each camera sees, where ``a x + b y + c z + d >= 0``, as
            :func:`sparse3d.geometry.views.view_planes` gives them; without, all see everything.
        backend: ``torch`` runs on any device; ``reference`` is the loop that tests compare with.

    Returns:
        Node numbers, increasing; ``tree.gaussians.select`` makes a splat of them.

    Raises:
        ValueError: If the budget is below 1, a position or plane is not finite, or there are not
            planes for each position.
    """
    if budget < 1:
        raise ValueError(f"budget must be at least 1, got {budget}")
    if not bool(positions.isfinite().all()):
        raise ValueError("positions of cameras must be finite")
    if planes is None:
        planes = positions.new_zeros(len(positions), 0, 4)
    if len(planes) != len(positions) or not bool(planes.isfinite().all()):
        raise ValueError(f"finite planes for {len(positions)} positions expected")
    if len(tree) == 0:
        return tree.rows
    cameras = positions.detach().to(tree.lows), planes.detach().to(tree.lows)
    return _BACKENDS[backend].select(tree.parents, tree.lows, tree.highs, budget, *cameras)
