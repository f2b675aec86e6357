"""The figures as a table for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from rich.table import Table

from camfilter.lab.evaluate.verdict import promises

__all__ = ["channel_table", "row_name", "sentences", "verdict_table"]

_HEADS: Final = ("clean", "coded", "after", "fooled", "sure", "right", "control", "bits", "left")
"""Accuracy of the 8-bit clip, at the far end and filtered; fool rate on all frames, where the
spy was sure or right, and of the control where it was sure; leakage in bits before and after."""


def channel_table(figures: dict[str, Any], channel: str) -> Table:
    """One row for each recogniser and counter-measure in a channel."""
    table = Table(title=channel, title_justify="left", collapse_padding=True, pad_edge=False)
    table.add_column("recogniser", overflow="fold", min_width=20)
    for head in _HEADS:
        table.add_column(head, justify="right", no_wrap=True)
    for row in figures["rows"]:
        if row["channel"] != channel:
            continue
        frame = row["frame"]
        accuracy = [_percent(frame["accuracy"][key]) for key in ("clean", "coded", "filtered")]
        table.add_row(
            row_name(row),
            *accuracy,
            _percent(frame["fooled"]["all"]),
            _percent(frame["fooled"]["sure"]),
            _percent(frame["fooled"]["right"]),
            _percent(frame["control"]["sure"]),
            *(_bits(frame["leakage"][key]) for key in ("coded", "filtered")),
        )
    return table


def verdict_table(figures: dict[str, Any]) -> Table:
    """What is reached, and what falls short."""
    table = Table(title="promises", title_justify="left", pad_edge=False)
    table.add_column("promise", overflow="fold")
    table.add_column("channel", no_wrap=True)
    for head in ("figure", "limit", "verdict"):
        table.add_column(head, justify="right", no_wrap=True)
    for promise in promises(figures):
        sign = "<= " if promise.at_most else ">= "
        limit = "" if promise.wanted is None else sign + promise.told(promise.wanted)
        table.add_row(
            promise.name, promise.channel, promise.told(promise.figure), limit, promise.verdict
        )
    return table


def sentences(figures: dict[str, Any]) -> Iterator[str]:
    """The summary as a few plain sentences."""
    subjects = figures["subjects"]
    yield f"{subjects['count']} clips, {len(subjects['left_out'])} left out."
    look = figures["visibility"].get("filtered", {})
    if "ssim" in look:
        yield (
            f"On the face: Linf {look['linf_levels']:.0f} levels, PSNR {look['psnr_db']:.1f} dB, "
            f"SSIM {look['ssim']:.3f}, CIEDE2000 p95 {look['ciede2000_p95']:.2f}; flicker "
            f"{look.get('flicker_levels', 0):.2f} levels, "
            f"{look.get('flicker_beyond_levels', 0):+.2f} beyond the clip's own."
        )
    for channel, summary in figures["summary"].items():
        group, mode = summary["unseen"], summary["mode"]
        if group["fooled_sure_mean"] is None:
            continue
        overhead = figures["channels"][channel]["bitrate_overhead"]
        yield (
            f"{channel}: unseen families fooled where sure {_percent(group['fooled_sure_mean'])} "
            f"(least {_percent(group['fooled_sure_least'])}, control "
            f"{_percent(group['control_sure_mean'])}); leakage "
            f"{group['leakage_coded_bits'] or 0:.2f} bits before, "
            f"{group['leakage_filtered_bits'] or 0:.2f} after; bit-rate "
            + (f"{overhead:+.1%}." if overhead is not None else "not coded.")
        )
        if mode["name"] == "steered":
            yield (
                f"{channel}: of what read otherwise, {_percent(mode['filtered'])} read the target "
                f"(control {_percent(mode['reference'])})."
            )
        for name, spy in summary["fighting_spies"].items():
            yield (
                f"{channel}: {name} reads {_percent(spy['accuracy_filtered'])} right, "
                f"{spy['leakage_filtered_bits'] or 0:.2f} bits are left of "
                f"{spy['leakage_coded_bits'] or 0:.2f}."
            )
    for channel in figures["channels_missing"]:
        yield f"{channel} is left out: its encoder is missing in this PyAV."


def row_name(row: dict[str, Any]) -> str:
    """What a row is called: recogniser, counter-measure, and whether the filter knew it."""
    name = str(row["recogniser"])
    if row["countermeasure"] != "plain":
        name += f", {row['countermeasure']}"
    if not row["unseen"]:
        return f"{name} (surrogate)"
    return f"{name} (left out)" if row["excluded"] else name


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"


def _bits(leakage: dict[str, float] | None) -> str:
    return "-" if leakage is None else f"{leakage['bits']:.2f}"
