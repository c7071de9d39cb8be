"""Subjects of a study brought into one space, fold by fold, by maps that have not seen what is held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import check_option, did_you_mean
from ..._core.errors import InputError
from ..._core.progress import track
from ...recordings.study import Study
from ...stats.folds import Fold
from ._aligned_recordings import cube, flat, held_out_study, in_space
from ._fold_maps import Alignment, SubjectMap, fit_maps
from ._study_folds import (
    check_training,
    common_samples,
    group_labels,
    is_time_course,
    make_folds,
    shuffled_time,
)
from .evaluation import intersubject_correlation

Floats = NDArray[np.float64]
Method = Literal["procrustes", "ridge", "srm", "hyperalignment"]
TEMPLATE = "template"


@dataclass(frozen=True, eq=False)
class StudyAlignment:
    """The maps of every fold, and the responses that they bring into one space.

    To train and test a model on aligned responses take :meth:`fold`: both parts come through the maps of one
    fold. `held_out` is for what is compared sample by sample within the held-out parts.

    Attributes
    ----------
    held_out : Study
        Every subject's responses in the common space, to the stimuli that all have, each sample mapped by the
        fold that held it out (column `fold` of the samples). **Not to be divided into training and test
        parts**: its samples of other folds were mapped by what had seen the samples of this one. Training on
        some and testing on others found r = .2 to .3 between subjects who had nothing in common.
    source : Study
        The responses that were aligned, as they came, in the order that `folds` index.
    folds : tuple of (train, test)
        Sample indices of each fold.
    maps : tuple of mapping of str to SubjectMap
        Per fold, each subject's map, fitted on the fold's training samples alone.
    method : str
        How.
    reference : str
        ``"template"``, or the subject in whose channels the responses are.
    """

    held_out: Study
    source: Study
    folds: tuple[Fold, ...]
    maps: tuple[Mapping[str, SubjectMap], ...]
    method: str
    reference: str

    def fold(self, number: int) -> tuple[Study, Study]:
        """Return the training and the held-out samples of a fold, all mapped by that fold's maps.

        Parameters
        ----------
        number : int
            Which fold, from 0.

        Returns
        -------
        training : Study
            The samples that the maps were fitted on: subjects agree in them more than they should. A model
            may be trained on them; no agreement may be measured in them.
        held_out : Study
            The samples to test on: neither the maps nor a model of `training` have seen them.

        Raises
        ------
        InputError
            If there is no such fold.

        Examples
        --------
        >>> from alignkit.recordings import Recording
        >>> rng = np.random.default_rng(0)
        >>> names = [f"im{k}" for k in range(20)]
        >>> study = Study.of(*(
        ...     Recording.from_arrays(rng.standard_normal((20, 3)), names, subject=name) for name in "ab"
        ... ))
        >>> alignment = align_study(study, method="procrustes", reference="a", n_folds=4)
        >>> for number in range(4):
        ...     training, held_out = alignment.fold(number)
        ...     print(training["b"].n_samples, held_out["b"].n_samples)
        15 5
        15 5
        15 5
        15 5
        """
        self._check_fold("number", number)
        mapped = []
        for rows, how in zip(self.folds[number], ("on these samples", "without these samples"), strict=True):
            part = Study.of(*(recording.select(samples=rows) for recording in self.source.values()))
            mapped.append(self._mapped(part, number, f"Aligned by the maps of fold {number}, fitted {how}."))
        return mapped[0], mapped[1]

    def apply(self, study: Study, *, fold: int) -> Study:
        """Map other responses of the same subjects by the maps of one fold.

        Parameters
        ----------
        study : Study
            Recordings with the channels that the maps were fitted on.
        fold : int
            Which fold's maps.

        Returns
        -------
        aligned : Study
            In the common space. Fair for testing where the maps' training samples are not among them.

        Raises
        ------
        InputError
            If a subject or fold is unknown, or channels differ in number.
        """
        self._check_fold("fold", fold)
        return self._mapped(study, fold, f"Aligned by the maps of fold {fold}.")

    def _check_fold(self, name: str, fold: int) -> None:
        if not 0 <= fold < len(self.maps):
            raise InputError(f"`{name}` must lie in 0..{len(self.maps) - 1}, got {fold}.")

    def _mapped(self, study: Study, fold: int, note: str) -> Study:
        aligned = []
        for subject, recording in study.items():
            if subject not in self.maps[fold]:
                raise InputError(f"a subject is {subject!r}, {did_you_mean(subject, list(self.maps[fold]))}")
            subject_map = self.maps[fold][subject]
            if recording.n_channels != len(subject_map.weights):
                raise InputError(
                    f"the map of {subject!r} was fitted on {len(subject_map.weights)} channels, the "
                    "recording has "
                    f"{recording.n_channels}."
                )
            responses = flat(np.asarray(recording.data[...], dtype=np.float64))
            data = cube(subject_map.apply(responses), tuple(recording.data.shape[2:]))
            aligned.append(in_space(recording, data, self.held_out[subject], recording.samples, (note,)))
        return Study.of(*aligned)


def align_study(
    study: Study,
    *,
    method: Method,
    reference: str = TEMPLATE,
    groups: str = "stimulus_id",
    n_folds: int = 5,
    folds: Sequence[Fold] | None = None,
    n_features: int | None = None,
    standardize: bool = True,
    scaling: bool = False,
    alphas: Sequence[float] | None = None,
    random_state: int = 0,
) -> StudyAlignment:
    """Bring all subjects into one space, fold by fold.

    For every fold, means, scales and maps are fitted on its training samples and applied to its held-out
    samples. Maps that saw the samples they are judged on make subjects alike who have nothing in common: see
    :func:`alignment_scores`.

    Parameters
    ----------
    study : Study
        Two or more subjects, matched by `stimulus_id`; each stimulus once per subject (average repetitions
        first). With times, a map mixes channels and its training rows are samples x times.
    method : {"procrustes", "ridge", "srm", "hyperalignment"}
        A rotation, or a ridge regression, onto a reference subject; the shared response model; or
        hyperalignment.
    reference : str, default="template"
        A subject: responses are returned in this subject's channels and unit. ``"template"`` (of "srm" and
        "hyperalignment") returns them in the common space itself.
    groups : str, default="stimulus_id"
        Column of the samples whose values stay on one side of a fold. For time courses the default is
        refused, since neighbours in time share noise: pass ``"run"``, or `folds`.
    n_folds : int, default=5
        Folds of whole groups, shuffled.
    folds : sequence of (train, test), optional
        Folds of your own, indices of the common stimuli in the first subject's order, such as
        :func:`alignkit.stats.blocked_folds` makes for one long run, with a gap. Every sample is held out
        once.
    n_features : int, optional
        Of "srm", which needs it.
    standardize : bool, default=True
        Z-score every channel, by its training samples.
    scaling : bool, default=False
        Of "procrustes" and "hyperalignment": fit a factor per subject.
    alphas : sequence of float, optional
        Of "ridge": penalties to choose from, by folds of groups within the training part (of time courses
        without groups: of blocks of neighbouring samples).
    random_state : int, default=0
        Of the shuffle of groups.

    Returns
    -------
    alignment : StudyAlignment
        Its :meth:`~StudyAlignment.fold` gives the samples to train and to test on.

    Raises
    ------
    InputError
        If subjects cannot be matched, options do not go with the method, folds leak or leave samples out, or
        stimuli of a time course would be shuffled.

    Notes
    -----
    Samples are taken for a time course where two subjects or more have them in the same order with `onset_s`
    evenly spaced (nine of ten steps within runs). Independent first-order autoregressive noise (.95) in
    shuffled folds gave a "held-out" correlation between subjects of .7 to .8; in blocks with a gap, 0. Single
    trials at a regular pace look the same, and share slow noise as well; where that does not matter pass
    ``folds=grouped_folds(...)``.

    The spaces of two folds are fitted on different samples. In a reference's channels they are the same
    channels. A template has no such anchor: with ``reference="template"`` compare subjects within a fold, and
    do not average samples of several folds (a note of the recordings says so).

    References
    ----------
    Bazeille T, DuPre E, Richard H, Poline JB, Thirion B (2021). An empirical evaluation of functional
    alignment using inter-subject decoding. NeuroImage, doi:10.1016/j.neuroimage.2021.118683.

    Examples
    --------
    >>> from alignkit.recordings import Recording
    >>> rng = np.random.default_rng(0)
    >>> shared = rng.standard_normal((40, 3))
    >>> names = [f"s{k}" for k in range(40)]
    >>> study = Study.of(*(
    ...     Recording.from_arrays(shared @ np.linalg.qr(rng.normal(size=(4, 3)))[0].T, names, subject=subject)
    ...     for subject in ("a", "b", "c")
    ... ))
    >>> alignment = align_study(study, method="srm", n_features=3, standardize=False)
    >>> scores = alignment_scores(study, alignment)
    >>> bool(scores.query("part == 'held-out'")["r"].min() > 0.99)
    True
    """
    _check_method(method, scaling, alphas)
    place, width = _reference(study, method, reference), _features(method, n_features)
    how = Alignment(method, place, width, standardize, scaling, alphas, random_state)
    common, notes = common_samples(study)
    labels = group_labels(common, groups)
    in_time = groups == "stimulus_id" and is_time_course(common)
    if folds is None and in_time:
        raise shuffled_time(len(labels))
    parts = make_folds(labels, n_folds, folds, random_state)
    rows = {subject: np.asarray(each.data[...], dtype=np.float64) for subject, each in common.items()}
    n_times = len(flat(next(iter(rows.values()))[:1]))
    check_training(parts, n_times)
    maps = []
    for train, _ in track(parts, "aligning subjects"):
        training = {subject: flat(data[train]) for subject, data in rows.items()}
        inner = None if in_time else [labels[i] for i in train for _ in range(n_times)]
        maps.append(fit_maps(training, inner, how))
    aligned = held_out_study(common, rows, parts, maps, how, notes)
    return StudyAlignment(aligned, common, tuple(parts), tuple(maps), method, reference)


def alignment_scores(study: Study, alignment: StudyAlignment) -> pd.DataFrame:
    """Correlate subjects with the mean of the others, in the common space and before.

    Parameters
    ----------
    study : Study
        What was given to `align_study`.
    alignment : StudyAlignment
        What came out.

    Returns
    -------
    scores : DataFrame
        A row per subject, fold and `part`, with `r`, the mean over channels of the inter-subject correlation:
        ``"held-out"`` is the fair one; ``"training"`` is that of the very samples that the maps were fitted
        on, which is high for any data; ``"unaligned"`` that of the held-out samples channel by channel as
        they came, where all subjects have as many channels.

    Raises
    ------
    InputError
        If subjects of `study` cannot be matched.

    Notes
    -----
    A mean over channels depends on the axes: one shared time course in a single feature gives a higher mean
    than the same one spread over six, and turning axes that correspond already can lower it. To compare
    spaces use :func:`alignkit.preprocessing.functional_alignment.evaluation.segment_matching`, on each fold's
    held-out samples.
    """
    common, _ = common_samples(study)
    rows = {subject: np.asarray(each.data[...], dtype=np.float64) for subject, each in common.items()}
    comparable = len({data.shape[1] for data in rows.values()}) == 1
    table = []
    for fold, ((train, test), maps) in enumerate(zip(alignment.folds, alignment.maps, strict=True)):
        parts = {
            "held-out": [maps[subject].apply(flat(data[test])) for subject, data in rows.items()],
            "training": [maps[subject].apply(flat(data[train])) for subject, data in rows.items()],
        }
        if comparable:
            parts["unaligned"] = [flat(data[test]) for data in rows.values()]
        for part, arrays in parts.items():
            r = np.nanmean(intersubject_correlation(arrays), axis=1)
            table += [
                {"subject": subject, "fold": fold, "part": part, "r": float(value)}
                for subject, value in zip(rows, r, strict=True)
            ]
    return pd.DataFrame(table)


def _reference(study: Study, method: str, reference: str) -> str | None:
    if reference != TEMPLATE:
        if reference not in study:
            raise InputError(f"`reference` is {reference!r}, {did_you_mean(reference, study.subjects)}")
        return reference
    if method in ("procrustes", "ridge"):
        raise InputError(
            f"{method!r} maps subjects onto one of them: name it as `reference` "
            f"({', '.join(study.subjects[:5])}). "
            "For a template use 'hyperalignment' or 'srm'."
        )
    if TEMPLATE in study:
        raise InputError(f"a subject is called {TEMPLATE!r}, which means the common space; rename it.")
    return None


def _features(method: str, n_features: int | None) -> int | None:
    if (method == "srm") != (n_features is not None):
        needs = (
            "needs `n_features`, the number of shared time courses"
            if method == "srm"
            else "takes no `n_features`"
        )
        raise InputError(f"{method!r} {needs}.")
    return n_features


def _check_method(method: str, scaling: bool, alphas: Sequence[float] | None) -> None:
    check_option("method", method, get_args(Method))
    if scaling and method not in ("procrustes", "hyperalignment"):
        raise InputError(f"`scaling` goes with 'procrustes' and 'hyperalignment', not with {method!r}.")
    if alphas is not None and method != "ridge":
        raise InputError(f"`alphas` goes with 'ridge', not with {method!r}.")
