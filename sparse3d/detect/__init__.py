"""Detectors, what they are trained towards, and how they are scored."""
