"""What is known of each word of the Alice story without a language model, and the published regressors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.errors import InputError
from ...recordings.tracks import Track
from .._arrays import readable, require_file
from ._textgrid import Interval

_RANKS = "alice_ranks.tsv"
# One more than the whole words of the vocabulary: rarer than all of them.
_RAREST = 22_699
# The columns as the published description names them.
_REGRESSORS = (
    "rate_conv", "frq_conv_orth", "break_conv_orth", "tdp_conv_orth", "tdx_conv_orth", "bup_conv_orth",
    "bux_conv_orth", "cfgsurp_conv_orth", "bigramlex_conv_orth", "trigramlex_conv_orth",
    "bigrampos_conv_orth", "trigrampos_conv_orth",
)  # fmt: skip
# Listeners heard one recording: their copies of its sound power agree to four digits or so.
_SAME_SOUND = 0.999


def word_tracks(words: Sequence[Interval]) -> tuple[Track, ...]:
    """Return the tracks ``word-rate``, ``word-length`` and ``log-frequency`` of timed words."""
    onset_s = np.array([word.onset_s for word in words])
    offset_s = np.array([word.offset_s for word in words])
    texts = tuple(word.text for word in words)
    letters = [sum(letter.isalpha() for letter in text) for text in texts]

    def track(name: str, values: Any, **more: Any) -> Track:
        matrix = np.asarray(values, dtype=np.float64).reshape(len(words), -1)
        return Track(name, matrix, onset_s, offset_s, labels=texts, **more)

    return (
        track("word-rate", np.ones(len(words)), facts={"is": "1 for every word"}),
        track(
            "word-length",
            np.column_stack([letters, offset_s - onset_s]),
            units=("letters", "duration_s"),
            facts={"is": "letters of each word, and how long it was spoken, in seconds"},
        ),
        track(
            "log-frequency",
            log_frequency(texts),
            facts={
                "is": "minus the natural logarithm of the word's rank by frequency (Zipf's law)",
                "source": "order of the whole words in BERT's uncased vocabulary (Apache-2.0)",
            },
        ),
    )


def log_frequency(words: Sequence[str]) -> NDArray[np.float64]:
    """Return minus the logarithm of each word's rank by frequency; higher is more frequent.

    The ranks are those of the whole words in the vocabulary of BERT (uncased), which is sorted by how often
    they come in English books and Wikipedia. By Zipf's law, log frequency falls with log rank. ``a`` and
    ``I`` count as the most frequent (letters have no rank of their own), clitics as the word they stand
    for (``'s`` as ``is``), words that the vocabulary lacks as rarer than all it has.

    Parameters
    ----------
    words : sequence of str
        Case does not matter. Only the words of the Alice story have ranks.

    Returns
    -------
    values : ndarray of shape (n_words,)
        In [-10.03, 0].

    References
    ----------
    Zipf GK (1949). Human behavior and the principle of least effort. Addison-Wesley.
    Devlin J, et al. (2019). BERT. NAACL. https://doi.org/10.18653/v1/N19-1423
    """
    table = pd.read_csv(Path(__file__).with_name(_RANKS), sep="\t", keep_default_na=False)
    ranks = dict(zip(table["word"], table["rank"], strict=True))
    found = np.array([ranks.get(word.lower(), _RAREST) for word in words], dtype=np.float64)
    # The most frequent word has the logarithm 0, which must not come out as -0.
    return 0.0 - np.log(found)


def published_tracks(
    folder: Path, regressors: str, subjects: Sequence[str], onset_s: NDArray[np.float64], tr_s: float
) -> tuple[tuple[Track, ...], list[Path]]:
    """Return the published regressors at the recorded volumes, and the files they come from.

    They are convolved with a haemodynamic response already. The table of regressors starts with the
    volumes that were dropped from the recordings.
    """
    n_volumes, n_dropped = len(onset_s), round(onset_s[0] / tr_s)
    table = read_matrix_of(folder / regressors, n_rows=n_dropped + n_volumes, n_columns=len(_REGRESSORS))
    paths = [folder / f"{subject}-sndpwr.txt" for subject in subjects]
    power = [read_matrix_of(path, n_rows=n_volumes, n_columns=1)[:, 0] for path in paths]
    for path, other in zip(paths, power, strict=True):
        likeness = np.corrcoef(power[0], other)[0, 1] if other.std() else 0.0
        if likeness < _SAME_SOUND:
            raise InputError(
                f"{path} differs from {paths[0].name} (r = {likeness:.3f}), but all listeners heard one "
                "recording. Get the file again, or leave its listener out with `subjects`."
            )

    def track(name: str, values: NDArray[np.float64], units: tuple[str, ...], source: str) -> Track:
        facts = {"is": "published, convolved with a haemodynamic response", "source": source}
        return Track(name, values, onset_s, onset_s + tr_s, units=units, is_response=True, facts=facts)

    tracks = (
        track("sound-power", power[0][:, None], (), paths[0].name),
        track("published-regressors", table[n_dropped:], _REGRESSORS, regressors),
    )
    return tracks, [folder / regressors, *paths]


def read_matrix_of(path: Path, *, n_rows: int, n_columns: int) -> NDArray[np.float64]:
    """Read a text file of numbers and check its shape."""
    path = require_file(path)
    with readable(path, "a table of numbers"):
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        values = np.loadtxt(lines, ndmin=2) if lines else np.empty((0, n_columns))
    if values.shape != (n_rows, n_columns):
        raise InputError(
            f"{path} must have {n_rows} rows and {n_columns} column(s) of numbers, got {values.shape[0]} and "
            f"{values.shape[1]}. Copy it again."
        )
    if not np.isfinite(values).all():
        row, column = (int(i) for i in np.argwhere(~np.isfinite(values))[0])
        raise InputError(
            f"{path} holds {int((~np.isfinite(values)).sum())} NaN or infinite value(s), the first in row "
            f"{row + 1}, column {column + 1}. Copy it again, or leave its listener out with `subjects`."
        )
    return values
