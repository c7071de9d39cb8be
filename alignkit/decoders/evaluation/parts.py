"""Parts of trials: what is fitted to, what chooses, and what is held out, with nothing in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..._core.checks import did_you_mean
from ..._core.errors import InputError
from ..._core.hashing import digest_array
from ..._core.random import derive_seed
from ...stats.folds import LeakageAudit, audit_folds, grouped_folds
from ..trials import Trials
from ._ranks import gallery_of, join_labels
from ._sealed import HeldOut

__all__ = ["HeldOut", "Split", "folds_of_trials", "split_trials"]

Indices = NDArray[np.intp]
_TRIES = 100


@dataclass(frozen=True, eq=False)
class Split:
    """Parts of one set of trials.

    Attributes
    ----------
    training : Trials
        What decoders are fitted to.
    validation : Trials or None
        What chooses epochs and settings.
    held_out : HeldOut
        What :func:`evaluate` opens.
    audit : LeakageAudit
        What training and validation share with the held-out part.
    """

    training: Trials
    validation: Trials | None
    held_out: HeldOut
    audit: LeakageAudit

    def of_subjects(self, subjects: Sequence[str]) -> Split:
        """Return the same parts of some subjects."""
        validation = None if self.validation is None else self.validation.of_subjects(subjects)
        held_out = self.held_out.of_subjects(subjects)
        return Split(self.training.of_subjects(subjects), validation, held_out, self.audit)


def split_trials(
    trials: Trials,
    *,
    test: float | int | Sequence[str],
    validation: float | int = 0,
    stratify: bool = True,
    seed: int = 0,
) -> Split:
    """Part trials by units into training, validation and held-out trials, the same for all subjects.

    Units (`trials.table["unit"]`) stay whole. Where embeddings are decoded, so do stimuli, their
    near-duplicate groups and stimuli of equal embeddings: units that share one are kept together.

    Parameters
    ----------
    trials : Trials
        To part.
    test : float, int or sequence of str
        What is held out: a share of the units, how many of them, or their names.
    validation : float or int, default=0
        Of the units left, those that choose epochs and settings: a share of all units, or how many. 0: none.
    stratify : bool, default=True
        Draw units so that classes are in every part in the proportions they have.
    seed : int, default=0
        Of the draw.

    Returns
    -------
    split : Split
        With the audit of what the parts share.

    Raises
    ------
    InputError
        If nothing would be left to fit to, names are unknown or a named unit shares a near-duplicate with
        one that is not named, or a class would be missing from a part.

    Examples
    --------
    >>> import numpy as np
    >>> from alignkit import Recording
    >>> from alignkit.decoders.trials import Targets
    >>> recording = Recording.from_arrays(np.eye(8), list("abcdabcd"))
    >>> trials = Trials.of({"subject": recording}, Targets(tuple("abcd"), np.eye(4)))
    >>> split = split_trials(trials, test=1, validation=1)
    >>> len(split.training), len(split.validation), split.held_out
    (4, 2, HeldOut(2 trials of 1 stimuli in 1 units, sealed))
    """
    blocks = _blocks(trials)
    n_blocks = int(blocks.max()) + 1
    n_validation = _count("validation", validation, n_blocks, least=0)
    named = None if isinstance(test, (int, float)) else _named_blocks(trials, list(test), blocks)
    n_test = _count("test", test, n_blocks, least=1) if isinstance(test, (int, float)) else 0
    n_test = n_test if named is None else len(named)
    if n_test + n_validation >= n_blocks:
        raise InputError(
            f"{n_test} unit(s) to hold out and {n_validation} to validate leave nothing of {n_blocks} to fit "
            "to (units that share a stimulus, near-duplicate or embedding count as one). Hold out fewer, or "
            "give units that do not share stimuli."
        )
    rng = np.random.default_rng(derive_seed(seed, "split"))
    classes = trials.column("target") if trials.targets.are_classes else None
    lacking = ""
    for _ in range(_TRIES):
        chosen = (
            named if named is not None else _draw(np.arange(n_blocks), n_test, blocks, classes, stratify, rng)
        )
        left = np.setdiff1d(np.arange(n_blocks), chosen)
        choosing = _draw(left, n_validation, blocks, classes, stratify, rng)
        in_test, in_validation = np.isin(blocks, chosen), np.isin(blocks, choosing)
        lacking = _lacking_class(trials, classes, in_test, in_validation)
        if not lacking:
            return _parted(trials, in_test, in_validation)
    raise InputError(
        f"{lacking}, in {_TRIES} draws of whole units. Hold out more or smaller units, or leave the class "
        "out."
    )


def folds_of_trials(
    trials: Trials,
    *,
    n_folds: int | Literal["units"] = 5,
    validation: float | int = 0,
    seed: int = 0,
) -> list[Split]:
    """Hold out every unit once.

    Parameters
    ----------
    trials : Trials
        To part.
    n_folds : int or "units", default=5
        How many folds, or one for every unit. With classes folds are stratified.
    validation : float or int, default=0
        As in :func:`split_trials`, drawn in every fold.
    seed : int, default=0
        Of the draw.

    Returns
    -------
    folds : list of Split
        Held-out parts that share no unit (nor, for embeddings, a near-duplicate) and cover all trials.

    Raises
    ------
    InputError
        If there are fewer units than folds, or as in :func:`split_trials`.
    """
    blocks = _blocks(trials)
    n_blocks = int(blocks.max()) + 1
    n_parts = n_blocks if n_folds == "units" else int(n_folds)
    if not 2 <= n_parts <= n_blocks:
        raise InputError(
            f"`n_folds` must lie between 2 and the {n_blocks} units that can be parted, got {n_parts}."
        )
    n_validation = _count("validation", validation, n_blocks, least=0)
    classes = trials.column("target") if trials.targets.are_classes else None
    draw = derive_seed(seed, "folds")
    if classes is None or n_parts == n_blocks:
        tests = [test for _, test in grouped_folds(blocks.tolist(), n_folds=n_parts, random_state=draw)]
    else:
        tests = _stratified(blocks, classes, n_parts, draw)
    return [
        _fold(
            trials,
            np.unique(blocks[test]),
            blocks,
            classes,
            n_validation,
            derive_seed(seed, "fold", str(number)),
        )
        for number, test in enumerate(tests)
    ]


def _fold(
    trials: Trials, chosen: Indices, blocks: Indices, classes: Indices | None, n_validation: int, seed: int
) -> Split:
    left = np.setdiff1d(np.arange(int(blocks.max()) + 1), chosen)
    if n_validation >= len(left):
        raise InputError(
            f"{n_validation} unit(s) to validate leave nothing to fit to in a fold with {len(left)} unit(s) "
            "outside the held-out part."
        )
    rng, lacking = np.random.default_rng(seed), ""
    for _ in range(_TRIES):
        choosing = _draw(left, n_validation, blocks, classes, True, rng)
        in_test, in_validation = np.isin(blocks, chosen), np.isin(blocks, choosing)
        lacking = _lacking_class(trials, classes, in_test, in_validation, each=("training", "validation"))
        if not lacking:
            return _parted(trials, in_test, in_validation)
    raise InputError(f"{lacking} of a fold. Take fewer folds, or leave the class out.")


def _stratified(blocks: Indices, classes: Indices, n_folds: int, seed: int) -> list[Indices]:
    from sklearn.model_selection import StratifiedGroupKFold

    smallest = int(np.bincount(classes)[np.unique(classes)].min())
    if smallest < n_folds:
        raise InputError(
            f"the rarest class has {smallest} trial(s), too few for {n_folds} folds. Take fewer folds."
        )
    folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed % 2**32)
    tests = [test for _, test in folds.split(blocks, classes, blocks)]
    return [test.astype(np.intp) for test in tests if len(test)]


def _blocks(trials: Trials) -> Indices:
    """Return codes of what cannot be parted: units, joined where embeddings share a near-duplicate."""
    units = np.unique(trials.table["unit"].astype(str), return_inverse=True)[1].astype(np.intp)
    if trials.targets.values is None:
        return join_labels(units)
    alike = gallery_of(trials.targets.values, None).groups[trials.column("target")]
    return join_labels(units, trials.column("group"), trials.column("stimulus"), alike)


def _count(name: str, value: float | int, n_blocks: int, *, least: int) -> int:
    if isinstance(value, bool) or value < 0 or (isinstance(value, float) and value >= 1):
        raise InputError(f"`{name}` must be a share below 1 or a whole number of units, got {value}.")
    if value == 0 and least == 0:
        return 0
    count = value if isinstance(value, int) else max(round(value * n_blocks), 1)
    if count < least or value == 0:
        raise InputError(f"`{name}` must hold out at least one unit, got {value}.")
    return int(count)


def _named_blocks(trials: Trials, names: list[str], blocks: Indices) -> Indices:
    units = trials.table["unit"].astype(str).to_numpy()
    known = list(dict.fromkeys(units.tolist()))
    for name in names:
        if name not in known:
            raise InputError(f"`test` names the unit {name!r}, {did_you_mean(name, known)}")
    if not names:
        raise InputError("`test` names no unit; name at least one, or give a share.")
    inside = np.isin(units, names)
    chosen = np.unique(blocks[inside])
    drawn_in = np.isin(blocks, chosen) & ~inside
    if drawn_in.any():
        others = list(dict.fromkeys(units[drawn_in].tolist()))
        raise InputError(
            f"the units to hold out share stimuli or near-duplicates with {len(others)} other(s): "
            f"{', '.join(others[:3])}. Hold these out too, or leave the shared stimuli out."
        )
    return chosen


def _draw(
    candidates: Indices,
    n_wanted: int,
    blocks: Indices,
    classes: Indices | None,
    stratify: bool,
    rng: np.random.Generator,
) -> Indices:
    if n_wanted == 0:
        return np.empty(0, dtype=np.intp)
    shuffled = rng.permutation(candidates)
    if classes is None or not stratify:
        return np.asarray(shuffled[:n_wanted], dtype=np.intp)
    # Units with the same classes in them are alike; each kind gives its share, by largest remainders.
    kinds: dict[tuple[int, ...], list[int]] = {}
    for block in shuffled.tolist():
        kinds.setdefault(tuple(np.unique(classes[blocks == block]).tolist()), []).append(block)
    share = np.array([len(kind) for kind in kinds.values()]) * n_wanted / len(shuffled)
    taken = np.floor(share).astype(int)
    # Ties between remainders are broken by chance, so that another try may find every class.
    order = np.lexsort((rng.random(len(share)), -(share - taken)))
    taken[order[: n_wanted - int(taken.sum())]] += 1
    return np.array(
        [block for kind, n in zip(kinds.values(), taken, strict=True) for block in kind[:n]], dtype=np.intp
    )


def _lacking_class(
    trials: Trials,
    classes: Indices | None,
    in_test: NDArray[np.bool_],
    in_validation: NDArray[np.bool_],
    each: Sequence[str] = ("training", "validation", "held-out"),
) -> str:
    if classes is None:
        return ""
    parts = {"training": ~in_test & ~in_validation, "validation": in_validation, "held-out": in_test}
    wanted = np.unique(classes)
    for name in each:
        lacking = np.setdiff1d(wanted, classes[parts[name]])
        if parts[name].any() and len(lacking):
            return f"the class {trials.targets.names[lacking[0]]!r} is not in the {name} part"
    return ""


def _parted(trials: Trials, in_test: NDArray[np.bool_], in_validation: NDArray[np.bool_]) -> Split:
    rest = ~in_test & ~in_validation
    audit = _audit(trials, in_test, in_validation)
    table = trials.table
    kin = {str(name): int(group) for name, group in zip(table["stimulus_id"], table["group"], strict=True)}
    held_out = HeldOut(trials.take(in_test), kin=kin, audit=audit)
    validation = trials.take(in_validation) if in_validation.any() else None
    return Split(trials.take(rest), validation, held_out, audit)


def _audit(trials: Trials, in_test: NDArray[np.bool_], in_validation: NDArray[np.bool_]) -> LeakageAudit:
    table, targets = trials.table, trials.targets
    pairs = {"held-out part": (np.flatnonzero(~in_test), np.flatnonzero(in_test))}
    if in_validation.any():
        training = np.flatnonzero(~in_test & ~in_validation)
        pairs["validation part"] = (training, np.flatnonzero(in_validation))
    units = table["unit"].astype(str).tolist()
    findings: list[str] = []
    checked: tuple[str, ...] = ()
    for part, pair in pairs.items():
        if targets.values is None:
            # Classes are to be told apart in stimuli that may come again; units are what must not.
            samples = list(zip(table["subject"], table["row"], strict=True))
            audit = audit_folds([pair], stimulus_ids=samples, runs=units)
            checked = ("samples", "units")
        else:
            digests = [digest_array(row) for row in targets.values]
            audit = audit_folds(
                [pair],
                stimulus_ids=table["stimulus_id"].tolist(),
                runs=units,
                content_digests=[digests[row] for row in trials.column("target")],
                near_duplicates=table["group"].tolist(),
            )
            checked = ("samples", "stimuli", "equal embeddings", "near-duplicates", "units")
        findings += [finding.replace("fold 0", part, 1) for finding in audit.findings]
    return LeakageAudit("leaks" if findings else "clean", tuple(findings), checked)
