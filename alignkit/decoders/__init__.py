"""Decoders: from a recording to what was seen, heard or done."""

from __future__ import annotations
