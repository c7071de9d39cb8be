"""Dragon Hatchling (BDH-GPU): a language model of sparse positive neurons with Hebbian fast synapses."""

from __future__ import annotations

from typing import Any

from ..._core.random import derive_seed
from .._images import check_count
from .._language import LANGUAGE_MODELS, LanguageModel
from .._recipe import Recipe
from ..standard._random_weights import seeded
from ._bytes import ByteTokenizer
from .bdh import Activations, Attention, DragonHatchling

RECIPE = Recipe(data="text", optimizer="adamw", lr=1e-3, weight_decay=0.1, epochs=3, batch_size=16)


def dragon_hatchling(
    *,
    n_dims: int = 64,
    n_heads: int = 2,
    n_neurons: int = 1024,
    n_levels: int = 3,
    attention: Attention = "linear",
    activations: Activations = "positive",
    sparse_layers: bool = True,
    max_tokens: int = 1024,
    seed: int = 0,
) -> LanguageModel:
    """Build a Dragon Hatchling with random weights.

    The default is small enough for a CPU; the paper's has ``n_dims=256, n_heads=4, n_neurons=8192,
    n_levels=6`` and 25,296,896 parameters.

    Parameters
    ----------
    n_dims : int, default=64
        Of the state between levels.
    n_heads : int, default=2
    n_neurons : int, default=1024
        Per head; even.
    n_levels : int, default=3
        They share their weights.
    attention : {"linear", "softmax"}, default="linear"
        ``"softmax"`` is a twin without Hebbian state.
    activations : {"positive", "signed"}, default="positive"
        ``"signed"`` is a twin without sparse activity.
    sparse_layers : bool, default=True
        Whether neurons are layers too; memory for a text is then about
        ``3 * n_levels * n_heads * n_neurons`` numbers per byte.
    max_tokens : int, default=1024
        The longest text, in bytes.
    seed : int, default=0
        Draws weights.

    Returns
    -------
    model : LanguageModel
        Layers ``embedding``; per level ``level1.x_sparse``, ``level1.y_sparse``, ``level1.xy``
        (n_heads * n_neurons each) and ``level1`` (n_dims); and ``sentence``.

    Raises
    ------
    InputError
        If an option is out of its range.

    Notes
    -----
    Activity becomes sparse by training (``RECIPE``); at first half of the neurons are active.

    References
    ----------
    Kosowski A, et al. (2025). The dragon hatchling: the missing link between the transformer and models of
    the brain. https://arxiv.org/abs/2509.26507

    Examples
    --------
    >>> dragon_hatchling(n_levels=1).layers
    ('embedding', 'level1.x_sparse', 'level1.y_sparse', 'level1.xy', 'level1', 'sentence')
    """
    counts = {"n_dims": n_dims, "n_heads": n_heads, "n_neurons": n_neurons, "n_levels": n_levels}
    for name, value in (counts | {"max_tokens": max_tokens}).items():
        check_count(name, value, least=1)
    check_count("seed", seed, least=0)

    def build() -> DragonHatchling:
        return DragonHatchling(
            n_dims=n_dims,
            n_heads=n_heads,
            n_neurons=n_neurons,
            n_levels=n_levels,
            attention=attention,
            activations=activations,
            gives_sparse=sparse_layers,
        )

    name = "dragon-hatchling"
    if attention == "softmax" or activations == "signed":
        name += "-softmax" if attention == "softmax" else "-signed"
    taps = ("x_sparse", "y_sparse", "xy") if sparse_layers else ()
    levels = [f"level{number + 1}" for number in range(n_levels)]
    inner = [layer for level in levels for layer in (*(f"{level}.{tap}" for tap in taps), level)]
    facts = LANGUAGE_MODELS.facts(name)
    options: dict[str, Any] = {
        **counts,
        "attention": attention,
        "activations": activations,
        "sparse_layers": sparse_layers,
        "max_tokens": max_tokens,
        "seed": seed,
    }
    return LanguageModel(
        name=name,
        family=facts["family"],
        module=seeded(build, derive_seed(seed, "dragon-hatchling")),
        tokenizer=ByteTokenizer(),
        layers=("embedding", *inner, "sentence"),
        max_tokens=max_tokens,
        preprocessing={"tokenizer": "UTF-8 bytes", "sentence": "mean of tokens, L2"},
        trained=False,
        paper=facts["paper"],
        reads="left to right",
        options=options,
        recipe=RECIPE,
        notes=(f"Weights are random (seed {seed}); activity becomes sparse by training only.",),
    )


def dragon_hatchling_softmax(
    *,
    n_dims: int = 64,
    n_heads: int = 2,
    n_neurons: int = 1024,
    n_levels: int = 3,
    sparse_layers: bool = True,
    max_tokens: int = 1024,
    seed: int = 0,
) -> LanguageModel:
    """Build :func:`dragon_hatchling` with ``attention="softmax"``: as many weights, no Hebbian state.

    Parameters
    ----------
    n_dims, n_heads, n_neurons, n_levels, sparse_layers, max_tokens, seed
        As for :func:`dragon_hatchling`.

    Returns
    -------
    model : LanguageModel
    """
    return dragon_hatchling(
        n_dims=n_dims,
        n_heads=n_heads,
        n_neurons=n_neurons,
        n_levels=n_levels,
        attention="softmax",
        sparse_layers=sparse_layers,
        max_tokens=max_tokens,
        seed=seed,
    )


def dragon_hatchling_signed(
    *,
    n_dims: int = 64,
    n_heads: int = 2,
    n_neurons: int = 1024,
    n_levels: int = 3,
    sparse_layers: bool = True,
    max_tokens: int = 1024,
    seed: int = 0,
) -> LanguageModel:
    """Build :func:`dragon_hatchling` with ``activations="signed"``: as many weights, no sparse activity.

    Parameters
    ----------
    n_dims, n_heads, n_neurons, n_levels, sparse_layers, max_tokens, seed
        As for :func:`dragon_hatchling`.

    Returns
    -------
    model : LanguageModel
    """
    return dragon_hatchling(
        n_dims=n_dims,
        n_heads=n_heads,
        n_neurons=n_neurons,
        n_levels=n_levels,
        activations="signed",
        sparse_layers=sparse_layers,
        max_tokens=max_tokens,
        seed=seed,
    )
