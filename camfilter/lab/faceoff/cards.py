"""The part of an embedding's card that a training run knows: its figures."""

from __future__ import annotations

from typing import Any, Final

from camfilter.lab.model_card import around

__all__ = ["with_figures"]

_BEGIN: Final = "<!-- figures: written by train_embedding.py --publish -->"
_END: Final = "<!-- end of figures -->"


def with_figures(card: str, metrics: dict[str, Any]) -> str:
    """A card with the figures of a run between its two markers.

    Args:
        card: Markdown with both markers.
        metrics: of a finished run, as `metrics.json` holds them.

    Raises:
        SurrogateError: a marker is missing.
    """
    before, after = around(card, _BEGIN, _END)
    return f"{before}\n\n{_figures(metrics)}\n\n{after}"


def _figures(metrics: dict[str, Any]) -> str:
    train, test, found = metrics["train"], metrics["test"], metrics["unseen_people"]
    recipe = metrics["recipe"]
    return "\n".join([
        f"{metrics['parameters']:,} parameters, {recipe['steps']:,} steps of "
        f"{recipe['people'] * recipe['pictures']} pictures, {metrics['core_seconds']:.0f} s on one "
        f"core. Trained on {train['pictures']:,} pictures of {train['people']} people, scored on "
        f"{test['pictures']:,} pictures of {test['people']} others.",
        "",
        "| on people it never saw | |",
        "| --- | ---: |",
        f"| verification, area under the ROC curve ({found['pairs']:,} pairs) | "
        f"{found['auc']:.3f} |",
        "| verification, accuracy at the threshold of the validation people | "
        f"{100 * found['accuracy']:.1f} % |",
        f"| gallery of {found['gallery_people']} people, 5 pictures each: nearest is right "
        f"({found['probes']} probes) | {100 * found['top1']:.1f} % |",
        f"| the same, mean over people | {100 * found['top1_mean_over_people']:.1f} % |",
        f"| one of the nearest three is right | {100 * found['top3']:.1f} % |",
    ])  # fmt: skip
