"""What a fit of single trials found."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from .reliability import noise_ceiling_of


@dataclass(frozen=True, eq=False)
class SingleTrials:
    """Responses to single trials, and everything that was chosen on the way.

    Attributes
    ----------
    betas : ndarray of shape (n_trials, n_voxels)
        float32, in order of run and onset; NaN for voxels that a run cannot use.
    trials : DataFrame of n_trials rows
        `stimulus_id`, `run` (from 1), `session` where given, `onset_s`, `duration_s`, `repetition` (from 1
        within a stimulus) and the other columns of the events.
    unit : str
        ``"percent signal change"`` or ``"data"``.
    hrf_library : ndarray of shape (n_shapes, n_points)
        The responses to choose from, every `hrf_step_s` seconds.
    hrf_step_s : float
        Raster of the library, in seconds.
    hrf_index : ndarray of shape (n_voxels,)
        The row of the library that each voxel got; -1 for voxels of NaN.
    on_off_r2 : ndarray of shape (n_voxels,)
        Share of variance (in [0, 1], nuisance regressors taken out) that one regressor for all trials
        explains with the canonical response (the first of a user's own): where anything responds.
    r2 : ndarray of shape (n_voxels,)
        Share of variance that the single-trial regressors of the chosen response explain without a penalty
        in the runs they were fitted to. With many trials it is high in pure noise as well.
    fraction : ndarray of shape (n_voxels,)
        Length of the penalised responses over that of the unpenalised ones; 1 without a penalty.
    n_noise_components : int
        Time courses of the noise pool that were regressed out of each run.
    noise_component_errors : ndarray of shape (n_tried,)
        Median error with 0, 1, ... components; empty where their number was not chosen.
    noise_pool : ndarray of bool, shape (n_voxels,)
        Voxels whose time courses the components come from.
    ncsnr : ndarray of shape (n_voxels,)
        Noise-ceiling signal-to-noise ratio of `betas`, see
        :func:`~alignkit.preprocessing.ncsnr_of_trials`; NaN where too few stimuli repeat. **Too high where
        repeats of the same stimuli served to choose hyper-parameters** (`notes` say so). In white noise (6
        runs of 30 stimuli), where the least squares estimate is .07 since it cannot fall below 0, it was .15
        to .19 by default, which means a ceiling R2 of up to .18 for means of 6 trials, and .11 to .12 over
        stimuli named in `hold_out`.
    notes : tuple of str
        What was switched off, left out or assumed.
    """

    betas: NDArray[np.float32]
    trials: pd.DataFrame
    unit: str
    hrf_library: NDArray[np.float64]
    hrf_step_s: float
    hrf_index: NDArray[np.intp]
    on_off_r2: NDArray[np.float64]
    r2: NDArray[np.float64]
    fraction: NDArray[np.float64]
    n_noise_components: int
    noise_component_errors: NDArray[np.float64]
    noise_pool: NDArray[np.bool_]
    ncsnr: NDArray[np.float64]
    notes: tuple[str, ...] = field(default=())

    def __repr__(self) -> str:
        n_trials, n_voxels = self.betas.shape
        shapes = f"{len(self.hrf_library)} shape(s)"
        return (
            f"SingleTrials({n_trials} trials of {self.trials['stimulus_id'].nunique()} stimuli x {n_voxels} "
            f"voxels, {self.unit}; {shapes}, {self.n_noise_components} noise components, median fraction "
            f"{np.median(self.fraction):.2f})"
        )

    def noise_ceiling(self, n: int | ArrayLike) -> NDArray[np.float64]:
        """Return the R2 that a perfect model reaches with means over `n` trials.

        Parameters
        ----------
        n : int or array of shape (n_stimuli,)
            Trials in the means that are predicted, one number or one per stimulus.

        Returns
        -------
        ceiling : ndarray of shape (n_voxels,)
            In [0, 1]; too high where `ncsnr` is.

        Raises
        ------
        InputError
            If a count is below 1.
        """
        return noise_ceiling_of(self.ncsnr, n)
