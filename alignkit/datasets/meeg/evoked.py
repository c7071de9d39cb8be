"""Evoked responses in MNE's FIF format: conditions are the samples."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from ..._core.checks import did_you_mean
from ..._core.errors import InputError
from ...recordings.recording import Recording
from .._arrays import readable, require_file
from ._file_checks import refuse_damaged
from .epochs import recording_of_evokeds


def read_evoked(
    path: str | Path,
    *,
    subject: str,
    conditions: Sequence[str] | None = None,
    picks: str | Sequence[str] = "data",
    montage: str | None = None,
) -> Recording:
    """Read one subject's evoked responses.

    Parameters
    ----------
    path : str or Path
        An MNE file of evoked responses (``*-ave.fif``, gzipped ones too).
    subject : str
        Name of the subject.
    conditions : sequence of str, optional
        Which ones, in order; by default all.
    picks, montage
        See :func:`alignkit.datasets.read_fif`.

    Returns
    -------
    recording : Recording
        data (n_conditions, n_channels, n_times) in V, T or T/m; samples have `stimulus_id` (the condition)
        and `n_repetitions` (trials averaged).

    Raises
    ------
    MissingDataError
        If there is no such file.
    InputError
        If it cannot be read, lacks a condition, or its conditions differ in channels or times.

    Examples
    --------
    >>> recording = read_evoked("sub-01-ave.fif", subject="sub-01", picks="mag")  # doctest: +SKIP
    """
    import mne

    path = require_file(path)
    with readable(path, "MNE evoked responses (FIF)"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        evokeds = mne.read_evokeds(path, verbose="warning")
    refuse_damaged(path, caught)
    known = [str(evoked.comment) for evoked in evokeds]
    for name in conditions or ():
        if name not in known:
            raise InputError(f"{path} has no condition {name!r}, {did_you_mean(name, known)}")
    if conditions is not None:
        evokeds = [evokeds[known.index(name)] for name in conditions]
    return recording_of_evokeds(evokeds, subject=subject, picks=picks, montage=montage, where=str(path))
