"""How well a network reads expressions: accuracy, recall per class, confusion matrix."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import nn

from camfilter.expressions import EXPRESSIONS
from camfilter.lab.data import Faces

__all__ = ["Confusion", "confusion_of", "draw_confusion"]


@dataclass(frozen=True)
class Confusion:
    """How often each expression is read as each.

    Attributes:
        counts: (8, 8) pictures; the row is the majority label, the column what was read.
    """

    counts: npt.NDArray[np.int64]

    @property
    def accuracy(self) -> float:
        """Share of pictures read as their majority label."""
        return float(np.trace(self.counts) / max(1, self.counts.sum()))

    @property
    def recall(self) -> dict[str, float]:
        """Share of each expression's pictures that is read as it; 0 where there are none."""
        totals = np.maximum(1, self.counts.sum(axis=1))
        return dict(zip(EXPRESSIONS, (self.counts.diagonal() / totals).tolist(), strict=True))

    @property
    def precision(self) -> dict[str, float]:
        """Share of pictures read as each expression that are of it; 0 where there are none."""
        totals = np.maximum(1, self.counts.sum(axis=0))
        return dict(zip(EXPRESSIONS, (self.counts.diagonal() / totals).tolist(), strict=True))


def confusion_of(network: nn.Module, faces: Faces, batch: int = 512) -> Confusion:
    """Read every face with a network.

    Args:
        network: is put into evaluation mode.
        faces: pictures with their labels.
        batch: pictures per call.
    """
    network.eval()
    counts = np.zeros((len(EXPRESSIONS), len(EXPRESSIONS)), np.int64)
    with torch.no_grad():
        for start in range(0, len(faces), batch):
            part = slice(start, start + batch)
            picture = torch.from_numpy(faces.pictures[part])[:, None].float() / 255
            read = network(picture).argmax(dim=1).numpy()
            np.add.at(counts, (faces.majority[part], read), 1)
    return Confusion(counts)


def draw_confusion(confusion: Confusion, path: Path, title: str) -> None:
    """Draw a confusion matrix, in per cent of each row, into a PNG file."""
    totals = confusion.counts.sum(axis=1, keepdims=True)
    share = 100 * confusion.counts / np.maximum(1, totals)
    figure = Figure(figsize=(7, 6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    ticks = range(len(EXPRESSIONS))
    axes.set_xticks(ticks, EXPRESSIONS, rotation=45, ha="right")
    named = zip(EXPRESSIONS, totals[:, 0].tolist(), strict=True)
    axes.set_yticks(ticks, [f"{name} ({total})" for name, total in named])
    axes.set(xlabel="read as", ylabel="majority of the votes", title=title)
    for row in ticks:
        for column in ticks:
            colour = "white" if share[row, column] > 50 else "black"
            text = f"{share[row, column]:.0f}"
            axes.text(column, row, text, ha="center", va="center", color=colour)
    figure.savefig(path, metadata={"Software": None})
