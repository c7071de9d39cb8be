"""What these networks are: names, layers, papers, and where their code is."""

from __future__ import annotations

from .._network import NETWORKS

_HOME = "alignkit.networks.local_learning"
_FAMILY = "local learning"


def _pair(
    name: str,
    callable_name: str,
    *,
    mechanism: str,
    layers: tuple[str, ...],
    twin_layers: tuple[str, ...] | None = None,
    paper: str,
    parameters: int,
    twin_parameters: int | None = None,
    summary: str,
    controls: tuple[str, ...] = (),
) -> None:
    """Declare a network and its twin of the same shapes that learns by backpropagation."""
    NETWORKS.declare(
        name,
        f"{_HOME}.{callable_name}",
        family=_FAMILY,
        mechanism=mechanism,
        layers=layers,
        paper=paper,
        parameters=parameters,
        trained=False,
        learns=True,
        twin=f"{name}-backprop",
        summary=summary,
        **({"controls": controls} if controls else {}),
    )
    NETWORKS.declare(
        f"{name}-backprop",
        f"{_HOME}.{callable_name}_backprop",
        family=_FAMILY,
        mechanism="none (backpropagation)",
        layers=layers if twin_layers is None else twin_layers,
        paper=paper,
        parameters=parameters if twin_parameters is None else twin_parameters,
        trained=False,
        learns=True,
        summary=f"the shapes of {name}, taught by backpropagation: its twin",
    )


_pair(
    "forward-forward",
    "forward_forward:forward_forward",
    mechanism="layers that learn alone from right and wrong pairs",
    layers=("l1", "l2", "goodness"),
    twin_layers=("l1", "l2", "readout"),
    paper="Hinton 2022, arXiv:2212.13345",
    parameters=267_200,
    twin_parameters=267_210,
    summary="two layers, each with its own goodness of image and label",
)
_pair(
    "predictive-coding",
    "predictive_coding:predictive_coding",
    mechanism="activities settle between image and target before weights change",
    layers=tuple(f"{tap}{number}" for number in (1, 2, 3) for tap in ("prediction", "z", "e")),
    paper="Alonso et al. 2022, NeurIPS, arXiv:2206.00164",
    parameters=50_698,
    summary="inference learning in three layers; errors as layers of their own",
)
_pair(
    "direct-feedback-alignment",
    "feedback_alignment:direct_feedback_alignment",
    mechanism="errors reach every layer through fixed random weights",
    layers=("l1", "l2", "readout"),
    paper="Nøkland 2016, NeurIPS, arXiv:1609.01596; Launay et al. 2020, NeurIPS, arXiv:2006.12878",
    parameters=134_154,
    summary="two hidden layers taught by random projections of the output's error",
    controls=("direct-feedback-alignment-readout",),
)
NETWORKS.declare(
    "direct-feedback-alignment-readout",
    f"{_HOME}.feedback_alignment:direct_feedback_alignment_readout",
    family=_FAMILY,
    mechanism="none (only the readout learns)",
    layers=("l1", "l2", "readout"),
    paper="Nøkland 2016, NeurIPS, arXiv:1609.01596",
    parameters=134_154,
    trained=False,
    learns=True,
    summary="direct-feedback-alignment with hidden layers as drawn: the twin whose feedback stays random",
)
_pair(
    "equilibrium-propagation",
    "equilibrium_propagation:equilibrium_propagation",
    mechanism="contrast of two resting states; homeostasis of the Jacobian",
    layers=("u_free", "u_nudged", "error"),
    paper="Scellier & Bengio 2017, Front Comput Neurosci 11:24, doi:10.3389/fncom.2017.00024; "
    "Laborieux & Zenke 2024, ICLR, arXiv:2309.02214",
    parameters=35_466,
    summary="a hidden layer with separate weights up and down that homeostasis makes agree",
    controls=("equilibrium-propagation-asymmetric",),
)
NETWORKS.declare(
    "equilibrium-propagation-asymmetric",
    f"{_HOME}.equilibrium_propagation:equilibrium_propagation_asymmetric",
    family=_FAMILY,
    mechanism="contrast of two resting states, without homeostasis",
    layers=("u_free", "u_nudged", "error"),
    paper="Laborieux & Zenke 2024, ICLR, arXiv:2309.02214",
    parameters=35_466,
    trained=False,
    learns=True,
    summary="equilibrium-propagation whose weights up and down stay unrelated: its failing twin",
)
_DALE = "Cornford et al. 2024, bioRxiv, doi:10.1101/2024.10.25.620272"
for _name, _mechanism, _summary, _twins in (
    (
        "dale-exponentiated",
        "one sign per sending unit, weights that are multiplied",
        "a perceptron under Dale's law, learning by exponentiated gradients",
        {"twin": "dale-gradient", "controls": ("dale-clamped",)},
    ),
    (
        "dale-gradient",
        "none (gradient descent from signed weights)",
        "dale-exponentiated taught by plain gradient descent: the twin whose signs flip",
        {},
    ),
    (
        "dale-clamped",
        "one sign per sending unit, weights cut at zero",
        "dale-exponentiated taught by gradient descent that stops at zero: the twin with dead weights",
        {"twin": "dale-gradient"},
    ),
):
    NETWORKS.declare(
        _name,
        f"{_HOME}.exponentiated_dale:{_name.replace('-', '_')}",
        family=_FAMILY,
        mechanism=_mechanism,
        layers=("l1", "readout"),
        paper=_DALE,
        parameters=34_186,
        trained=False,
        learns=True,
        summary=_summary,
        **_twins,
    )
_SOFT_HEBB = (
    "Moraitis et al. 2022, Neuromorph Comput Eng 2:044017, doi:10.1088/2634-4386/aca710; "
    "Journé et al. 2023, ICLR, arXiv:2209.11883"
)
_pair(
    "soft-hebb",
    "soft_hebb:soft_hebb",
    mechanism="soft winner-take-all with a Hebbian rule",
    layers=("l1", "l2", "readout"),
    paper=_SOFT_HEBB,
    parameters=59_754,
    summary="two convolutions that learn without labels, under a linear readout",
    controls=("soft-hebb-random",),
)
NETWORKS.declare(
    "soft-hebb-random",
    f"{_HOME}.soft_hebb:soft_hebb_random",
    family=_FAMILY,
    mechanism="none (only the readout learns)",
    layers=("l1", "l2", "readout"),
    paper=_SOFT_HEBB,
    parameters=20_490,
    trained=False,
    learns=True,
    summary="soft-hebb with random weights of norm one: the twin without prototypes",
)
