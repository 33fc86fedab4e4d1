"""Losses of points that are to be named."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import cross_entropy, softmax

__all__ = ["balance_weights", "lovasz_softmax", "point_cross_entropy"]


def balance_weights(counts: Int64[Tensor, " c"]) -> Float[Tensor, " c"]:
    """Weights of classes: one over the root of their share of the points, 1 on average over points.

    Args:
        counts: Points of each class; a class without any counts as one with a single point.
    """
    known = counts.clamp_min(1).double()
    weights = (known.sum() / known).sqrt()
    return (weights * known.sum() / (weights * known).sum()).float()


def point_cross_entropy(
    logits: Float[Tensor, "n c"],
    classes: Int64[Tensor, " n"],
    weights: Float[Tensor, " c"] | None,
) -> Float[Tensor, ""]:
    """Mean cross entropy of points, each with the weight of its class; 0 without points.

    Args:
        logits: Of each class.
        classes: What the points are, from 0.
        weights: Of the classes; None: 1.
    """
    errors = cross_entropy(logits, classes, reduction="none")
    if weights is not None:
        errors = errors * weights[classes]
    return errors.sum() / max(len(classes), 1)


def lovasz_softmax(logits: Float[Tensor, "n c"], classes: Int64[Tensor, " n"]) -> Float[Tensor, ""]:
    """Lovasz-softmax loss, averaged over the classes that occur; 0 without points.

    The Lovasz extension of one minus the IoU of a class, at the errors of its probabilities
    (Berman et al. 2018, "The Lovasz-Softmax loss", equations 8, 9 and algorithm 1).

    Args:
        logits: Of each class.
        classes: What the points are, from 0.
    """
    probabilities = softmax(logits, 1)
    terms = []
    for number in classes.unique().tolist():
        inside = (classes == number).to(logits.dtype)
        errors = (inside - probabilities[:, number]).abs()
        ordered, order = errors.sort(descending=True, stable=True)
        terms.append(ordered @ _extension_gradient(inside[order]))
    return torch.stack(terms).mean() if terms else logits.sum()


def _extension_gradient(inside: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """How one minus the IoU grows as the points, in this order, are mistaken one by one."""
    total = inside.sum()
    kept = total - inside.cumsum(0)
    union = total + (1 - inside).cumsum(0)
    losses = 1 - kept / union
    return torch.cat([losses[:1], losses.diff()])
