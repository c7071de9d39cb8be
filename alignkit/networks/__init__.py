"""Networks: engineered, bio-inspired, random and pretrained, each with its layers and preprocessing."""

from __future__ import annotations

# Importing a factory registers it; none imports torch before a network is built.
from ._build import build_network
from ._network import NETWORKS, Network
from .gabor_energy import gabor_energy
from .hf import hf
from .hmax import hmax, hmax_untrained
from .pixels import pixels
from .procedural import procedural_images
from .random_resnet50 import random_resnet50
from .random_vit_s import random_vit_s

__all__ = [
    "NETWORKS",
    "Network",
    "build_network",
    "gabor_energy",
    "hf",
    "hmax",
    "hmax_untrained",
    "pixels",
    "procedural_images",
    "random_resnet50",
    "random_vit_s",
]
