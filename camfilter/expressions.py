"""The eight expressions, in the order of every label, logit and vote in camfilter."""

from __future__ import annotations

from typing import Final

__all__ = ["EXPRESSIONS"]

EXPRESSIONS: Final[tuple[str, ...]] = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
)
"""The classes of AffectNet, in the column order of the FER+ votes."""
