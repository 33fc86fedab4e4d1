"""The errors that a user can cause.

Whatever derives from :class:`UserError` ends a command with one line on stderr and exit code 2.
Anything else is a defect of ours and keeps its traceback.
"""

from pathlib import Path

__all__ = ["ConfigError", "DataError", "MissingDependencyError", "UserError"]


class UserError(Exception):
    """A mistake or a missing thing that the user can put right; the message is one line."""


class DataError(UserError):
    """A file or folder that is not what was expected of it.

    Args:
        path: The offending file or folder; it opens the message.
        problem: What was expected, and what was found.
    """

    def __init__(self, path: Path | str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = Path(path)


class ConfigError(UserError):
    """A configuration value or key that cannot be used."""


class MissingDependencyError(UserError):
    """An optional package, backend or system library that is not there.

    Args:
        what: The missing thing and what needs it.
        install: The line that installs it.
    """

    def __init__(self, what: str, install: str) -> None:
        super().__init__(f"{what}; install it with: {install}")
