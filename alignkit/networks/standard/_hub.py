"""The Hugging Face hub: reached quietly, tried from the local cache first, and missed with a remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from ..._core.errors import InputError, MissingDataError

T = TypeVar("T")

_TIMEOUT_S = 5.0


def from_hub(name: str, load: Callable[[bool], T], *, source: str = "hf") -> T:
    """Return what ``load(local)`` gives, from the local cache or else from the hub.

    Parameters
    ----------
    name : str
        Of the repository on the hub.
    load : callable
        Gets True when only local files may be used; raises OSError where something is missing.
    source : str, default="hf"
        What a folder is given to in the remedy.

    Raises
    ------
    MissingDataError
        If it is in neither, or the hub cannot be reached.
    InputError
        If what was found cannot be used.
    """
    remedy = (
        f"Where there is internet run `hf download {name} --local-dir FOLDER`, bring the folder here and "
        f"use `{source}:FOLDER`."
    )
    try:
        try:
            return load(True)
        except OSError as error:
            if not hub_answers():
                raise MissingDataError(
                    f"the network {name!r} is not in the local cache, and the Hugging Face hub cannot be "
                    f"reached. {remedy}"
                ) from error
            return load(False)
    except InputError:
        raise
    except OSError as error:
        raise MissingDataError(
            f"the network {name!r} could not be had from the Hugging Face hub as safetensors: "
            f"{first_line(error)} Check the name. {remedy}"
        ) from error


def hub_answers() -> bool:
    """Return whether the hub can be reached, within seconds."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    # The hub's own client tries for half a minute before it gives up.
    try:
        with urlopen(Request(constants.ENDPOINT, method="HEAD"), timeout=_TIMEOUT_S):
            return True
    except HTTPError:
        return True
    except (URLError, OSError):
        return False


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' own bars and reports off the terminal for a while."""
    from transformers import utils

    logging: Any = utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text; libraries write paragraphs."""
    return str(error).strip().split("\n")[0]
