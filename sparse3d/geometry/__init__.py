"""Rigid transforms, rotations, camera models and boxes: tensor maths without I/O."""
