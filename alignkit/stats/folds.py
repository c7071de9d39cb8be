"""Cross-validation folds that keep groups whole, and the audit that finds what leaks all the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .._core.errors import InputError
from .._core.random import RandomState, as_generator

Indices = NDArray[np.intp]
Fold = tuple[Indices, Indices]
_N_SHOWN = 3


@dataclass(frozen=True)
class LeakageAudit:
    """What training and test parts have in common.

    Attributes
    ----------
    verdict : {"clean", "leaks"}
        ``"clean"`` when nothing was found by the checks that could run.
    findings : tuple of str
        One sentence per fold and kind of leak, with the first few names.
    checked : tuple of str
        The checks that ran: ``"samples"``, ``"stimuli"``, and where their labels were given
        ``"duplicate content"`` and ``"runs"``.
    """

    verdict: Literal["clean", "leaks"]
    findings: tuple[str, ...]
    checked: tuple[str, ...]


def grouped_folds(groups: Sequence[object], *, n_folds: int = 5, random_state: RandomState = 0) -> list[Fold]:
    """Split samples into folds so that all samples of a group are in the same part.

    Groups are shuffled, the largest first, and each goes to the fold with the fewest samples (then the
    fewest groups). With groups of equal size the folds differ by one group at most.

    Parameters
    ----------
    groups : sequence of length n_samples
        The group of each sample, for instance its `stimulus_id`. Any hashable values.
    n_folds : int, default=5
        Parts; each is the test part once.
    random_state : int, Generator or None, default=0
        Source of the shuffle.

    Returns
    -------
    folds : list of (train, test)
        Sorted sample indices; fits scikit-learn's ``cv=``. Every sample is in exactly one test part.

    Raises
    ------
    InputError
        For fewer than two folds, or fewer groups than folds.

    Examples
    --------
    >>> for train, test in grouped_folds(["a", "a", "b", "c", "c", "d"], n_folds=2):
    ...     print(train, test)
    [0 1 5] [2 3 4]
    [2 3 4] [0 1 5]
    """
    labels, names = _group_indices("groups", groups)
    if n_folds < 2:
        raise InputError(f"`n_folds` must be at least 2, got {n_folds}.")
    if len(names) < n_folds:
        raise InputError(
            f"`n_folds` is {n_folds}, but there are only {len(names)} groups in {labels.size} samples. "
            f"Use at most {len(names)} folds."
        )
    sizes = np.bincount(labels)
    shuffled = as_generator(random_state).permutation(sizes.size)
    part_of_group = np.empty(sizes.size, dtype=np.intp)
    n_samples, n_groups = np.zeros(n_folds, dtype=np.intp), np.zeros(n_folds, dtype=np.intp)
    for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        part = np.lexsort((n_groups, n_samples))[0]
        part_of_group[group] = part
        n_samples[part] += sizes[group]
        n_groups[part] += 1
    parts = part_of_group[labels]
    return [(np.flatnonzero(parts != part), np.flatnonzero(parts == part)) for part in range(n_folds)]


def leave_one_group_out(groups: Sequence[object]) -> list[Fold]:
    """Make every group the test part once, for instance every scanner run.

    Parameters
    ----------
    groups : sequence of length n_samples
        The group of each sample. Any hashable values.

    Returns
    -------
    folds : list of (train, test)
        Sorted sample indices, in the order in which the groups first appear.

    Raises
    ------
    InputError
        For fewer than two groups.

    Examples
    --------
    >>> [test.tolist() for _, test in leave_one_group_out([1, 1, 2, 2, 3])]
    [[0, 1], [2, 3], [4]]
    """
    labels, names = _group_indices("groups", groups)
    if len(names) < 2:
        raise InputError(
            f"`groups` must hold at least 2 groups, got {len(names)} in {labels.size} samples. "
            "Split within the group, by stimulus, with `grouped_folds`."
        )
    return [(np.flatnonzero(labels != g), np.flatnonzero(labels == g)) for g in range(len(names))]


def audit_folds(
    folds: Sequence[Fold],
    *,
    stimulus_ids: Sequence[object],
    runs: Sequence[object] | None = None,
    content_digests: Sequence[object] | None = None,
    near_duplicates: Sequence[object] | None = None,
) -> LeakageAudit:
    """Look for what training and test parts share and must not.

    Parameters
    ----------
    folds : sequence of (train, test)
        Sample indices of both parts.
    stimulus_ids : sequence of length n_samples
        The stimulus of each sample.
    runs : sequence of length n_samples, optional
        The run of each sample, unique over sessions. A run in both parts leaks slow noise.
    content_digests : sequence of length n_samples, optional
        Digest of each sample's stimulus file: finds one picture under two names. None where unknown.
    near_duplicates : sequence of length n_samples, optional
        Name of what a sample's stimulus is a version of, such as the scene of a recoloured picture.

    Returns
    -------
    audit : LeakageAudit
        Nothing is changed and nothing raised for a leak: the caller decides what a leak means.

    Raises
    ------
    InputError
        If labels differ in length, a part is empty, or an index is out of range.

    Examples
    --------
    >>> audit = audit_folds([([0, 1], [2])], stimulus_ids=["face", "house", "face"])
    >>> audit.verdict, audit.findings
    ('leaks', ("fold 0: 1 stimulus in both the training and the test part: 'face'.",))
    """
    labels: dict[str, list[object]] = {"stimulus_ids": list(stimulus_ids)}
    optional = (("runs", runs), ("content_digests", content_digests), ("near_duplicates", near_duplicates))
    for name, given in optional:
        if given is not None:
            labels[name] = list(given)
    n_samples = len(labels["stimulus_ids"])
    for name, values in labels.items():
        if len(values) != n_samples:
            raise InputError(
                f"`{name}` must have one value per sample ({n_samples} in `stimulus_ids`), got {len(values)}."
            )
    if len(folds) == 0:
        raise InputError("`folds` is empty: there is nothing to audit. Give at least one (train, test) pair.")
    findings: list[str] = []
    for number, (train, test) in enumerate(folds):
        parts = _check_part(number, "train", train, n_samples), _check_part(number, "test", test, n_samples)
        findings += _findings(number, *parts, labels)
    checked = ["samples", "stimuli"]
    checked += [text for name, text in _OPTIONAL_CHECKS.items() if name in labels]
    return LeakageAudit("leaks" if findings else "clean", tuple(findings), tuple(checked))


_OPTIONAL_CHECKS = {
    "content_digests": "duplicate content",
    "near_duplicates": "near-duplicates",
    "runs": "runs",
}


def _findings(number: int, train: Indices, test: Indices, labels: dict[str, list[object]]) -> list[str]:
    where = f"fold {number}"
    found = []
    samples = np.intersect1d(train, test)
    if samples.size:
        found.append(_sentence(where, "sample", "samples", samples.tolist()))
    ids = labels["stimulus_ids"]
    if stimuli := _shared(ids, train, test):
        found.append(_sentence(where, "stimulus", "stimuli", stimuli))
    if "content_digests" in labels and (pairs := _same_content(ids, labels["content_digests"], train, test)):
        shown = ", ".join(f"{a!r} = {b!r}" for a, b in pairs[:_N_SHOWN])
        more = ", ..." if len(pairs) > _N_SHOWN else ""
        found.append(
            f"{where}: {len(pairs)} pair(s) of stimuli with the same content under two ids, one in the "
            f"training and one in the test part: {shown}{more}."
        )
    if "near_duplicates" in labels and (versions := _shared(labels["near_duplicates"], train, test)):
        found.append(_sentence(where, "near-duplicate", "near-duplicates", versions))
    if "runs" in labels and (runs := _shared(labels["runs"], train, test)):
        found.append(_sentence(where, "run", "runs", runs))
    return found


def _shared(values: list[object], train: Indices, test: Indices) -> list[object]:
    in_train = {values[i] for i in train}
    return list(dict.fromkeys(values[i] for i in test if values[i] in in_train))


def _same_content(
    ids: list[object], digests: list[object], train: Indices, test: Indices
) -> list[tuple[object, object]]:
    by_digest: dict[object, dict[object, None]] = {}
    for i in train:
        if digests[i] is not None:
            by_digest.setdefault(digests[i], {})[ids[i]] = None
    pairs: dict[tuple[object, object], None] = {}
    for i in test:
        for other in by_digest.get(digests[i], {}):
            if other != ids[i]:
                pairs[(other, ids[i])] = None
    return list(pairs)


def _sentence(where: str, singular: str, plural: str, names: Sequence[object]) -> str:
    shown = ", ".join(repr(name) for name in names[:_N_SHOWN])
    more = ", ..." if len(names) > _N_SHOWN else ""
    noun = singular if len(names) == 1 else plural
    return f"{where}: {len(names)} {noun} in both the training and the test part: {shown}{more}."


def _check_part(number: int, part: str, indices: Indices, n_samples: int) -> Indices:
    array = np.asarray(indices)
    if array.size == 0:
        raise InputError(f"fold {number} has an empty {part} part. Use fewer folds or other groups.")
    if array.dtype.kind not in "iu" or array.min() < 0 or array.max() >= n_samples:
        raise InputError(
            f"the {part} part of fold {number} must hold sample indices from 0 to {n_samples - 1}, got dtype "
            f"{array.dtype} from {array.min()} to {array.max()}."
        )
    return array.astype(np.intp)


def _group_indices(name: str, groups: Sequence[object]) -> tuple[Indices, list[object]]:
    values = list(groups)
    if not values:
        raise InputError(f"`{name}` is empty. Give the group of each sample.")
    numbers: dict[object, int] = {}
    # Missing labels would each make a group of their own (NaN is not equal to itself).
    missing = [i for i, value in enumerate(values) if value is None or value != value]
    if missing:
        raise InputError(
            f"`{name}` has no value for {len(missing)} sample(s), the first at index {missing[0]}. "
            "Give every sample a group, or drop it."
        )
    labels = np.array([numbers.setdefault(value, len(numbers)) for value in values], dtype=np.intp)
    return labels, list(numbers)
