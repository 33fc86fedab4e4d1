"""The reason why a benchmark cannot be run here."""

__all__ = ["UnavailableError"]


class UnavailableError(Exception):
    """Something that this machine or clone lacks; the benchmark is skipped and the reason shown."""
