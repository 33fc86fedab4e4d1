"""Detect in simulated streets, reconstruct a simulated room, and show both as a web page."""

from sparse3d.cli.demo.command import main

__all__ = ["main"]
