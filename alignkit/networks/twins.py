"""The controls of a network: itself before training, and a standard network of its size."""

from __future__ import annotations

from dataclasses import replace

from .._core.errors import InputError
from ._network import Network

_MATCHED_FAMILY = "matched CNN"
_LEAST_SIZE = 32
_CONFOUNDED = (
    "Its weights are random and the network's are trained: what sets them apart may be training rather than "
    "the mechanism (`alignkit train --twin` trains both)."
)


def untrained_twin(network: Network) -> Network | None:
    """Return the same network before training.

    Parameters
    ----------
    network : Network
        Trained or not.

    Returns
    -------
    twin : Network or None
        Named ``<name>-untrained``, of the family ``untrained <family>`` (``untrained`` for a pretrained
        one). None where the network is untrained itself, or does not say how it is built before training.

    Examples
    --------
    >>> from alignkit.networks import build_network
    >>> untrained_twin(build_network("pixels")) is None
    True
    """
    if not network.trained or network.untrained is None:
        return None
    twin = network.untrained()
    return replace(
        twin,
        name=f"{network.name}-untrained",
        family=twin.family if twin.family.startswith("untrained") else f"untrained {network.family}",
        trained=False,
        untrained=None,
        matched=None,
        notes=(*twin.notes, f"This is {network.name} before training."),
    )


def matched_twin(network: Network) -> Network | None:
    """Return a standard network of as many parameters, without the network's mechanism.

    Parameters
    ----------
    network : Network
        Its own `matched` is built where it has one; otherwise the registered ``matched-cnn`` of the same
        number of trainable parameters (to within 2 %) and size of input, with random weights.

    Returns
    -------
    twin : Network or None
        Named ``<name>-matched``, of the family ``matched CNN`` (or ``matched <family>`` for a twin of
        the network's own). None for a network without parameters, one with fewer than 500, one that
        takes no images and names no twin, and for a matched network itself.
    """
    if network.family.startswith("matched "):
        return None
    if network.matched is not None:
        twin = network.matched()
        return _renamed(network, twin, f"matched {network.family}")
    if network.modality != "image" or network.n_parameters < 500:
        return None
    from ._build import build_network

    options = {
        "n_parameters": network.n_parameters,
        "image_size": max(_LEAST_SIZE, _input_size(network)),
        "seed": int(network.options.get("seed", 0)),
    }
    return _renamed(network, build_network("matched-cnn", options), _MATCHED_FAMILY)


def _renamed(network: Network, twin: Network, family: str) -> Network:
    share = twin.n_parameters / network.n_parameters if network.n_parameters else 1.0
    confounded = network.trained and not twin.trained and network.n_parameters > 0
    return replace(
        twin,
        name=f"{network.name}-matched",
        family=family,
        untrained=None,
        matched=None,
        notes=(
            *twin.notes,
            f"This is a standard network of {twin.n_parameters:,} parameters, {share:.1%} of "
            f"{network.name}'s.",
            *((_CONFOUNDED,) if confounded else ()),
        ),
    )


def _input_size(network: Network) -> int:
    """Return the height, in pixels, of what the network's preprocessing gives."""
    from PIL import Image

    tensor = network.preprocess(Image.new("RGB", (256, 256)))
    if tensor.ndim != 3:
        raise InputError(
            f"{network.name!r} prepares an image as shape {tuple(tensor.shape)}, wanted (3, height, width); "
            "a matched network cannot be built for it."
        )
    return int(tensor.shape[-2])
