"""M/EEG, intracranial and fNIRS: cleaning, epochs, scaling, noise normalisation, sources, power."""

from __future__ import annotations
