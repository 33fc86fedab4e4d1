"""Procedural worlds with known truth, seen by simulated sensors."""
