"""Semantic segmentation of point clouds: network, losses, training, metrics, results."""
