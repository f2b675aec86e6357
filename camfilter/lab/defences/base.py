"""What a defended classifier is: what it answers, and what an attacker can differentiate."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from camfilter.lab.attacks.base import Classifier

__all__ = ["REJECTED", "Defended"]

REJECTED = -1
"""What is read in a picture that the classifier refuses."""


@dataclass(frozen=True)
class Defended:
    """A classifier with its defence.

    Attributes:
        name: short.
        told: the defence in words.
        answers: what people use; with gradients even where the defence has none.
        steered: what an attacker who knows the defence differentiates by cross-entropy.
        naive: what one who does not know it differentiates; None where that is the network
            without its defence.
        rejects: whether `answers` has one more output, the last, that refuses a picture.
    """

    name: str
    told: str
    answers: Classifier
    steered: Classifier
    naive: Classifier | None
    rejects: bool = False

    def labels(self, logits: Tensor) -> Tensor:
        """(B,) classes of logits of `answers`; REJECTED where it refuses."""
        read = logits.argmax(dim=1)
        if self.rejects:
            read = torch.where(read == logits.shape[1] - 1, REJECTED, read)
        return read

    def deceived(self, logits: Tensor, labels: Tensor) -> Tensor:
        """(B,) bool: where another class than the label is read."""
        read = self.labels(logits)
        return (read != labels) & (read != REJECTED)

    def margin(self, logits: Tensor, labels: Tensor) -> Tensor:
        """(B,) how far a wrong class is ahead of the true one and of refusal, in logits."""
        held = torch.zeros_like(logits, dtype=torch.bool)
        held.scatter_(1, labels[:, None], value=True)
        if self.rejects:
            held[:, -1] = True
        wrong = logits.masked_fill(held, -torch.inf).max(dim=1).values
        return wrong - logits.masked_fill(~held, -torch.inf).max(dim=1).values
