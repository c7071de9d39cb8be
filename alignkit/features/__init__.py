"""What a network makes of stimuli: hooks, pooling, projection, streamed to disk."""

from __future__ import annotations

# Not handed on lazily: the module and its function share a name, and the function must win. None of
# these imports torch before something is extracted.
from ._circumstances import Precision
from ._passes import Steps
from .extract import extract
from .pooling import POOLINGS, Pooling, pool
from .projection import SparseProjection
from .words import sentence_embeddings, text_features, word_features, word_tracks

__all__ = [
    "POOLINGS",
    "Pooling",
    "Precision",
    "SparseProjection",
    "Steps",
    "extract",
    "pool",
    "sentence_embeddings",
    "text_features",
    "word_features",
    "word_tracks",
]
