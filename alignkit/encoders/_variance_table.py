"""The result of a variance partition, and its tidy table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Correction = Literal["bh", "by"]


@dataclass(frozen=True)
class VariancePartition:
    """Parts of the held-out R2 of every channel; arrays have one column per channel.

    Attributes
    ----------
    spaces : tuple of str
        Names of the feature spaces.
    subsets : tuple of tuple of str
        All non-empty sets of spaces, smaller ones first.
    r2 : ndarray of shape (n_subsets, n_channels)
        Held-out R2 of the model on each subset, at most 1; the last row is the joint model.
    parts : ndarray of shape (n_subsets, n_channels)
        Unique to a set of one, shared by exactly that set otherwise (inclusion and exclusion). They sum to
        the joint R2; negative ones are suppression, noise, or both.
    unique : ndarray of shape (n_spaces, n_channels)
        Joint R2 minus that of the model without the space.
    product : ndarray of shape (n_spaces, n_channels)
        Product measure of the joint model. They sum to the joint R2.
    shapley : ndarray of shape (n_spaces, n_channels)
        Gain of R2 by a space averaged over all orders of adding. They sum to the joint R2.
    unique_p, unique_p_corrected : ndarray of shape (n_spaces, n_channels)
        One-sided p of "the joint model predicts no better than the one without the space, or no better than
        the mean" (the larger of both), by itself and corrected over channels.
    joint_p, joint_p_corrected : ndarray of shape (n_channels,)
        The same of "the joint model predicts no better than the mean" alone.
    correction : {"bh", "by"}
        False discovery rate by Benjamini-Hochberg or Benjamini-Yekutieli, over the channels of one space.
    n_permutations : int
        Sign patterns behind every p; all there are with 12 blocks or fewer.
    n_blocks : int
        Blocks whose signs were flipped.
    """

    spaces: tuple[str, ...]
    subsets: tuple[tuple[str, ...], ...]
    r2: Floats
    parts: Floats
    unique: Floats
    product: Floats
    shapley: Floats
    unique_p: Floats
    unique_p_corrected: Floats
    joint_p: Floats
    joint_p_corrected: Floats
    correction: Correction
    n_permutations: int
    n_blocks: int

    @property
    def joint(self) -> Floats:
        """Held-out R2 of the model on all spaces, (n_channels,)."""
        return np.asarray(self.r2[-1])

    def to_frame(self) -> pd.DataFrame:
        """Return a tidy table, a row per channel, quantity and set of spaces.

        Returns
        -------
        frame : DataFrame
            Columns ``channel``, ``quantity`` ("r2", "part", "unique", "product", "shapley"), ``spaces``
            (names joined by " + "), ``value``, ``p`` and ``p_corrected`` (NaN where nothing was tested).
        """
        sets = [" + ".join(subset) for subset in self.subsets]
        tables = [
            self._rows("r2", sets, self.r2, self.joint_p, self.joint_p_corrected),
            self._rows("part", sets, self.parts),
            self._rows("unique", self.spaces, self.unique, self.unique_p, self.unique_p_corrected),
            self._rows("product", self.spaces, self.product),
            self._rows("shapley", self.spaces, self.shapley),
        ]
        return pd.concat(tables, ignore_index=True)

    def _rows(
        self,
        quantity: str,
        names: Sequence[str],
        values: Floats,
        p: Floats | None = None,
        corrected: Floats | None = None,
    ) -> pd.DataFrame:
        tested = [np.full(values.shape, np.nan), np.full(values.shape, np.nan)]
        for table, given in zip(tested, (p, corrected), strict=True):
            if given is not None:
                # Of subsets only the joint model is tested, and it comes last.
                table[-len(np.atleast_2d(given)) :] = given
        n_channels = values.shape[1]
        return pd.DataFrame(
            {
                "channel": np.tile(np.arange(n_channels), len(names)),
                "quantity": quantity,
                "spaces": np.repeat(np.asarray(names, dtype=object), n_channels),
                "value": values.ravel(),
                "p": tested[0].ravel(),
                "p_corrected": tested[1].ravel(),
            }
        )
