"""What a network makes of stimuli: hooks, pooling, projection, streamed to disk."""

from __future__ import annotations

# Not handed on lazily: the module and its function share a name, and the function must win. None of
# these imports torch before something is extracted.
from ._circumstances import Precision
from ._passes import Steps
from .extract import extract
from .films import film_features, film_tracks
from .pooling import POOLINGS, Pooling, pool
from .principal_components import PrincipalComponents, fit_components
from .projection import SparseProjection, jl_size
from .sounds import sound_features, sound_tracks
from .spike_codes import first_spike_latency, spike_rate
from .words import sentence_embeddings, text_features, word_features, word_tracks

__all__ = [
    "POOLINGS",
    "Pooling",
    "Precision",
    "PrincipalComponents",
    "SparseProjection",
    "Steps",
    "extract",
    "film_features",
    "film_tracks",
    "first_spike_latency",
    "fit_components",
    "jl_size",
    "pool",
    "sentence_embeddings",
    "sound_features",
    "sound_tracks",
    "spike_rate",
    "text_features",
    "word_features",
    "word_tracks",
]
