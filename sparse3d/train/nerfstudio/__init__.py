"""The nerfstudio adapter: the same Tasks under ``ns-train`` and its sister commands."""
