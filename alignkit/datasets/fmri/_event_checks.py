"""What is wrong with the events of runs: the same one twice, all at once, ids from different columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..._core.errors import InputError


def refuse_repeats(path: Path, events: pd.DataFrame) -> None:
    """Refuse the same event twice, and events that all have one onset.

    Parameters
    ----------
    path : Path
        The table, for messages.
    events : DataFrame
        `stimulus_id` and `onset_s`, with the table's rows, from 0, as index.
    """
    again = events.duplicated(["stimulus_id", "onset_s"]).to_numpy()
    if again.any():
        rows = events.index.to_numpy(dtype=np.int64) + 1
        ids, onsets = events["stimulus_id"].to_numpy(dtype=object), events["onset_s"].to_numpy()
        copy = int(again.argmax())
        first = int(((ids == ids[copy]) & (onsets == onsets[copy])).argmax())
        raise InputError(
            f"{path} has {int(again.sum())} of {len(events)} events twice: row {rows[copy]} repeats row "
            f"{rows[first]}, {ids[copy]!r} at {onsets[copy]:g} s (rows from 1, below the header). Repeats of "
            "one response would make the data look more reliable than they are; remove the copies, or choose "
            "rows that are stimuli."
        )
    if len(events) > 1 and events["onset_s"].nunique() == 1:
        raise InputError(
            f"{path}: all {len(events)} events have the onset {events['onset_s'].iloc[0]:g} s. Write when "
            "each was shown, in seconds from the run's first volume or sample."
        )


def n_at_shared_onsets(events: pd.DataFrame) -> int:
    """Return how many events of a run begin at exactly the time of another."""
    return int(events["onset_s"].duplicated(keep=False).sum())


def describe_shared_onsets(counts: Sequence[int]) -> list[str]:
    """Return a note where events of runs begin together; `counts` has a number for each run."""
    n_runs = sum(count > 0 for count in counts)
    if not n_runs:
        return []
    return [
        f"{sum(counts)} events in {n_runs} run(s) begin at exactly the time of another stimulus: their "
        "responses are mixed."
    ]


def agree_on_ids(named: Sequence[tuple[str, str]]) -> None:
    """Refuse runs that name stimuli by different columns; `named` has the name and the column of each."""
    for name, column in named[1:]:
        if column != named[0][1]:
            raise InputError(
                f"{named[0][0]} names stimuli by {named[0][1]!r}, {name} by {column!r}: one stimulus would "
                "have two names. Set `id_column` to a column that all runs have."
            )
