"""What decoders, brain networks and objectives are: names, papers, and where their code is."""

from __future__ import annotations

from ._registry import BRAIN_NETWORKS, DECODERS, OBJECTIVES

_HOME = "alignkit.decoders"
_DEFOSSEZ = "Defossez et al. 2023, Nat Mach Intell 5:1097, doi:10.1038/s42256-023-00714-5"
_BENCHETRIT = "Benchetrit, Banville & King 2024, ICLR, arXiv:2310.19812"

DECODERS.declare(
    "ridge",
    f"{_HOME}.linear.ridge_decoder:RidgeDecoder",
    targets="embeddings",
    summary="ridge regression from all channels and times to the embedding",
    paper="Hoerl & Kennard 1970, Technometrics 12:55, doi:10.1080/00401706.1970.10488634",
)
DECODERS.declare(
    "logistic",
    f"{_HOME}.linear.class_decoder:LogisticDecoder",
    targets="classes",
    summary="L2-penalised logistic regression",
    paper="Cox 1958, J R Stat Soc B 20:215, doi:10.1111/j.2517-6161.1958.tb00292.x",
)
DECODERS.declare(
    "lda",
    f"{_HOME}.linear.class_decoder:DiscriminantDecoder",
    targets="classes",
    summary="linear discriminant analysis with shrinkage",
    paper="Ledoit & Wolf 2004, J Multivar Anal 88:365, doi:10.1016/S0047-259X(03)00096-4",
)
DECODERS.declare(
    "network",
    f"{_HOME}.training.network_decoder:NetworkDecoder",
    targets="embeddings or classes, by its objective",
    summary="a brain network trained with an objective",
    paper=_DEFOSSEZ,
)

BRAIN_NETWORKS.declare(
    "brain-conv",
    f"{_HOME}.brain_networks.convolutional:brain_conv",
    signals="M/EEG",
    summary="spatial attention over sensors, a layer per subject, dilated residual convolutions",
    paper=_DEFOSSEZ,
)
BRAIN_NETWORKS.declare(
    "channel-transformer",
    f"{_HOME}.brain_networks.channel_transformer:channel_transformer",
    signals="M/EEG",
    summary="a transformer whose tokens are channels, then convolutions over time and channels",
    paper="Li et al. 2024, NeurIPS, arXiv:2403.07721",
)
BRAIN_NETWORKS.declare(
    "nice",
    f"{_HOME}.brain_networks.nice:nice",
    signals="M/EEG",
    summary="convolutions over time and channels, and a residual projection",
    paper="Song et al. 2024, ICLR, arXiv:2308.13234",
)
BRAIN_NETWORKS.declare(
    "eegnet",
    f"{_HOME}.brain_networks.eegnet:eegnet",
    signals="M/EEG",
    summary="EEGNet: temporal filters, spatial filters of each, separable convolutions",
    paper="Lawhern et al. 2018, J Neural Eng 15:056013, doi:10.1088/1741-2552/aace8c",
)
BRAIN_NETWORKS.declare(
    "eegnex",
    f"{_HOME}.brain_networks.eegnex:eegnex",
    signals="M/EEG",
    summary="EEGNeX: two layers of temporal filters, spatial filters, dilated convolutions",
    paper="Chen et al. 2024, Biomed Signal Process Control 87:105475, doi:10.1016/j.bspc.2023.105475",
)
BRAIN_NETWORKS.declare(
    "shallow-fbcsp",
    f"{_HOME}.brain_networks.shallow:shallow_fbcsp",
    signals="M/EEG",
    summary="logarithm of the power of learned filters, as filter-bank common spatial patterns",
    paper="Schirrmeister et al. 2017, Hum Brain Mapp 38:5391, doi:10.1002/hbm.23730",
)
BRAIN_NETWORKS.declare(
    "functional",
    f"{_HOME}.brain_networks.functional:functional_network",
    signals="M/EEG",
    summary="functional network: kernels from few smooth functions, so that shifts and rates do not matter",
    paper="Heinrichs, Heim & Weber 2023, ICML, arXiv:2301.05869",
)
BRAIN_NETWORKS.declare(
    "residual-mlp",
    f"{_HOME}.brain_networks.residual_mlp:residual_mlp",
    signals="fMRI, spike counts",
    summary="a linear layer per subject, then residual blocks shared by all",
    paper="Scotti et al. 2024, ICML, arXiv:2403.11207",
)
BRAIN_NETWORKS.declare(
    "braindecode",
    f"{_HOME}.brain_networks.braindecode_models:braindecode_model",
    signals="M/EEG",
    summary="any model of braindecode by its name, where that package is installed",
    paper="Schirrmeister et al. 2017, Hum Brain Mapp 38:5391, doi:10.1002/hbm.23730",
)

OBJECTIVES.declare(
    "clip",
    f"{_HOME}.objectives.clip:clip",
    targets="embeddings",
    summary="symmetric InfoNCE with a learned temperature; repeats are never negatives",
    paper="Radford et al. 2021, ICML, arXiv:2103.00020; van den Oord et al. 2018, arXiv:1807.03748",
)
OBJECTIVES.declare(
    "one-sided-clip",
    f"{_HOME}.objectives.clip:one_sided_clip",
    targets="embeddings",
    summary="InfoNCE from brain to stimulus, targets normalised, no temperature",
    paper=_DEFOSSEZ,
)
OBJECTIVES.declare(
    "siglip",
    f"{_HOME}.objectives.siglip:siglip",
    targets="embeddings",
    summary="a yes or no for every pair",
    paper="Zhai et al. 2023, ICCV, arXiv:2303.15343",
)
OBJECTIVES.declare(
    "regression",
    f"{_HOME}.objectives.regression:regression",
    targets="embeddings",
    summary="squared error, cosine or correlation of standardised embeddings",
    paper="",
)
OBJECTIVES.declare(
    "contrastive-regression",
    f"{_HOME}.objectives.contrastive_regression:contrastive_regression",
    targets="embeddings",
    summary="InfoNCE and squared error, a head for each",
    paper=_BENCHETRIT,
)
OBJECTIVES.declare(
    "classification",
    f"{_HOME}.objectives.classification:classification",
    targets="classes",
    summary="cross-entropy",
    paper="",
)
OBJECTIVES.declare(
    "blur-prior",
    f"{_HOME}.objectives.blur_prior:blur_prior",
    targets="embeddings at three degrees of blur",
    summary="InfoNCE whose targets are the blurrier the less certain the trial",
    paper="Wu et al. 2025, CVPR, arXiv:2503.04207",
)
