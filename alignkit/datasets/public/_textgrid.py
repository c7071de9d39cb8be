"""Interval tiers of Praat TextGrids, such as the words of a story with their times."""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..._core.checks import did_you_mean
from ..._core.errors import InputError
from .._arrays import require_file

# What forced aligners write where nobody speaks: pauses, breaths, laughter, lip smacks, noise.
SILENCES = frozenset({"", "sp", "sil", "silence", "br", "lg", "ls", "ns", "sentence_start", "sentence_end"})

_HEADERS = ("ooTextFile", "ooTextFile short")
# Only numbers, quoted texts and flags that stand free count; Praat passes over everything else, which is
# what makes the long format (xmin = 0.1) and the short one (0.1) the same file.
_TOKEN = re.compile(
    r'"(?P<text>(?:[^"]|"")*)"'
    r"|(?<!\S)(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?!\S)"
    r"|(?<!\S)<(?P<flag>\w+)>"
    r"|(?<!\S)(?P<comment>![^\n]*)"
    r'|[^\s"]+'
    r'|(?P<open>")'
)


@dataclass(frozen=True)
class Interval:
    """A stretch of time with its text, in seconds."""

    onset_s: float
    offset_s: float
    text: str

    @property
    def is_silence(self) -> bool:
        """Whether the text stands for a pause or a noise; braces and case do not matter."""
        return self.text.strip("{} ").lower() in SILENCES


def read_textgrid(path: str | Path) -> dict[str, list[Interval]]:
    """Read the interval tiers of a TextGrid.

    The long and the short text format are read, in UTF-8 or UTF-16. Tiers of points are passed over.

    Parameters
    ----------
    path : str or Path
        A ``.TextGrid`` file.

    Returns
    -------
    tiers : dict of str to list of Interval
        By name, in the order of the file; texts without blanks around them, in order of time.

    Raises
    ------
    InputError
        If it is no TextGrid in a text format, is cut short, or its intervals are out of order or overlap.
    """
    path = require_file(path)
    tokens = _Tokens(path, _decode(path))
    if tokens.text("the file type") not in _HEADERS or tokens.text("the object class") != "TextGrid":
        raise InputError(
            f"{path} is no TextGrid in Praat's text format; save it in Praat with `Save as text file`."
        )
    tokens.number("the start of the grid")
    tokens.number("the end of the grid")
    tiers: dict[str, list[Interval]] = {}
    if tokens.flag("whether there are tiers") != "exists":
        return tiers
    for number in range(1, tokens.count("the number of tiers") + 1):
        kind, name = tokens.text(f"the class of tier {number}"), tokens.text(f"the name of tier {number}")
        tokens.number(f"the start of tier {name!r}")
        tokens.number(f"the end of tier {name!r}")
        n_items = tokens.count(f"the number of intervals of tier {name!r}")
        if kind == "IntervalTier":
            if name in tiers:
                raise InputError(f"{path} has two interval tiers named {name!r}; rename one.")
            tiers[name] = _intervals(path, tokens, name, n_items)
        elif kind == "TextTier":
            for item in range(1, n_items + 1):
                tokens.number(f"point {item} of tier {name!r}")
                tokens.text(f"point {item} of tier {name!r}")
        else:
            raise InputError(f"{path}: tier {name!r} is a {kind!r}; known are IntervalTier and TextTier.")
    return tiers


def read_words(path: str | Path, *, tier: str = "word") -> list[Interval]:
    """Read the spoken words of a tier, leaving out silences and noises.

    Raises
    ------
    InputError
        If the file cannot be read, has no such tier, or the tier has no words.
    """
    tiers = read_textgrid(path)
    if tier not in tiers:
        raise InputError(f"a tier of {path} is {tier!r}, {did_you_mean(tier, list(tiers))}")
    words = [interval for interval in tiers[tier] if not interval.is_silence]
    if not words:
        raise InputError(f"the tier {tier!r} of {path} holds {len(tiers[tier])} intervals but no word.")
    return words


def _intervals(path: Path, tokens: _Tokens, tier: str, n_items: int) -> list[Interval]:
    found: list[Interval] = []
    for item in range(1, n_items + 1):
        where = f"interval {item} of {n_items} of tier {tier!r}"
        onset, offset = tokens.number(where), tokens.number(where)
        text = tokens.text(where).strip()
        if offset < onset:
            raise InputError(
                f"{path}: {where} ({text!r}) ends at {offset:g} s, before its start {onset:g} s."
            )
        # Times are printed with 15 digits or so; neighbours may differ in the last.
        if found and onset < found[-1].offset_s - 1e-6:
            raise InputError(
                f"{path}: {where} ({text!r}) starts at {onset:g} s, before the one ahead of it ends at "
                f"{found[-1].offset_s:g} s."
            )
        found.append(Interval(onset, offset, text))
    return found


class _Tokens:
    """The free-standing numbers, texts and flags of a file, asked for one by one."""

    def __init__(self, path: Path, content: str) -> None:
        self._path = path
        self._rest = _scan(path, content)

    def text(self, what: str) -> str:
        """Take a quoted text."""
        return self._take("text", what).replace('""', '"')

    def number(self, what: str) -> float:
        """Take a number."""
        value = float(self._take("number", what))
        if not math.isfinite(value):
            raise InputError(f"{self._path}: {what} is {value}, a finite time in seconds is wanted.")
        return value

    def count(self, what: str) -> int:
        """Take a whole number of at least 0."""
        value = self.number(what)
        if value < 0 or value != int(value):
            raise InputError(f"{self._path}: {what} is {value:g}, a whole number is wanted.")
        return int(value)

    def flag(self, what: str) -> str:
        """Take a flag such as <exists>."""
        return self._take("flag", what)

    def _take(self, kind: str, what: str) -> str:
        found = next(self._rest, None)
        if found is None:
            raise InputError(
                f"{self._path} ends before {what}; it is cut short or no TextGrid. Copy it again."
            )
        came, value = found
        if came != kind:
            raise InputError(
                f"{self._path} is damaged or no TextGrid: {what} should be a {kind}, found the {came} "
                f"{value[:40]!r}."
            )
        return value


def _scan(path: Path, content: str) -> Iterator[tuple[str, str]]:
    for match in _TOKEN.finditer(content):
        kind = match.lastgroup
        if kind == "open":
            raise InputError(
                f"{path} is cut short: a text that starts with a quote never ends. Copy it again."
            )
        if kind in ("text", "number", "flag"):
            yield kind, match[kind]


def _decode(path: Path) -> str:
    content = path.read_bytes()
    is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is neither UTF-8 nor UTF-16 ({error.reason} at byte {error.start}); set Praat's text "
            "writing to UTF-8 and save it again."
        ) from error
