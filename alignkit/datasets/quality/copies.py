"""What is wrong between runs: copies, and runs that do not go together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .report import Check, Findings

IDENTICAL_RUNS = "no two runs hold the same data"
IDENTICAL_SUBJECTS = "no two subjects hold the same data"
LEVELS = "runs share one order of magnitude"
_SHOWN = 4
# Scanners and gains differ by less than the first; nothing but a fault by more than the second.
_FAR, _TOO_FAR = 100.0, 1e4


@dataclass(frozen=True)
class RunPrint:
    """What tells a run from another.

    Attributes
    ----------
    name, subject : str
        Of the run.
    data : str
        Digest of the values, as they are read.
    file : str
        Digest of the whole file; it differs where only headers do.
    group : str
        Runs of one group, such as a task, should be alike in what follows.
    alike : mapping of str to str
        What runs of one data set share, such as ``{"sampling rate": "500 Hz"}``.
    levels : mapping of str to float
        How large its values are, above 0, such as ``{"mean level": 1200.0}``.
    """

    name: str
    subject: str
    data: str
    file: str = ""
    group: str = ""
    alike: Mapping[str, str] = field(default_factory=dict)
    levels: Mapping[str, float] = field(default_factory=dict)


def compare_runs(prints: Sequence[RunPrint]) -> Findings:
    """Check that no run or subject is a copy of another, and that runs share what they should.

    Parameters
    ----------
    prints : sequence of RunPrint
        Of all runs that could be read, of one kind.

    Returns
    -------
    findings : Findings
        Nothing for a single run.
    """
    if len(prints) < 2:
        return Findings()
    checks = [_identical_runs(prints)]
    if len({each.subject for each in prints}) > 1:
        checks.append(_identical_subjects(prints))
    for group in dict.fromkeys(each.group for each in prints):
        members = [each for each in prints if each.group == group]
        for what in dict.fromkeys(name for each in members for name in each.alike):
            if len(members) > 1:
                checks.append(_alike(members, what, group or "all"))
        if len([each for each in members if each.levels]) > 1:
            checks.append(_levels(members, group or "all"))
    return Findings(tuple(checks))


def _identical_runs(prints: Sequence[RunPrint]) -> Check:
    first: dict[str, RunPrint] = {}
    copies: list[tuple[RunPrint, RunPrint]] = []
    for each in prints:
        other = first.setdefault(each.data, each)
        if other is not each:
            copies.append((other, each))
    if not copies:
        return Check(IDENTICAL_RUNS, "all", "pass", f"{len(prints)} runs, all different.")
    shown = [
        f"{b.name} is {a.name}" + (" under another header" if a.file != b.file else "")
        for a, b in copies[:_SHOWN]
    ]
    more = f" and {len(copies) - _SHOWN} more" if len(copies) > _SHOWN else ""
    return Check(IDENTICAL_RUNS, "all", "fail", f"{len(copies)} of {len(prints)}: {'; '.join(shown)}{more}.")


def _identical_subjects(prints: Sequence[RunPrint]) -> Check:
    held: dict[str, set[str]] = {}
    for each in prints:
        held.setdefault(each.subject, set()).add(each.data)
    first: dict[frozenset[str], str] = {}
    copies = []
    for subject, runs in held.items():
        other = first.setdefault(frozenset(runs), subject)
        if other != subject:
            copies.append(f"{subject} is {other}")
    if copies:
        shown = "; ".join(copies[:_SHOWN])
        return Check(IDENTICAL_SUBJECTS, "all", "fail", f"{len(copies)} of {len(held)}: {shown}.")
    return Check(IDENTICAL_SUBJECTS, "all", "pass", f"{len(held)} subjects, all different.")


def _alike(prints: Sequence[RunPrint], what: str, where: str) -> Check:
    name = f"runs share one {what}"
    counts = Counter(each.alike[what] for each in prints if what in each.alike)
    if len(counts) == 1:
        return Check(name, where, "pass", f"{next(iter(counts))} in {counts.total()} runs.")
    (usual, often), *_ = counts.most_common()
    odd = [f"{each.name} ({each.alike[what]})" for each in prints if each.alike.get(what, usual) != usual]
    more = f" and {len(odd) - _SHOWN} more" if len(odd) > _SHOWN else ""
    return Check(
        name,
        where,
        "warn",
        f"{usual} in {often} of {len(prints)} runs, but not in {', '.join(odd[:_SHOWN])}{more}.",
    )


def _levels(prints: Sequence[RunPrint], where: str) -> Check:
    """Check that no run's values are orders of magnitude off those of the others."""
    odd: list[tuple[float, str]] = []
    for what in dict.fromkeys(name for each in prints for name in each.levels):
        known = [(each.name, each.levels[what]) for each in prints if each.levels.get(what, 0) > 0]
        if len(known) < 2:
            continue
        logs = np.log10([min(value, 1e300) for _, value in known])
        for i, (name, value) in enumerate(known):
            # Of two, each is off the other; of more, the odd one must not move what is usual.
            usual = float(np.median(logs)) if len(known) > 2 else float(logs[1 - i])
            ratio = 10 ** min(abs(float(logs[i]) - usual), 300.0)
            if ratio > _FAR:
                odd.append((ratio, f"{name} ({what} {value:.2g}, of the others {10**usual:.2g})"))
    if not odd:
        return Check(LEVELS, where, "pass", f"{len(prints)} runs.")
    odd.sort(key=lambda each: -each[0])
    shown = ", ".join(text for _, text in odd[:_SHOWN])
    more = f" and {len(odd) - _SHOWN} more" if len(odd) > _SHOWN else ""
    detail = f"Orders of magnitude off the others: {shown}{more}. Wrong byte order or scaling?"
    return Check(LEVELS, where, "fail" if odd[0][0] > _TOO_FAR else "warn", detail)
