"""What these networks are: names, layers, papers, and where their code is."""

from __future__ import annotations

from .._network import NETWORKS

_HOME = "alignkit.networks.spiking"

_NALSM = "Ivanov & Michmizos 2021, NeurIPS, arXiv:2111.01760"
_LIQUID_LAYERS = ("liquid.spikes", "liquid.counts", "astro.A")

NETWORKS.declare(
    "liquid",
    f"{_HOME}.liquid:liquid",
    family="spiking",
    mechanism="spike-timing plasticity balanced by an astrocyte",
    layers=_LIQUID_LAYERS,
    paper=_NALSM,
    parameters=5130,
    trained=True,
    learns=True,
    twin="liquid-stdp",
    controls=("liquid-untrained",),
    summary="liquid state machine that organised itself under an astrocyte, linear readout",
)
NETWORKS.declare(
    "liquid-stdp",
    f"{_HOME}.liquid:liquid_stdp",
    family="spiking",
    mechanism="spike-timing plasticity of fixed depression",
    layers=_LIQUID_LAYERS,
    paper=_NALSM,
    parameters=5130,
    trained=True,
    learns=True,
    summary="liquid state machine without the astrocyte: the twin of liquid",
)
NETWORKS.declare(
    "liquid-untrained",
    f"{_HOME}.liquid:liquid_untrained",
    family="spiking",
    mechanism="random recurrent spiking network",
    layers=_LIQUID_LAYERS,
    paper=_NALSM,
    parameters=5130,
    trained=False,
    learns=True,
    summary="liquid state machine with weights as drawn: the untrained twin of liquid",
)

_MPR = "Guo et al. 2022, ECCV, arXiv:2307.04356"
_MPBN = "Guo et al. 2023, ICCV, arXiv:2308.08359"
_DCLS = "Hammouamri et al. 2024, ICLR, arXiv:2306.17670"
_EACH = ("membrane", "spikes", "rate", "latency")
_CONV_LAYERS = (*(f"conv{k}.{tap}" for k in (1, 2, 3) for tap in _EACH), "logits")
_RECURRENT_LAYERS = (*(f"hidden{k}.{tap}" for k in (1, 2) for tap in _EACH), "logits")

NETWORKS.declare(
    "spiking-conv",
    f"{_HOME}.convolutional:spiking_conv",
    family="spiking",
    mechanism="soft reset and membrane rectifier",
    layers=_CONV_LAYERS,
    paper=_MPR,
    parameters=94762,
    trained=False,
    learns=True,
    twin="spiking-conv-hard",
    matched="spiking-conv-relu",
    summary="convolutional network of integrate-and-fire neurons, soft reset and membrane rectifier",
)
NETWORKS.declare(
    "spiking-conv-hard",
    f"{_HOME}.convolutional:spiking_conv_hard",
    family="spiking",
    mechanism="none (hard reset, no rectifier)",
    layers=_CONV_LAYERS,
    paper=_MPR,
    parameters=94762,
    trained=False,
    learns=True,
    matched="spiking-conv-relu",
    summary="spiking-conv that resets to zero and rectifies no membrane: its twin",
)
NETWORKS.declare(
    "spiking-conv-mpbn",
    f"{_HOME}.convolutional:spiking_conv_mpbn",
    family="spiking",
    mechanism="batch norm of the membrane, foldable into thresholds",
    layers=_CONV_LAYERS,
    paper=_MPBN,
    parameters=95210,
    trained=False,
    learns=True,
    twin="spiking-conv-no-mpbn",
    matched="spiking-conv-relu",
    summary="convolutional network of leaky neurons with batch norm between membrane and threshold",
)
NETWORKS.declare(
    "spiking-conv-no-mpbn",
    f"{_HOME}.convolutional:spiking_conv_no_mpbn",
    family="spiking",
    mechanism="none (batch norm after convolutions only)",
    layers=_CONV_LAYERS,
    paper=_MPBN,
    parameters=94762,
    trained=False,
    learns=True,
    matched="spiking-conv-relu",
    summary="spiking-conv-mpbn without batch norm of the membrane: its twin",
)
NETWORKS.declare(
    "spiking-conv-relu",
    f"{_HOME}.matched:spiking_conv_relu",
    family="spiking",
    mechanism="none (rectified linear units, no time)",
    layers=("conv1", "conv2", "conv3"),
    paper="",
    parameters=94762,
    trained=False,
    learns=True,
    summary="the shapes of spiking-conv without spikes: its parameter-matched twin",
)
NETWORKS.declare(
    "spiking-recurrent",
    f"{_HOME}.recurrent:spiking_recurrent",
    family="spiking",
    mechanism="learned synaptic delays",
    layers=_RECURRENT_LAYERS,
    paper=_DCLS,
    parameters=249354,
    trained=False,
    learns=True,
    twin="spiking-recurrent-frozen",
    controls=("spiking-recurrent-constant",),
    matched="spiking-recurrent-tanh",
    summary="recurrent spiking network with learned delays that reads an image row by row",
)
NETWORKS.declare(
    "spiking-recurrent-frozen",
    f"{_HOME}.recurrent:spiking_recurrent_frozen",
    family="spiking",
    mechanism="none (random delays)",
    layers=_RECURRENT_LAYERS,
    paper=_DCLS,
    parameters=159242,
    trained=False,
    learns=True,
    matched="spiking-recurrent-tanh",
    summary="spiking-recurrent whose delays stay as drawn: its twin",
)
NETWORKS.declare(
    "spiking-recurrent-constant",
    f"{_HOME}.recurrent:spiking_recurrent_constant",
    family="spiking",
    mechanism="learned delays whose kernels never narrow",
    layers=_RECURRENT_LAYERS,
    paper=_DCLS,
    parameters=249354,
    trained=False,
    learns=True,
    matched="spiking-recurrent-tanh",
    summary="spiking-recurrent whose delay kernels never narrow: its second twin",
)
NETWORKS.declare(
    "spiking-recurrent-tanh",
    f"{_HOME}.matched:spiking_recurrent_tanh",
    family="spiking",
    mechanism="none (graded recurrent units)",
    layers=("hidden1", "hidden2", "logits"),
    paper="",
    parameters=249838,
    trained=False,
    learns=True,
    summary="recurrent network of graded units that reads rows: the matched twin of spiking-recurrent",
)
