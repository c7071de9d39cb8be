"""Networks: engineered, bio-inspired, random and pretrained, of images and of language."""

from __future__ import annotations

# Importing a factory registers it; none imports torch before a network is built.
from ._build import build_network
from ._language import LANGUAGE_MODELS, LanguageModel
from ._network import NETWORKS, Network
from .gabor_energy import gabor_energy
from .hf import hf
from .hmax import hmax, hmax_untrained
from .minilm import load_minilm, random_minilm
from .pixels import pixels
from .procedural import procedural_images
from .random_resnet50 import random_resnet50
from .random_vit_s import random_vit_s

__all__ = [
    "LANGUAGE_MODELS",
    "NETWORKS",
    "LanguageModel",
    "Network",
    "build_network",
    "gabor_energy",
    "hf",
    "hmax",
    "hmax_untrained",
    "load_minilm",
    "pixels",
    "procedural_images",
    "random_minilm",
    "random_resnet50",
    "random_vit_s",
]
