"""What these networks are: names, layers, papers, and where their code is."""

from __future__ import annotations

from collections.abc import Mapping

from .._language import LANGUAGE_MODELS
from .._network import NETWORKS

_HOME = "alignkit.networks.dynamics"
_WAVE = "Keller, Muller, Sejnowski & Welling 2024, ICLR, arXiv:2309.08045"
_AKORN = "Miyato, Löwe, Geiger & Welling 2025, ICLR, arXiv:2410.13821"
_ELM = "Spieler et al. 2024, ICLR, arXiv:2306.16922"
_RESERVOIR = "Srinivasan, Plenz & Girvan 2025, arXiv:2504.12480"
_HOPFIELD = "Hopfield 1982, PNAS 79:2554, doi:10.1073/pnas.79.8.2554"
_MODERN = "Ramsauer et al. 2021, ICLR, arXiv:2008.02217"
_DRAGON = "Kosowski et al. 2025, arXiv:2509.26507"
_K_LAYERS = ("x", "energy", "readout")
_LEVEL = ("x_sparse", "y_sparse", "xy")
_twin: Mapping[str, object]


def _declare(name: str, home: str, **facts: object) -> None:
    NETWORKS.declare(name, f"{_HOME}.{home}", **facts)


for _name, _callable, _mechanism, _summary, _twin in (
    (
        "wave-rnn",
        "wave_rnn",
        "hidden state that shifts: travelling waves",
        "Wave-RNN, reads images row by row",
        {"twin": "wave-rnn-identity"},
    ),
    (
        "wave-rnn-identity",
        "wave_rnn_identity",
        "hidden state that starts from the identity",
        "Wave-RNN without waves: the matched twin of wave-rnn",
        {},
    ),
):
    _declare(
        _name,
        f"wave_rnn:{_callable}",
        family="dynamics",
        mechanism=_mechanism,
        layers=("wave.h",),
        paper=_WAVE,
        parameters=25918,
        trained=False,
        learns=True,
        summary=_summary,
        **_twin,
    )

for _name, _callable, _mechanism, _n_layers, _n_parameters, _summary, _twin in (
    (
        "akorn",
        "akorn",
        "oscillators on circles, coupled by convolution",
        3,
        336618,
        "AKOrN for classification: three layers of Kuramoto oscillators",
        {"twin": "akorn-uncoupled"},
    ),
    (
        "akorn-objects",
        "akorn_objects",
        "oscillators on 3-spheres, coupled by attention",
        1,
        37258,
        "AKOrN for objects: one layer of four-dimensional oscillators",
        {"twin": "akorn-objects-uncoupled"},
    ),
    (
        "akorn-objects-uncoupled",
        "akorn_objects_uncoupled",
        "oscillators on 3-spheres that do not hear of each other",
        1,
        37258,
        "AKOrN for objects whose attention reads the stimulus: the matched twin of akorn-objects",
        {},
    ),
    (
        "akorn-uncoupled",
        "akorn_uncoupled",
        "oscillators on circles that do not hear of each other",
        3,
        336618,
        "AKOrN whose coupling reads the stimulus: the matched twin of akorn",
        {},
    ),
):
    _declare(
        _name,
        f"akorn:{_callable}",
        family="dynamics",
        mechanism=_mechanism,
        layers=tuple(f"k{k + 1}.{tap}" for k in range(_n_layers) for tap in _K_LAYERS),
        paper=_AKORN,
        parameters=_n_parameters,
        trained=False,
        learns=True,
        summary=_summary,
        **_twin,
    )

for _name, _callable, _mechanism, _summary, _twin in (
    (
        "elm-neuron",
        "elm_neuron",
        "one neuron with leaky memories of many time constants",
        "expressive leaky memory neuron, reads images row by row",
        {"twin": "elm-neuron-short"},
    ),
    (
        "elm-neuron-short",
        "elm_neuron_short",
        "one neuron with memories of one step",
        "ELM neuron without slow memory: the matched twin of elm-neuron",
        {},
    ),
):
    _declare(
        _name,
        f"leaky_memory:{_callable}",
        family="dynamics",
        mechanism=_mechanism,
        layers=tuple(f"neuron.{tap}" for tap in ("branch", "delta", "memory", "out")),
        paper=_ELM,
        parameters=48350,
        trained=False,
        learns=True,
        summary=_summary,
        **_twin,
    )

