"""What the standard networks are: names, layers, papers, and where their code is."""

from __future__ import annotations

from .._language import LANGUAGE_MODELS
from .._network import NETWORKS

_HOME = "alignkit.networks.standard"
_MINILM = (
    "Reimers and Gurevych 2019, EMNLP, doi:10.18653/v1/D19-1410; Wang et al. 2020, NeurIPS, "
    "arXiv:2002.10957; https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2"
)
_MINILM_LAYERS = ("embedding", "block1", "block2", "block3", "block4", "block5", "block6", "sentence")

NETWORKS.declare(
    "hf",
    f"{_HOME}.hf:hf",
    family="pretrained",
    mechanism="as published",
    layers=(),
    paper="",
    trained=True,
    required=("name",),
    summary="any Hugging Face vision model: hf:NAME or hf:FOLDER, every block a layer",
)
NETWORKS.declare(
    "random-resnet50",
    f"{_HOME}.random_resnet50:random_resnet50",
    family="random CNN",
    mechanism="residual convolutions",
    layers=("stem", "stage1", "stage2", "stage3", "stage4"),
    paper="He et al. 2016, CVPR, doi:10.1109/CVPR.2016.90",
    parameters=23508032,
    trained=False,
    summary="ResNet-50 with seeded random weights",
)
NETWORKS.declare(
    "random-vit-s",
    f"{_HOME}.random_vit_s:random_vit_s",
    family="random transformer",
    mechanism="self-attention over patches",
    layers=("embedding", "block4", "block8", "block12", "norm"),
    paper="Dosovitskiy et al. 2021, ICLR, arXiv:2010.11929",
    parameters=21665664,
    trained=False,
    summary="ViT-S/16 with seeded random weights",
)
LANGUAGE_MODELS.declare(
    "minilm",
    f"{_HOME}.minilm:load_minilm",
    family="language",
    mechanism="self-attention, trained on pairs of sentences",
    layers=_MINILM_LAYERS,
    paper=_MINILM,
    licence="Apache-2.0",
    trained=True,
    summary="all-MiniLM-L6-v2, sentence model of 6 blocks of 384 units (extra `language`)",
)
LANGUAGE_MODELS.declare(
    "random-minilm",
    f"{_HOME}.minilm:random_minilm",
    family="random language",
    mechanism="self-attention",
    layers=_MINILM_LAYERS,
    paper=_MINILM,
    licence="Apache-2.0",
    trained=False,
    summary="all-MiniLM-L6-v2 with seeded random weights (extra `language`)",
)
LANGUAGE_MODELS.declare(
    "hf",
    f"{_HOME}.hf_language:hf_language",
    family="language",
    mechanism="as published",
    layers=(),
    paper="",
    trained=True,
    required=("name",),
    summary="any Hugging Face language model: hf:NAME, hf:NAME@REVISION or hf:FOLDER, every block a layer",
)
