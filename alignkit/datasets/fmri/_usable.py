"""Which channels every run can use, and why others cannot be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from ...preprocessing.signals import Detrend, Standardize, clean_run
from ._levels import Level, level_of, out_of_line


class Usable:
    """Remember which of the channels every run so far could use.

    Parameters
    ----------
    n_channels : int
        Before any is dropped.
    what : str
        What they are, in the plural: ``"voxels"``, ``"vertices"``.
    why : str, optional
        What a channel that holds nothing may be, for the note.
    """

    def __init__(self, n_channels: int, *, what: str, why: str = "") -> None:
        self.notes: list[str] = []
        self.what = what
        self._why = why
        self._varies = np.ones(n_channels, dtype=bool)
        self._has_level = np.ones(n_channels, dtype=bool)
        self._levels: list[Level] = []

    def check(self, series: NDArray[np.float32], run: str) -> None:
        """Note the channels of one raw run that hold nothing.

        Parameters
        ----------
        series : ndarray of shape (n_volumes, n_channels)
            As it was scanned.
        run : str
            Its name, for messages.

        Raises
        ------
        InputError
            If the run, or whole volumes of it, hold no number, or nothing in it varies.
        """
        finite = np.isfinite(series)
        ever = np.asarray(finite.any(axis=0), dtype=np.bool_)
        if not ever.any():
            raise InputError(
                f"{run} holds no number in any of the {len(ever)} {self.what}: NaN or infinite throughout. "
                "Make the series anew, or leave the run out."
            )
        empty = np.flatnonzero(~finite[:, ever].any(axis=1)) + 1
        if empty.size:
            shown = ", ".join(map(str, empty[:5])) + (" and so on" if empty.size > 5 else "")
            raise InputError(
                f"{empty.size} of {len(series)} volumes of {run} hold no number in any of the {self.what} "
                f"(volume {shown}, from 1). Cut them off, with `drop_volumes` where they are the first, or "
                "leave the run out."
            )
        self._levels.append(level_of(series, run))
        varies = np.asarray(finite.all(axis=0), dtype=np.bool_)
        part = series if varies.all() else series[:, varies]
        varies[varies] = part.max(axis=0) > part.min(axis=0)
        self._varies &= varies

    def clean(
        self,
        series: NDArray[np.float32],
        *,
        tr_s: float,
        confounds: NDArray[np.float64] | None,
        detrend: Detrend,
        high_pass_hz: float | None,
        standardize: Standardize,
    ) -> NDArray[np.float32]:
        """Clean one run, and remember the channels that it cannot use; theirs are NaN."""
        fine = self._varies.copy()
        if standardize == "percent":
            fine = self.check_level(series)
        if not fine.any():
            return np.full(series.shape, np.nan, dtype=np.float32)
        cleaned = clean_run(
            series if fine.all() else series[:, fine],
            tr_s=tr_s,
            confounds=confounds,
            detrend=detrend,
            high_pass_hz=high_pass_hz,
            standardize=standardize,
        )
        self._varies[fine] = np.isfinite(cleaned[0])
        if fine.all():
            return cleaned
        spread = np.full(series.shape, np.nan, dtype=np.float32)
        spread[:, fine] = cleaned
        return spread

    def check_level(self, series: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Remember the channels without a mean to take percent of; return those that this run can use."""
        fine = self._varies.copy()
        part = series if fine.all() else series[:, fine]
        # Percent of a mean that noise alone could make would be noise blown up.
        has_level = part.mean(axis=0, dtype=np.float64) > part.std(axis=0, dtype=np.float64)
        self._has_level[np.flatnonzero(fine)[~has_level]] = False
        fine[fine] = has_level
        return fine

    def drop(self, channels: NDArray[np.intp]) -> None:
        """Remember that these channels cannot be used, whatever else found it."""
        self._varies[channels] = False

    def keep(self) -> NDArray[np.bool_]:
        """Return which channels every run can use, and note how many it cannot.

        Raises
        ------
        InputError
            If none is left, or percent signal change has no meaning.
        """
        n_channels = len(self._varies)
        odd_run = out_of_line(self._levels)
        centred = self._varies & ~self._has_level
        if centred.sum() > 0.5 * n_channels:
            if odd_run is not None:
                raise InputError(
                    f"{odd_run} In a run, {int(centred.sum())} of {n_channels} {self.what} have a mean below "
                    "their standard deviation. Write the run anew, or leave it out."
                )
            raise InputError(
                f"{int(centred.sum())} of {n_channels} {self.what} have a mean below their standard "
                "deviation in a run, so percent signal change means nothing; the series seem to be centred "
                "already. Set `standardize` to 'zscore' or 'none'."
            )
        keep = self._varies & self._has_level
        if not keep.any():
            raise InputError(
                f"none of the {n_channels} {self.what} varies in every run; check the mask and the series."
            )
        self.notes = [] if odd_run is None else [odd_run]
        for bad, why in (
            (~self._varies, f"they are constant, nothing but drift, or not finite in a run{self._why}"),
            (centred, "their mean is below their standard deviation in a run"),
        ):
            if bad.any():
                self.notes.append(f"{int(bad.sum())} of {n_channels} {self.what} were dropped: {why}.")
        return np.asarray(keep, dtype=np.bool_)