for _name, _callable, _mechanism, _trained, _summary, _twin in (
    (
        "ei-reservoir",
        "ei_reservoir",
        "inhibition that adapts neuron by neuron",
        True,
        "reservoir with Dale's law, inhibition adapted to procedural images",
        {"twin": "ei-reservoir-global", "controls": ("ei-reservoir-untrained",)},
    ),
    (
        "ei-reservoir-global",
        "ei_reservoir_global",
        "inhibition of one global strength",
        True,
        "the same mean rate by one factor on inhibition: the matched twin of ei-reservoir",
        {},
    ),
    (
        "ei-reservoir-untrained",
        "ei_reservoir_untrained",
        "inhibition as drawn",
        False,
        "before inhibition adapted: the untrained twin of ei-reservoir",
        {},
    ),
):
    _declare(
        _name,
        f"reservoir:{_callable}",
        family="dynamics",
        mechanism=_mechanism,
        layers=("res.rate", "res.E", "res.I"),
        paper=_RESERVOIR,
        parameters=4010,
        trained=_trained,
        learns=True,
        summary=_summary,
        **_twin,
    )

for _name, _callable, _mechanism, _trained, _summary, _twin in (
    (
        "hopfield",
        "hopfield:hopfield",
        "binary attractors, neurons asked one by one",
        True,
        "Hopfield network that stores procedural images, cued by images",
        {"twin": "hopfield-synchronous", "controls": ("hopfield-untrained",)},
    ),
    (
        "hopfield-untrained",
        "hopfield:hopfield_untrained",
        "binary attractors, neurons asked one by one",
        False,
        "Hopfield network that stores coin tosses: the untrained twin of hopfield",
        {},
    ),
    (
        "hopfield-synchronous",
        "hopfield:hopfield_synchronous",
        "binary neurons asked all at once",
        True,
        "the same weights, no descent of energy: the matched twin of hopfield",
        {},
    ),
    (
        "modern-hopfield",
        "modern_hopfield:modern_hopfield",
        "softmax retrieval of stored patterns",
        True,
        "modern Hopfield network that stores procedural images, cued by images",
        {"twin": "modern-hopfield-diffuse", "controls": ("modern-hopfield-untrained",)},
    ),
    (
        "modern-hopfield-untrained",
        "modern_hopfield:modern_hopfield_untrained",
        "softmax retrieval of stored patterns",
        False,
        "modern Hopfield network that stores noise: the untrained twin of modern-hopfield",
        {},
    ),
    (
        "modern-hopfield-diffuse",
        "modern_hopfield:modern_hopfield_diffuse",
        "mean of stored patterns",
        True,
        "so warm that it retrieves the mean of all patterns: the matched twin of modern-hopfield",
        {},
    ),
):
    _is_modern = _name.startswith("modern")
    _declare(
        _name,
        _callable,
        family="associative memory",
        mechanism=_mechanism,
        layers=(("memory.weights",) if _is_modern else ()) + ("memory.state", "memory.energy"),
        paper=_MODERN if _is_modern else _HOPFIELD,
        parameters=0,
        trained=_trained,
        summary=_summary,
        **_twin,
    )

for _name, _callable, _mechanism, _summary, _twin in (
    (
        "dragon-hatchling",
        "dragon_hatchling",
        "sparse positive neurons with Hebbian fast synapses",
        "Dragon Hatchling (BDH-GPU) on bytes, random weights, small; the paper's size by options",
        {"twin": "dragon-hatchling-softmax", "controls": ("dragon-hatchling-signed",)},
    ),
    (
        "dragon-hatchling-softmax",
        "dragon_hatchling_softmax",
        "sparse positive neurons with softmax attention",
        "Dragon Hatchling without Hebbian state: a matched twin of dragon-hatchling",
        {},
    ),
    (
        "dragon-hatchling-signed",
        "dragon_hatchling_signed",
        "signed neurons with Hebbian fast synapses",
        "Dragon Hatchling without relu: a matched twin of dragon-hatchling",
        {},
    ),
):
    LANGUAGE_MODELS.declare(
        _name,
        f"{_HOME}.dragon_hatchling:{_callable}",
        family="random language",
        mechanism=_mechanism,
        layers=(
            "embedding",
            *(layer for k in (1, 2, 3) for layer in (*(f"level{k}.{tap}" for tap in _LEVEL), f"level{k}")),
            "sentence",
        ),
        paper=_DRAGON,
        parameters=425984,
        trained=False,
        learns=True,
        summary=_summary,
        **_twin,
    )
