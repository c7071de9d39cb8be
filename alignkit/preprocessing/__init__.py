"""Between what a machine wrote and a `Recording`: cleaning, single-trial responses, alignment of subjects."""

from __future__ import annotations
