"""How far matched detections are off."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from sparse3d.detect.scores.table import Table
from sparse3d.geometry.rotations import wrap_angle
from sparse3d.ops.iou3d import box_iou

__all__ = ["MatchErrors", "match_errors"]


@dataclass(frozen=True, slots=True)
class MatchErrors:
    """Means over the matches of one class at one level; offsets are detection minus truth."""

    count: int
    """Matches; all means are NaN where there are none."""
    bev_iou: float
    """Intersection over union seen from above."""
    iou: float
    """Intersection over union in space."""
    distance: float
    """Of the centres seen from above, metres."""
    z: float
    """Offset of the centres along z, metres."""
    length: float
    """Metres."""
    width: float
    """Metres."""
    height: float
    """Metres."""
    yaw: float
    """Degrees, half turns taken out."""
    turned: float
    """Share of matches that are more than a quarter turn off."""

    def to_json(self) -> dict[str, Any]:
        """Plain data, None for means of nothing."""
        means = {
            "mean_iou_bev": self.bev_iou,
            "mean_iou_3d": self.iou,
            "mean_distance_m": self.distance,
            "bias_z_m": self.z,
            "bias_length_m": self.length,
            "bias_width_m": self.width,
            "bias_height_m": self.height,
            "bias_yaw_deg": self.yaw,
            "turned_share": self.turned,
        }
        kept = {key: None if math.isnan(value) else value for key, value in means.items()}
        return {"count": self.count, **kept}


def match_errors(
    table: Table, truth: Int64[Tensor, " m"], detections: Int64[Tensor, " m"]
) -> MatchErrors:
    """Errors of matched rows of a table."""
    wanted, got = table.truth.rows[truth], table.detections.rows[detections]
    offset = got - wanted
    yaw = wrap_angle(offset[:, 6])
    half = wrap_angle(2 * yaw) / 2
    columns = [
        box_iou(wanted, got, kind="bev", aligned=True),
        box_iou(wanted, got, aligned=True),
        torch.hypot(offset[:, 0], offset[:, 1]),
        *offset[:, 2:6].unbind(1),
        torch.rad2deg(half),
        (yaw.abs() > math.pi / 2).double(),
    ]
    return MatchErrors(len(wanted), *torch.stack(columns).mean(1).tolist())
