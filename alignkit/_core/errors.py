"""Errors that a user can act on.

Every one says what was wanted, what came and what to do. The command line prints them as one line;
anything else that reaches it is a defect of ours.
"""

from __future__ import annotations


class InputError(ValueError):
    """The input cannot be used as it is; the message says why and what to do."""


class MissingDataError(InputError, FileNotFoundError):
    """A file, folder or public data set that was asked for is not there."""

    # OSError formats (errno, strerror) pairs; a plain message must come out as it went in.
    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class UnknownNameError(InputError):
    """A name that no registry entry has; the message lists close matches."""


class DiskFullError(OSError):
    """A write failed because the disk or the quota is full; nothing half-written was left."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""
