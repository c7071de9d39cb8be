"""Warnings that MNE's own calls of pandas raise, which a reader of recordings cannot act on."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_mne() -> Iterator[None]:
    """Silence deprecations inside MNE; what MNE says of the data is kept."""
    with warnings.catch_warnings():
        for category in (DeprecationWarning, FutureWarning):
            warnings.simplefilter("ignore", category)
        yield
