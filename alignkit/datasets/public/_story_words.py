"""Words and phones of spoken stories, on one clock for all stories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..._core.errors import InputError
from ...recordings.tracks import Track
from .._arrays import require_file
from ._textgrid import Interval, _decode, _scan, _Tokens, read_textgrid

_CHRONOLOGICAL = '"Praat chronological TextGrid text file"'


@dataclass(frozen=True)
class Story:
    """What was said in one story; times in seconds from the start of the sound.

    Attributes
    ----------
    words, phones : tuple of Interval
        Without silences and noises, in order.
    """

    words: tuple[Interval, ...]
    phones: tuple[Interval, ...]


def read_story(path: str | Path) -> Story:
    """Read the words (second interval tier) and phones (first) of a story's TextGrid.

    Praat's long, short and chronological text formats are read; tiers go by their order, since their names
    differ between stories.

    Raises
    ------
    InputError
        If it is no TextGrid, is cut short, has fewer than two interval tiers, or holds no word.
    """
    path = require_file(path)
    tiers = list(_tiers(path).values())
    if len(tiers) < 2:
        raise InputError(
            f"{path} has {len(tiers)} interval tier(s); phones and words, in this order, are wanted."
        )
    phones, words = (tuple(each for each in tier if not each.is_silence) for tier in tiers[:2])
    if not words:
        raise InputError(f"the second tier of {path} holds {len(tiers[1])} intervals but no word.")
    return Story(words, phones)


def story_tracks(stories: Mapping[str, Story], starts_s: Mapping[str, float]) -> tuple[Track, ...]:
    """Return ``word-rate``, ``word-length`` and ``phone-rate`` of all stories.

    Parameters
    ----------
    stories : mapping of str to Story
        In the order of their times.
    starts_s : mapping of str to float
        When each story's sound starts, on the clock of the recording.
    """
    words = [(starts_s[name], word) for name, story in stories.items() for word in story.words]
    phones = [(starts_s[name], phone) for name, story in stories.items() for phone in story.phones]
    texts = [word.text for _, word in words]
    letters = [sum(letter.isalpha() for letter in text) for text in texts]
    duration = [word.offset_s - word.onset_s for _, word in words]
    tracks = [
        _track("word-rate", words, np.ones(len(words)), facts={"is": "1 for every word"}),
        _track(
            "word-length",
            words,
            np.column_stack([letters, duration]),
            units=("letters", "duration_s"),
            facts={"is": "letters of each word, and how long it was spoken, in seconds"},
        ),
    ]
    if phones:
        tracks.append(_track("phone-rate", phones, np.ones(len(phones)), facts={"is": "1 for every phone"}))
    return tuple(tracks)


def _track(name: str, timed: Sequence[tuple[float, Interval]], values: Any, **more: Any) -> Track:
    return Track(
        name,
        np.asarray(values, dtype=np.float64).reshape(len(timed), -1),
        np.array([start + each.onset_s for start, each in timed]),
        np.array([start + each.offset_s for start, each in timed]),
        labels=tuple(each.text for _, each in timed),
        **more,
    )


def _tiers(path: Path) -> dict[Any, list[Interval]]:
    content = _decode(path)
    if not content.lstrip().startswith(_CHRONOLOGICAL):
        return dict(read_textgrid(path))
    return dict(_chronological_tiers(path, content))


def _chronological_tiers(path: Path, content: str) -> dict[int, list[Interval]]:
    """Read a file whose intervals stand in order of time, each behind the number of its tier."""
    tokens = _Tokens(path, content)
    tokens.text("the file type")
    tokens.number("the start of the grid")
    tokens.number("the end of the grid")
    kinds = []
    for number in range(1, tokens.count("the number of tiers") + 1):
        kinds.append(tokens.text(f"the class of tier {number}"))
        tokens.text(f"the name of tier {number}")
        tokens.number(f"the start of tier {number}")
        tokens.number(f"the end of tier {number}")
    tiers: dict[int, list[Interval]] = {n: [] for n, kind in enumerate(kinds, 1) if kind == "IntervalTier"}
    scanned = [kind for kind, _ in _scan(path, content)]
    if scanned[-1] != "text":
        raise InputError(f"{path} is cut short: its last entry has no text. Copy it again.")
    # Every entry ends with its text; each tier has a class and a name, the file its type.
    n_entries = scanned.count("text") - 1 - 2 * len(kinds)
    for entry in range(1, n_entries + 1):
        where = f"entry {entry} of {n_entries}"
        tier = tokens.count(f"the tier of {where}")
        if not 1 <= tier <= len(kinds):
            raise InputError(f"{path}: {where} belongs to tier {tier}, there are {len(kinds)}.")
        onset = tokens.number(where)
        offset = tokens.number(where) if tier in tiers else onset
        text = tokens.text(where).strip()
        if tier in tiers:
            tiers[tier].append(Interval(onset, offset, text))
    for number, intervals in tiers.items():
        _check_order(path, number, intervals)
    return tiers


def _check_order(path: Path, tier: int, intervals: Sequence[Interval]) -> None:
    for number, each in enumerate(intervals):
        earlier = intervals[number - 1].offset_s if number else each.onset_s
        if each.offset_s < each.onset_s or each.onset_s < earlier - 1e-6:
            raise InputError(
                f"{path}: interval {number + 1} of tier {tier} ({each.text!r}) runs from {each.onset_s:g} to "
                f"{each.offset_s:g} s, after one that ends at {earlier:g} s."
            )
