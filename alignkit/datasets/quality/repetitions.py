"""How much of a response comes back when a stimulus does, and channels that hold nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...recordings.rdms import RDMs
from ...recordings.recording import Recording
from ...stats import split_half_reliability
from .report import Check, Curve, Findings, Histogram, Table, Verdict, as_doubles, warn_if

RELIABLE = "responses repeat"
CONSTANT = "every channel varies"
FINITE = "every value is a number"
_LEAST_STIMULI = 4
_SPLITS = 20
_SHOWN = 6


def check_values(
    values: ArrayLike, names: Sequence[str], where: str, *, axis_name: str = "channels"
) -> tuple[Check, ...]:
    """Check that a matrix holds numbers only, and no channel that is constant.

    Parameters
    ----------
    values : array-like of shape (n_samples, n_channels[, n_times])
        As it lies in the file.
    names : sequence of str
        Of the channels.
    where : str
        Whose they are.
    axis_name : str
        What the second axis is, in the plural.
    """
    array = np.asarray(values)
    rest = (0, *range(2, array.ndim))
    finite = np.isfinite(array)
    lost = ~finite.all(axis=rest)
    low = np.where(finite, array, np.inf).min(axis=rest)
    high = np.where(finite, array, -np.inf).max(axis=rest)
    constant = ~(high > low)
    checks = []
    count = f"{len(lost)} {axis_name}"
    if lost.any():
        n_lost = int((~finite).sum())
        which = _listed([name for name, is_lost in zip(names, lost, strict=True) if is_lost])
        detail = f"{n_lost} values are NaN or infinite, in {int(lost.sum())} of {count}: {which}."
        checks.append(Check(FINITE, where, "fail", detail))
    else:
        checks.append(Check(FINITE, where, "pass", f"{' x '.join(map(str, array.shape))} numbers."))
    if constant.any():
        which = _listed([name for name, is_flat in zip(names, constant, strict=True) if is_flat])
        detail = f"{int(constant.sum())} of {count} are constant: {which}."
        checks.append(Check(CONSTANT, where, "fail" if constant.all() else "warn", detail))
    else:
        checks.append(Check(CONSTANT, where, "pass", f"All of {count}."))
    return tuple(checks)


def recording_quality(recording: Recording) -> Findings:
    """Check one subject's recording: channels that hold nothing, and how well responses repeat.

    Reliability is the correlation over stimuli between the means of random halves of the repeats. With a time
    axis it is taken at every time, and a channel's number is its mean over the times from onset on.

    Parameters
    ----------
    recording : Recording
        One subject's.
    """
    where = recording.subject
    data = np.asarray(recording.data[...])
    names = [str(name) for name in recording.channels["name"]]
    found = Findings(check_values(data, names, where))
    counts = recording.samples["stimulus_id"].value_counts()
    n_repeated = int((counts > 1).sum())
    if n_repeated < _LEAST_STIMULI:
        said = f"{where}: {n_repeated} stimuli were shown more than once"
        return found + Findings(notes=(f"{said}; reliability is measured with at least {_LEAST_STIMULI}.",))
    return found + _reliability(recording, data, where)


def rdms_quality(rdms: RDMs) -> Findings:
    """Check dissimilarity matrices: copies, missing pairs, and how alike those of one region are.

    Parameters
    ----------
    rdms : RDMs
        Of any number of subjects and regions.
    """
    values = np.asarray(rdms.values, dtype=np.float64)
    names = [" ".join(part for part in _named(row) if part) for row in rdms.table.to_dict("records")]
    checks = []
    lost = ~np.isfinite(values)
    verdict: Verdict = warn_if(bool(lost.any()))
    detail = f"{int(lost.sum())} of {values.size} pairs were not measured."
    checks.append(Check("every pair was measured", "all", verdict, detail))
    seen: dict[bytes, str] = {}
    same = []
    for name, row in zip(names, values, strict=True):
        other = seen.setdefault(row.tobytes(), name)
        if other is not name:
            same.append(f"{name} is {other}")
    detail = f"{'; '.join(same[:_SHOWN])}." if same else f"{len(names)} matrices, all different."
    checks.append(Check("no two matrices are the same", "all", "fail" if same else "pass", detail))
    by_region = rdms.table["roi"].astype(str) if "roi" in rdms.table else ["all"] * len(names)
    figures, rows = [], []
    for region in dict.fromkeys(by_region):
        part = values[[each == region for each in by_region]]
        if len(part) < 2:
            continue
        others = np.array(
            [_correlation(row, np.delete(part, i, 0).mean(axis=0)) for i, row in enumerate(part)]
        )
        rows.append((region, len(part), float(np.nanmedian(others)), float(np.nanmin(others))))
        figures.append(
            Histogram("Each matrix with the mean of the others", region, "correlation", others,
                      float(np.nanmedian(others)))
        )  # fmt: skip
    table = Table("Matrices", ("region", "matrices", "median r with the others", "least r"), tuple(rows))
    return Findings(tuple(checks), (table,) if rows else (), tuple(figures))


def _reliability(recording: Recording, data: NDArray[np.float32], where: str) -> Findings:
    responses = _by_stimulus(recording, data)
    n_times = 1 if data.ndim == 2 else data.shape[2]
    n_splits = _SPLITS if n_times == 1 else 5
    result = split_half_reliability(responses, n_splits=n_splits)
    half = result.half_r.reshape(data.shape[1], n_times)
    times = recording.times_s
    after = np.ones(n_times, dtype=bool) if times is None or not (times >= 0).any() else times >= 0
    with np.errstate(invalid="ignore"):
        of_channels = _mean(half[:, after], axis=1)
    middle = float(np.nanmedian(of_channels)) if np.isfinite(of_channels).any() else float("nan")
    share = float((of_channels > 0.1).mean())
    verdict = warn_if(not (middle > 0.1 or share > 0.25))
    detail = (
        f"Median correlation of halves over {len(of_channels)} channels is {middle:.3f}; {share:.0%} of them "
        f"are above .1 ({len(responses)} stimuli, {float(np.median(result.n_repeats)):g} repeats)."
    )
    figures: list[Histogram | Curve] = [
        Histogram("Split-half correlation of channels", where, "correlation of halves", of_channels, middle)
    ]
    if times is not None and n_times > 1:
        lines = {"median over channels": _quantile(half, 0.5), "best tenth of channels": _quantile(half, 0.9)}
        figures.append(
            Curve("Split-half correlation over time", where, "seconds from onset", "correlation of halves",
                  as_doubles(times), lines, threshold=0.0)
        )  # fmt: skip
    ceiling = result.ceiling_r[np.isfinite(result.ceiling_r)]
    row = (
        where, data.shape[0], len(responses), data.shape[1], middle,
        float(np.median(ceiling)) if len(ceiling) else float("nan"),
    )  # fmt: skip
    columns = ("subject", "samples", "stimuli", "channels", "median half r", "median ceiling r")
    check = Check(RELIABLE, where, verdict, detail)
    return Findings((check,), (Table("Repetitions", columns, (row,)),), tuple(figures))


def _by_stimulus(recording: Recording, data: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return responses (n_stimuli, n_repeats, n_channels * n_times), NaN where a stimulus has fewer."""
    ids = recording.samples["stimulus_id"]
    repeat = ids.groupby(ids, sort=False).cumcount().to_numpy()
    codes = ids.factorize()[0]
    flat = data.reshape(len(data), -1)
    shape = (int(codes.max()) + 1, int(repeat.max()) + 1, flat.shape[1])
    responses = np.full(shape, np.nan, dtype=np.float32)
    responses[codes, repeat] = flat
    kept: NDArray[np.float32] = responses[np.isfinite(responses[:, :2]).any(axis=2).sum(axis=1) > 1]
    return kept


def _mean(values: NDArray[np.float64], *, axis: int) -> NDArray[np.float64]:
    known = np.isfinite(values)
    n = known.sum(axis=axis)
    return np.where(n > 0, np.where(known, values, 0).sum(axis=axis) / np.maximum(n, 1), np.nan)


def _quantile(half: NDArray[np.float64], q: float) -> NDArray[np.float64]:
    known = np.where(np.isfinite(half).any(axis=0), half, 0)
    return np.where(np.isfinite(half).any(axis=0), np.nanquantile(known, q, axis=0), np.nan)


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 3 or not np.ptp(a[both]) or not np.ptp(b[both]):
        return float("nan")
    return float(np.corrcoef(a[both], b[both])[0, 1])


def _named(row: dict[object, object]) -> tuple[str, ...]:
    return tuple(str(row.get(key, "")) for key in ("subject", "session", "roi"))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(str, names[:_SHOWN])) + more
