"""A saved encoder of any kind."""

from __future__ import annotations

from pathlib import Path

from ._estimator import Encoder
from ._storage import read_kind


def load_encoder(folder: str | Path) -> Encoder:
    """Read an encoder that `save` wrote, whatever its kind.

    Parameters
    ----------
    folder : path
        What was given to `save`.

    Returns
    -------
    encoder : Encoder
        Fitted; predicts the same bits as the one that was saved.

    Raises
    ------
    MissingDataError
        If the folder or one of its files is not there.
    UnknownNameError
        If the kind is not one of this version's encoders.
    InputError
        If it is damaged.
    """
    from . import ENCODERS

    loaded: Encoder = ENCODERS[read_kind(folder)].load(folder)
    return loaded
