"""Responses to single fMRI trials by general linear models, tuned voxel by voxel."""

from __future__ import annotations
