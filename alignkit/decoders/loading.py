"""A saved decoder of any kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ._storage import read_kind
from .decoder import Decoder


def load_decoder(folder: str | Path) -> Decoder:
    """Read a decoder that `save` wrote, whatever its kind.

    Parameters
    ----------
    folder : path
        What was given to `save`.

    Returns
    -------
    decoder : Decoder
        Fitted; decodes the same bits as the one that was saved.

    Raises
    ------
    MissingDataError
        If the folder or one of its files is not there.
    UnknownNameError
        If the kind is not one of this version's decoders.
    InputError
        If it is damaged.
    """
    from . import DECODERS

    loader: Any = DECODERS[read_kind(folder)]
    loaded: Decoder = loader.load(folder)
    return loaded
