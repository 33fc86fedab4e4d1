"""Layers with parameters, and what a method says about its parameters and losses."""
