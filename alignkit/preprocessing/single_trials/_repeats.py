"""Which trials showed the same stimulus in another run, and how far apart their responses are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Floats = NDArray[np.float64]


class Repeats:
    """Pairs of trials with one stimulus in different runs.

    Parameters
    ----------
    stimuli : ndarray of shape (n_trials,)
        Number of each trial's stimulus.
    runs, sessions : ndarray of shape (n_trials,)
        Number of each trial's run and session.
    compared : ndarray of bool, shape (n_trials,)
        Trials that may tell anything: the others have no partners and count in no mean.

    Attributes
    ----------
    n_partners : ndarray of shape (n_trials,)
        Trials of the same stimulus in other runs.
    """

    def __init__(
        self,
        stimuli: NDArray[np.intp],
        runs: NDArray[np.intp],
        sessions: NDArray[np.intp],
        compared: NDArray[np.bool_],
    ) -> None:
        self.sessions, self.compared, self.stimuli = sessions, compared, stimuli
        within = np.unique(np.stack([stimuli, runs]), axis=1, return_inverse=True)[1].ravel()
        self._stimulus = _indicator(stimuli, compared)
        self._stimulus_and_run = _indicator(within, compared)
        self.n_partners = np.round(self.partner_sum(np.ones((len(stimuli), 1)))[:, 0])
        # Only trials with a partner enter the sums: differences of equal sums leave rounding errors.
        self._stimulus = _indicator(stimuli, self.has_partner)
        self._stimulus_and_run = _indicator(within, self.has_partner)

    @property
    def has_partner(self) -> NDArray[np.bool_]:
        """Tell which trials have a partner."""
        return np.asarray(self.n_partners > 0, dtype=np.bool_)

    @property
    def n_stimuli(self) -> int:
        """Number of stimuli that were shown in more than one run."""
        return len(np.unique(self.stimuli[self.has_partner]))

    def partner_mean(self, betas: Floats) -> Floats:
        """Return the mean response of each trial's partners, 0 where it has none."""
        return np.asarray(self.partner_sum(betas) / np.maximum(self.n_partners, 1.0)[:, None])

    def standardize(self, reference: Floats) -> tuple[Floats, Floats]:
        """Return what to subtract and to multiply, (n_trials, n_voxels), to z-score in each session."""
        shift, factor = np.zeros_like(reference), np.ones_like(reference)
        for session in np.unique(self.sessions):
            here = self.sessions == session
            values = reference[here & self.compared]
            if not len(values):
                continue
            shift[here] = values.mean(axis=0)
            sd = values.std(axis=0)
            factor[here] = np.where(sd > 0, 1.0 / np.where(sd > 0, sd, 1.0), 0.0)
        return shift, factor

    def difference(self, reference: Floats) -> Difference:
        """Return what compares responses with the unpenalised ones of partners in other runs."""
        return Difference(self, reference)

    def partner_sum(self, betas: Floats) -> Floats:
        """Return the sum of the responses of each trial's partners."""
        everywhere = self._stimulus.T @ (self._stimulus @ betas)
        return np.asarray(everywhere - self._stimulus_and_run.T @ (self._stimulus_and_run @ betas))


class Difference:
    """Mean squared difference between z-scored responses and the reference responses of their partners.

    The reference (unpenalised, without noise components) stays the same whatever is compared with it, so
    that its noise is the same for all candidates: the one with the least difference predicts best.
    """

    def __init__(self, repeats: Repeats, reference: Floats) -> None:
        self._shift, self._factor = repeats.standardize(reference)
        self._weights = repeats.n_partners[:, None]
        scaled = self._scale(reference)
        self._partners = repeats.partner_sum(scaled)
        self._constant = (self._weights * scaled**2).sum(axis=0)

    def of(self, betas: Floats) -> Floats:
        """Return the mean squared difference over pairs, (n_voxels,)."""
        # sum over pairs of (a_j - b_i)^2, with the sums over the partners i of each j done once.
        scaled = self._scale(betas)
        crossed = scaled * (self._weights * scaled - 2.0 * self._partners)
        return np.asarray((crossed.sum(axis=0) + self._constant) / self._weights.sum())

    def _scale(self, betas: Floats) -> Floats:
        return np.asarray((betas - self._shift) * self._factor)


def _indicator(codes: NDArray[np.intp], used: NDArray[np.bool_]) -> csr_array:
    columns = np.flatnonzero(used)
    shape = (int(codes.max(initial=-1)) + 1, len(codes))
    return csr_array((np.ones(len(columns)), (codes[columns], columns)), shape=shape)
