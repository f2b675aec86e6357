"""The paper's figures, to be put beside ours. Facts quoted from its section IV C 4."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["RATIOS", "Ratio"]


class Ratio(NamedTuple):
    """An average incremental ratio that the paper gives.

    Attributes:
        measure: of MEASURES.
        words: for people.
        epsilon: of the chain.
        chain: CUA or CTA.
        value: the paper's.
    """

    measure: str
    words: str
    epsilon: float
    chain: str
    value: float


# The fool rate stands in three readings; of CUA, who left is who is fooled.
RATIOS: Final = tuple(
    Ratio(measure, words, epsilon, chain, value)
    for measure, words, values in (
        ("fool_rate", "fool rate", (0.1090, 0.3604, 0.3925, 0.4833)),
        ("left_rate", "fool rate, left", (None, 0.3604, None, 0.4833)),
        ("wrong_rate", "fool rate, as errors", (0.1090, 0.3604, 0.3925, 0.4833)),
        ("l2", "L2", (0.4001, 0.4671, 0.8682, 0.8975)),
        ("l0_px", "L0", (0.0230, 0.0145, 0.0013, 0.0008)),
        ("entropy_bits", "entropy", (0.0005, 0.0007, 0.0001, 0.0001)),
        ("linf", "Linf", (1.0, 1.0, 1.0, 1.0)),
    )
    for (epsilon, chain), value in zip(
        ((0.001, "CUA"), (0.001, "CTA"), (0.0001, "CUA"), (0.0001, "CTA")), values, strict=True
    )
    if value is not None
)
