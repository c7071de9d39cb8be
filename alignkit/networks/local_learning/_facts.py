"""What these networks are: names, layers, papers, and where their code is."""

from __future__ import annotations

_HOME = "alignkit.networks.local_learning"
