"""The folder of an extraction: finished, unfinished and to be gone on with, or new."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .._core.errors import InputError
from ..recordings._storage import FACTS, read_facts
from ._groups import GroupWriter
from ._journal import JOURNAL, Journal
from ._plan import PLAN, ExtractionPlan, differences, read_plan

logger = logging.getLogger(__name__)

# What changes results by rounding only: no reason to refuse what is there.
_ROUNDING = ("device", "machine", "threads")


def find_state(folder: Path, request: Mapping[str, Any], n_rows: int) -> tuple[ExtractionPlan | None, int]:
    """Return the plan to go on with and the rows that are there (all of them: finished), or (None, 0).

    An unfinished extraction with another plan, or one that is damaged beyond use, is begun anew, with a
    warning. A finished one is somebody's result, and is never written over.

    Raises
    ------
    InputError
        If the folder holds features that were made otherwise.
    """
    plan = read_plan(folder)
    if (folder / FACTS).exists() and not (folder / JOURNAL).exists():
        return _finished(folder, plan, request), n_rows
    # Killed between the index and the journal's removal: the index is written again.
    (folder / FACTS).unlink(missing_ok=True)
    if plan is None:
        if (folder / PLAN).exists() or (folder / JOURNAL).exists():
            logger.warning("the plan of the extraction in %s is damaged; it is begun anew", folder)
            _clear(folder)
        return None, 0
    other = differences(plan.request, request)
    if other:
        logger.warning("the unfinished extraction in %s was of another plan (%s); begun anew", folder, other)
        _clear(folder)
        return None, 0
    done = _rows_done(folder, plan, n_rows)
    if done is None:
        _clear(folder)
        return None, 0
    if not done:
        # The first pass shows the layers again.
        plan.layers, plan.rows_per_group = {}, 0
    return plan, done


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes from extracting into the same folder.

    Raises
    ------
    InputError
        If another process does.
    """
    try:
        import fcntl
    except ImportError:
        # Not on Windows.
        yield
        return
    # The folder itself, so that no file is left behind; the lock goes with the process, however it ends.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise InputError(
            f"another process is extracting into {folder}; wait for it, or give another folder."
        ) from error
    finally:
        os.close(descriptor)


def _clear(folder: Path) -> None:
    Journal(folder).remove()
    for path in folder.glob("layer-*.zarr"):
        shutil.rmtree(path)
    (folder / PLAN).unlink(missing_ok=True)


def _finished(folder: Path, plan: ExtractionPlan | None, request: Mapping[str, Any]) -> ExtractionPlan:
    read_facts(folder, "Features")
    other = "how is not written there"
    if plan is not None:
        asked, made = (
            {name: value for name, value in each.items() if name not in _ROUNDING}
            for each in (request, plan.request)
        )
        other = differences(made, asked)
    if plan is None or other:
        raise InputError(
            f"{folder} holds features that were made otherwise ({other}); give another folder, or remove it."
        )
    return plan


def _rows_done(folder: Path, plan: ExtractionPlan, n_rows: int) -> int | None:
    """Return the rows that are there; None where plan, journal and arrays do not agree."""
    done = Journal(folder).whole_rows()
    try:
        if done and (not plan.layers or not 0 < done <= n_rows):
            raise InputError(f"{folder / JOURNAL} does not agree with {folder / PLAN}.")
        if done:
            GroupWriter(folder, plan, n_rows, done)
            logger.info("%s: going on after %d of %d stimuli", folder, done, n_rows)
    except (InputError, KeyError) as error:
        logger.warning("the unfinished extraction in %s is damaged (%s); begun anew", folder, error)
        return None
    return done
