"""Figures 1, 3 and 4 of the paper again: what is added, ROC and CMC curves."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from camfilter.lab.experiment.findings import Drawing, new_figure
from camfilter.lab.smartbox.bench import Outcome
from camfilter.lab.smartbox.readings import Reading, readings_of

__all__ = ["drawings_of"]

_COLUMNS: Final = 3
_MOST_RANKS: Final = 20
_LOUDER: Final = 10
_COLOURS: Final = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#8c6d31")


def drawings_of(outcome: Outcome) -> list[Drawing]:
    """All drawings of one subject."""
    subject = outcome.subject
    return [
        Drawing.of(f"{subject}-examples", f"Attacked pictures ({subject})",
                   _examples(outcome, changes=False), shows_data=True),
        Drawing.of(f"{subject}-changes", f"What the attacks add, {_LOUDER} times ({subject})",
                   _examples(outcome, changes=True)),
        Drawing.of(f"{subject}-roc", f"Verification, figure 3 again ({subject})",
                   _grid(outcome, _roc)),
        Drawing.of(f"{subject}-cmc", f"Identification, figure 4 again ({subject})",
                   _grid(outcome, _cmc)),
    ]  # fmt: skip


def _grid(outcome: Outcome, draw: Any) -> Figure:
    """One panel an attack, and one for the legend."""
    names = list(outcome.attacks)
    rows = -(-(len(names) + 1) // _COLUMNS)
    figure = new_figure(3.6 * _COLUMNS, 3.3 * rows)
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for panel, name in zip(panels, names, strict=False):
        for place, (label, reading) in enumerate(
            readings_of(outcome, outcome.attacks[name]).items()
        ):
            draw(panel, reading, **_style(label, place))
        panel.set_title(name, fontsize=10)
        panel.grid(alpha=0.3)
    handles, labels = panels[0].get_legend_handles_labels()
    for panel in panels[len(names) :]:
        panel.axis("off")
    panels[len(names)].legend(handles, labels, loc="center left", frameon=False, fontsize=10)
    return figure


def _style(label: str, place: int) -> dict[str, Any]:
    if label == "before attack":
        return {"label": label, "color": "black", "linewidth": 2}
    if label == "after attack":
        return {"label": label, "color": "#d62728", "linewidth": 2, "linestyle": "--"}
    return {"label": label, "color": _COLOURS[(place - 2) % len(_COLOURS)], "linewidth": 1.5}


def _roc(panel: Any, reading: Reading, **style: Any) -> None:
    falsely, truly, _ = reading.operating
    panel.plot(falsely, truly, **style)
    panel.set_xlabel("false acceptance rate", fontsize=9)
    panel.set_ylabel("true acceptance rate", fontsize=9)
    panel.set_xlim(-0.02, 1.02)
    panel.set_ylim(-0.02, 1.02)


def _cmc(panel: Any, reading: Reading, **style: Any) -> None:
    ranks = np.arange(1, min(_MOST_RANKS, len(reading.matches)) + 1)
    panel.plot(ranks, 100 * reading.matches[: len(ranks)], **style)
    panel.set_xlabel("rank", fontsize=9)
    panel.set_ylabel("identified, %", fontsize=9)
    panel.set_ylim(-2, 102)


def _examples(outcome: Outcome, *, changes: bool) -> Figure:
    """Two probes that were read rightly, after each attack; or only what each attack adds."""
    names = list(outcome.attacks)
    clean_logits = outcome.attacks[names[0]].answers[""]["clean"]
    right = np.flatnonzero(clean_logits.argmax(axis=1) == outcome.claims.labels)
    candidates = right if len(right) > 1 else np.arange(len(outcome.clean))
    chosen = [int(candidates[0]), int(candidates[len(candidates) // 2])]
    columns = names if changes else ["clean", *names]
    figure = new_figure(2.1 * len(columns), 2.3 * len(chosen))
    panels = figure.subplots(len(chosen), len(columns), squeeze=False)
    for row, probe in enumerate(chosen):
        clean = outcome.clean[probe, 0]
        for panel, name in zip(panels[row], columns, strict=True):
            attacked = outcome.attacks[name].pictures[probe, 0] if name in names else clean
            shown = np.rint(attacked * 255) / 255
            if changes:
                shown = np.clip(0.5 + _LOUDER * (shown - clean), 0, 1)
            panel.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            panel.axis("off")
            panel.set_title(name if row == 0 else "", fontsize=10)
    return figure
