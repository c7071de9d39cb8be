"""CORnet-Z, R, RT and S: four cortical areas, without and with recurrence, and their twins."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from torch import nn

from ..._core.checks import check_option
from ..._core.errors import InputError
from ..._core.random import derive_seed
from .._images import IMAGENET_MEAN, IMAGENET_STD, check_count, square
from .._network import Network, declared
from .._recipe import Recipe
from ..standard._random_weights import seeded, set_batch_norm
from ._cornet_modules import S_TIMES, CornetR, CornetS, CornetZ

_RECIPE = Recipe(optimizer="adam", lr=1e-3, epochs=20, batch_size=64, clip=1.0)
_NOTE = "Weights are random (seed {seed}); train the network before calling it a model of what was learned."


def cornet_z(
    *, image_size: int = 224, n_classes: int = 1000, pooling: Literal["max", "none"] = "max", seed: int = 0
) -> Network:
    """Build CORnet-Z: four feed-forward areas of convolution, rectification and maximum.

    Parameters
    ----------
    image_size : int, default=224
        Height and width, in pixels, that images are brought to; at least 16.
    n_classes : int, default=1000
        Number of scores.
    pooling : {"max", "none"}, default="max"
        "none" keeps every second response instead of the maximum of nine: the twin
        ``cornet-z-strided``, of the same shapes and weights.
    seed : int, default=0
        Draws the weights.

    Returns
    -------
    network : Network
        Layers ``V1.output`` (64 maps, a quarter of the image's size), ``V2.output`` (128),
        ``V4.output`` (256), ``IT.output`` (512), each half the size of the one below, and ``decoder``.

    Raises
    ------
    InputError
        If an option is out of its range.

    References
    ----------
    Kubilius J, Schrimpf M, Nayebi A, Bear D, Yamins DLK, DiCarlo JJ (2018). CORnet: modeling the neural
    mechanisms of core object recognition. bioRxiv 408385. https://doi.org/10.1101/408385

    Examples
    --------
    >>> cornet_z(image_size=32, n_classes=10).layers[:2]
    ('V1.output', 'V2.output')
    """
    check_option("pooling", pooling, ("max", "none"))
    _check(image_size, n_classes, seed)
    options = {"image_size": image_size, "n_classes": n_classes, "seed": seed}
    module = seeded(lambda: CornetZ(n_classes=n_classes, pooling=pooling == "max"), seed)
    if pooling == "none":
        return _network("cornet-z-strided", module, options)
    return _network("cornet-z", module, options, matched=partial(cornet_z_strided, **options))


def cornet_z_strided(*, image_size: int = 224, n_classes: int = 1000, seed: int = 0) -> Network:
    """Build :func:`cornet_z` with ``pooling="none"``: the same weights, every second response kept.

    Parameters
    ----------
    image_size, n_classes, seed
        As for :func:`cornet_z`.

    Returns
    -------
    network : Network
    """
    return cornet_z(image_size=image_size, n_classes=n_classes, pooling="none", seed=seed)


def cornet_r(
    *, image_size: int = 224, n_classes: int = 1000, n_steps: int = 5, tied: bool = True, seed: int = 0
) -> Network:
    """Build CORnet-R: recurrent areas that are updated one after the other within a step.

    In a step an area turns its input into ``a = relu(GN(conv_in(below)))`` and its state into
    ``h = relu(GN(conv(a + h)))``. In the first step only V1 has input; from the second on the news of an
    image runs through all areas at once.

    Parameters
    ----------
    image_size : int, default=224
        Height and width, in pixels, that images are brought to; at least 16.
    n_classes : int, default=1000
        Number of scores, read from IT after the last step.
    n_steps : int, default=5
        Number of steps; at least 2, since before the second nothing but V1 has seen the image.
    tied : bool, default=True
        The same weights at every step; False gives each step its own (``cornet-r-untied``).
    seed : int, default=0
        Draws the weights.

    Returns
    -------
    network : Network
        Layers ``V1.output`` ... ``IT.output``, which run `n_steps` times in a pass, and ``decoder``.

    Raises
    ------
    InputError
        If an option is out of its range.

    References
    ----------
    Kubilius J, Schrimpf M, Nayebi A, Bear D, Yamins DLK, DiCarlo JJ (2018). CORnet: modeling the neural
    mechanisms of core object recognition. bioRxiv 408385. https://doi.org/10.1101/408385
    """
    check_count("n_steps", n_steps, least=1)
    if n_steps < 2:
        raise InputError(
            f"`n_steps` of CORnet-R must be at least 2, got {n_steps}: V2 sees the image in the second step "
            "only. `cornet-feedforward` is the network of a single step."
        )
    name = "cornet-r" if tied else "cornet-r-untied"
    return _recurrent(name, "sequential", image_size, n_classes, n_steps, tied, seed)


def cornet_rt(
    *, image_size: int = 224, n_classes: int = 1000, n_steps: int = 5, tied: bool = True, seed: int = 0
) -> Network:
    """Build CORnet-RT: recurrent areas, a step of time between each and the next.

    The areas are those of :func:`cornet_r`, but each reads what the area below answered a step before,
    so that an image reaches V1, V2, V4 and IT in steps 0, 1, 2 and 3.

    Parameters
    ----------
    image_size : int, default=224
        Height and width, in pixels, that images are brought to; at least 16.
    n_classes : int, default=1000
        Number of scores, read from IT after the last step.
    n_steps : int, default=5
        Number of steps; at least 4, since IT sees nothing of the image before.
    tied : bool, default=True
        The same weights at every step; False gives each step its own (``cornet-rt-untied``).
    seed : int, default=0
        Draws the weights.

    Returns
    -------
    network : Network
        Layers ``V1.output`` ... ``IT.output``, which run `n_steps` times in a pass, and ``decoder``.

    Raises
    ------
    InputError
        If an option is out of its range.

    References
    ----------
    Kubilius J, Schrimpf M, Nayebi A, Bear D, Yamins DLK, DiCarlo JJ (2018). CORnet: modeling the neural
    mechanisms of core object recognition. bioRxiv 408385. https://doi.org/10.1101/408385
    """
    check_count("n_steps", n_steps, least=1)
    if n_steps < 4:
        raise InputError(
            f"`n_steps` of CORnet-RT must be at least 4, got {n_steps}: the image reaches IT in the fourth "
            "step, and IT would answer the same to everything."
        )
    name = "cornet-rt" if tied else "cornet-rt-untied"
    return _recurrent(name, "delayed", image_size, n_classes, n_steps, tied, seed)


def cornet_feedforward(*, image_size: int = 224, n_classes: int = 1000, seed: int = 0) -> Network:
    """Build the twin of CORnet-R and RT without recurrence: one step, area after area.

    Parameters
    ----------
    image_size, n_classes, seed
        As for :func:`cornet_r`; the same seed gives the same weights.

    Returns
    -------
    network : Network
        Layers as for :func:`cornet_r`; each runs once.
    """
    return _recurrent("cornet-feedforward", "feedforward", image_size, n_classes, 1, True, seed)


def cornet_r_untied(
    *, image_size: int = 224, n_classes: int = 1000, n_steps: int = 5, seed: int = 0
) -> Network:
    """Build :func:`cornet_r` with weights of its own at every step.

    Parameters
    ----------
    image_size, n_classes, n_steps, seed
        As for :func:`cornet_r`.

    Returns
    -------
    network : Network
    """
    return cornet_r(image_size=image_size, n_classes=n_classes, n_steps=n_steps, tied=False, seed=seed)


def cornet_rt_untied(
    *, image_size: int = 224, n_classes: int = 1000, n_steps: int = 5, seed: int = 0
) -> Network:
    """Build :func:`cornet_rt` with weights of its own at every step.

    Parameters
    ----------
    image_size, n_classes, n_steps, seed
        As for :func:`cornet_rt`.

    Returns
    -------
    network : Network
    """
    return cornet_rt(image_size=image_size, n_classes=n_classes, n_steps=n_steps, tied=False, seed=seed)


def cornet_s(
    *,
    image_size: int = 224,
    n_classes: int = 1000,
    recurrence: Literal["paper", "none", "untied"] = "paper",
    seed: int = 0,
) -> Network:
    """Build CORnet-S: bottlenecks with a skip that run 2 (V2), 4 (V4) and 2 (IT) times over themselves.

    Parameters
    ----------
    image_size : int, default=224
        Height and width, in pixels, that images are brought to; at least 16.
    n_classes : int, default=1000
        Number of scores.
    recurrence : {"paper", "none", "untied"}, default="paper"
        "none" runs every area once (``cornet-s-feedforward``), "untied" has convolutions of its own for
        every pass (``cornet-s-untied``).
    seed : int, default=0
        Draws the weights, and the procedural images of the batch-norm statistics.

    Returns
    -------
    network : Network
        Layers ``V1.output`` (once), ``V2.output`` (twice), ``V4.output`` (four times), ``IT.output``
        (twice) and ``decoder``.

    Raises
    ------
    InputError
        If an option is out of its range.

    Notes
    -----
    Batch norms belong to a pass, so the number of passes cannot be raised after training.

    References
    ----------
    Kubilius J, Schrimpf M, Kar K, et al. (2019). Brain-like object recognition with high-performing
    shallow recurrent ANNs. NeurIPS. https://arxiv.org/abs/1909.06161
    """
    check_option("recurrence", recurrence, ("paper", "none", "untied"))
    _check(image_size, n_classes, seed)
    options = {"image_size": image_size, "n_classes": n_classes, "seed": seed}
    times = (1, 1, 1) if recurrence == "none" else S_TIMES
    module = seeded(lambda: CornetS(n_classes=n_classes, times=times, tied=recurrence != "untied"), seed)
    statistics = derive_seed(seed, "cornet-s", "batch-norm")
    set_batch_norm(module, seed=statistics, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    if recurrence == "paper":
        return _network("cornet-s", module, options, matched=partial(cornet_s_feedforward, **options))
    name = "cornet-s-feedforward" if recurrence == "none" else "cornet-s-untied"
    return _network(name, module, options)


def cornet_s_feedforward(*, image_size: int = 224, n_classes: int = 1000, seed: int = 0) -> Network:
    """Build :func:`cornet_s` with ``recurrence="none"``.

    Parameters
    ----------
    image_size, n_classes, seed
        As for :func:`cornet_s`.

    Returns
    -------
    network : Network
    """
    return cornet_s(image_size=image_size, n_classes=n_classes, recurrence="none", seed=seed)


def cornet_s_untied(*, image_size: int = 224, n_classes: int = 1000, seed: int = 0) -> Network:
    """Build :func:`cornet_s` with ``recurrence="untied"``.

    Parameters
    ----------
    image_size, n_classes, seed
        As for :func:`cornet_s`.

    Returns
    -------
    network : Network
    """
    return cornet_s(image_size=image_size, n_classes=n_classes, recurrence="untied", seed=seed)


def _recurrent(
    name: str,
    wiring: Literal["sequential", "delayed", "feedforward"],
    image_size: int,
    n_classes: int,
    n_steps: int,
    tied: bool,
    seed: int,
) -> Network:
    _check(image_size, n_classes, seed)
    options = {"image_size": image_size, "n_classes": n_classes, "seed": seed}
    module = seeded(lambda: CornetR(n_classes=n_classes, n_steps=n_steps, wiring=wiring, tied=tied), seed)
    # No weight holds the number of steps or the wiring, so both go into the key.
    told = options | ({} if wiring == "feedforward" else {"n_steps": n_steps})
    facts = {"n_steps": n_steps, "wiring": wiring}
    matched = None if wiring == "feedforward" else partial(cornet_feedforward, **options)
    return _network(name, module, told, facts=facts, matched=matched)


def _network(
    name: str,
    module: nn.Module,
    options: dict[str, Any],
    *,
    facts: dict[str, Any] | None = None,
    matched: Callable[[], Network] | None = None,
) -> Network:
    preparation = square(options["image_size"], mean=IMAGENET_MEAN, std=IMAGENET_STD)
    return declared(
        name,
        module,
        preparation,
        preprocessing={"image": preparation.facts(), "parameters": {"network": name, **(facts or {})}},
        recipe=_RECIPE,
        matched=matched,
        options=options,
        notes=(_NOTE.format(seed=options["seed"]),),
    )


def _check(image_size: int, n_classes: int, seed: int) -> None:
    check_count("image_size", image_size, least=16)
    check_count("n_classes", n_classes, least=2)
    check_count("seed", seed, least=0)
