"""The Adam optimizer with fused CPU steps and optional bfloat16 moments."""

from sparse3d.ops.adam.optimizer import Adam
from sparse3d.ops.adam.rows import reset_rows, resize_rows

__all__ = ["Adam", "reset_rows", "resize_rows"]
