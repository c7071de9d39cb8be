"""A saved decoder of any kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .._core.errors import InputError, MissingDataError
from .decoder import Decoder

_DESCRIPTION = "decoder.json"


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

    path = Path(folder) / _DESCRIPTION
    if not path.is_file():
        raise MissingDataError(
            f"{folder} is not a saved decoder: it has no {_DESCRIPTION}. Give the folder that `save` wrote."
        )
    try:
        kind = str(json.loads(path.read_text(encoding="utf-8"))["alignkit_decoder"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is damaged or not from alignkit ({error!r}). Fit and save the decoder again."
        ) from error
    loader: Any = DECODERS[kind]
    loaded: Decoder = loader.load(folder)
    return loaded
