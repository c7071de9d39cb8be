"""What a classification leaves out, what it may exchange under chance, and whether its folds leak."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..._core.checks import did_you_mean
from ..._core.errors import InputError
from ...recordings.recording import Recording
from ...stats import audit_folds, leave_one_group_out

STIMULUS = "stimulus_id"
RUN = "run"


def column_of(region: Recording, name: str) -> list[str]:
    """Return a column of the samples as text.

    Raises
    ------
    InputError
        If there is none.
    """
    if name not in region.samples:
        known = did_you_mean(name, [str(column) for column in region.samples.columns])
        raise InputError(f"`classify`: the samples of {region.subject!r} have no column {name!r}, {known}")
    return [str(value) for value in region.samples[name]]


def leak_of(region: Recording, target: str, leave_out: str) -> tuple[str, str]:
    """Return the audit's verdict and detail for the folds of one subject.

    Where the target is the stimulus itself, a stimulus stands on both sides by design; where it is a category
    of several stimuli, it must not: the category would be told by the stimulus. Where runs are known, no run
    may be on both sides unless the folds are made to go across something else than time.
    """
    folds = leave_one_group_out(column_of(region, leave_out))
    samples = [f"sample {i}" for i in range(region.n_samples)]
    ids = samples if target == STIMULUS else region.stimulus_ids
    runs, how = _runs_of(region)
    found = audit_folds(folds, stimulus_ids=ids, runs=runs)
    if found.findings:
        return found.verdict, "; ".join(found.findings[:3])
    unknown = "" if runs is not None else "; runs and times are not known"
    return found.verdict, f"whole {leave_out}s left out{how}{unknown}"


def _runs_of(region: Recording) -> tuple[list[str] | None, str]:
    samples = region.samples
    if RUN in samples:
        sessions = samples["session"].astype(str) + "/" if "session" in samples else ""
        return (sessions + samples[RUN].astype(str)).to_list(), ""
    if "onset_s" in samples:
        # One run without a number: every sample is near others in time.
        return ["the only run"] * region.n_samples, ""
    return None, ""


class Exchange:
    """Which labels a permutation may exchange.

    Labels of trials are exchanged within what is left out in turn. Where the target is a category of
    stimuli, trials of a stimulus go together: whole stimuli exchange their categories, among those that occur
    in the same groups.

    Parameters
    ----------
    labels, groups, stimuli : list of str
        Of every sample: its class, what is left out with it, and its stimulus.
    """

    def __init__(self, labels: list[str], groups: list[str], stimuli: list[str]) -> None:
        self.labels, self.groups = np.array(labels), np.array(groups)
        names, first, self._of = np.unique(stimuli, return_index=True, return_inverse=True)
        self._class = self.labels[first]
        self.by_stimulus = bool((self._class[self._of] == self.labels).all()) and len(
            set(self._class.tolist())
        ) < len(names)
        places = [frozenset(self.groups[self._of == k].tolist()) for k in range(len(names))]
        self._strata = [
            np.array([k for k, place in enumerate(places) if place == other])
            for other in dict.fromkeys(places)
        ]

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(set(self.labels.tolist()))

    def draw(self, rng: np.random.Generator) -> NDArray[np.str_]:
        """Return the labels of one permutation."""
        if self.by_stimulus:
            classes = self._class.copy()
            for members in self._strata:
                classes[members] = self._class[rng.permutation(members)]
            return np.asarray(classes[self._of])
        shuffled = self.labels.copy()
        for group in np.unique(self.groups):
            members = np.flatnonzero(self.groups == group)
            shuffled[members] = self.labels[rng.permutation(members)]
        return np.asarray(shuffled)

    def words(self, leave_out: str) -> str:
        """Return what was exchanged, for the methods."""
        if self.by_stimulus:
            return f"the classes of whole stimuli that occur in the same {leave_out}s"
        return f"the labels within {leave_out}s"


def exchange_of(region: Recording, target: str, leave_out: str) -> Exchange:
    """Return what is told and left out, read from the samples.

    Raises
    ------
    InputError
        If a column is missing, or has one value.
    """
    labels, groups = column_of(region, target), column_of(region, leave_out)
    if len(set(labels)) < 2 or len(set(groups)) < 2:
        raise InputError(
            f"`classify` needs at least 2 values of {target!r} and of {leave_out!r}, but "
            f"{region.subject!r} has {len(set(labels))} and {len(set(groups))}."
        )
    return Exchange(labels, groups, region.stimulus_ids)
