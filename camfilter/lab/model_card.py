"""The part of a model card that a training run knows: its figures."""

from __future__ import annotations

from typing import Any, Final

from camfilter.errors import SurrogateError
from camfilter.expressions import EXPRESSIONS

__all__ = ["around", "with_accuracy"]

BEGIN: Final = "<!-- accuracy: written by train_surrogate.py --publish -->"
END: Final = "<!-- end of accuracy -->"


def with_accuracy(card: str, metrics: dict[str, Any]) -> str:
    """A model card with the figures of a run between its two markers.

    Args:
        card: Markdown with both markers.
        metrics: of a finished run, as `metrics.json` holds them.

    Raises:
        SurrogateError: a marker is missing.
    """
    before, after = around(card, BEGIN, END)
    return f"{before}\n\n{accuracy(metrics)}\n\n{after}"


def around(card: str, begin: str, end: str) -> tuple[str, str]:
    """What stands before and after the figures of a card, with the markers.

    Raises:
        SurrogateError: a marker is missing.
    """
    before, found, rest = card.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SurrogateError("The model card has no place for the figures.", f"Add {begin}{end}.")
    return before + begin, end + after


def accuracy(metrics: dict[str, Any]) -> str:
    """Accuracy on the test and validation parts, then recall and precision of each class."""
    test, last = metrics["test"], metrics["epochs"][-1]
    sizes = metrics["pictures"]
    totals = [sum(row) for row in test["confusion"]]
    lines = [
        f"{metrics['parameters']:,} parameters, {last['epoch']} epochs on {sizes['train']:,} "
        "pictures.",
        "",
        f"- test: **{100 * test['accuracy']:.2f} %** of {test['pictures']:,} pictures, scored once",
        f"- validation: {100 * last['valid_average']:.2f} % of {sizes['valid']:,} pictures",
        "",
        "| expression | test pictures | recall | precision |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, total in zip(EXPRESSIONS, totals, strict=True):
        recall, precision = 100 * test["recall"][name], 100 * test["precision"][name]
        lines.append(f"| {name} | {total} | {recall:.1f} % | {precision:.1f} % |")
    return "\n".join(lines)
