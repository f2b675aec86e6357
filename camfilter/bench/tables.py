"""The figures of the bench as tables for people."""

from __future__ import annotations

from typing import Any

from rich.table import Table

__all__ = ["tables"]


def tables(figures: dict[str, Any]) -> list[Table | str]:
    """Tables and sentences, in the order in which they are read."""
    machine, stage = figures["machine"], figures["stage"]
    shown: list[Table | str] = [
        f"{machine['processor']}, {machine['cores']} cores; {machine['threads']} thread(s)"
        + (f", pinned to {machine['pinned_to']}" if machine["pinned_to"] else ", not pinned")
        + f"; {figures['surrogate']} on {figures['provider']}."
    ]
    if "matmul_gflops" in machine:
        shown.append(
            f"The machine multiplies matrices at {machine['matmul_gflops']:.0f} GFLOP/s and copies "
            f"{machine['copy_gb_per_s']:.1f} GB/s. A stage must do {stage['gflop']:.3f} GFLOP: "
            f"{stage['floor_ms']:.2f} ms at the least. It takes {stage['ms']:.2f} ms, "
            f"{stage['times_floor']:.1f} times the floor."
        )
    shown.append(_stages(figures["stages"]))
    shown += [_peers(name, compared) for name, compared in figures["by_surrogate"].items()]
    shown.append(_capture(figures["capture"]))
    shown += [f"{name}: {why}." for name, why in figures["missing"].items()]
    if figures["pipeline"]:
        shown.append(_pipeline(figures["pipeline"]))
        shown.append(_parts(figures["pipeline"]))
    return shown


def _stages(stages: dict[str, dict[str, float]]) -> Table:
    table = _table("One stage", "surrogate", "ms", "p99", "GFLOP/s", "of matmul rate", "x floor")
    for name, stage in stages.items():
        table.add_row(
            name,
            f"{stage['ms']:.2f}",
            f"{stage['p99_ms']:.2f}",
            f"{stage['gflops']:.0f}",
            f"{stage['share_of_matmul_rate']:.0%}",
            f"{stage['times_floor']:.1f}",
        )
    return table


def _peers(surrogate: str, figures: dict[str, Any]) -> Table:
    chain = figures["chain"]
    table = _table(
        f"A chain of {chain['stages']} on {surrogate}",
        "by",
        "ms",
        "p99",
        "times slower",
        "by computing time",
    )
    table.add_row("camfilter", f"{chain['ms']:.1f}", f"{chain['p99_ms']:.1f}", "1", "1")
    for peer in figures["peers"]:
        table.add_row(
            peer["name"],
            f"{peer['ms']:.1f}",
            f"{peer['p99_ms']:.1f}",
            f"{peer['times_slower']:.1f}",
            f"{peer['cpu_times_slower']:.1f}",
        )
    return table


def _capture(rows: list[dict[str, Any]]) -> Table:
    table = _table("What a webcam sends, made a picture", "format", "size", "kB", "ms", "p99")
    for row in rows:
        table.add_row(
            row["format"], row["size"], str(row["kilobytes"]), f"{row['ms']:.2f}",
            f"{row['p99_ms']:.2f}",
        )  # fmt: skip
    return table


def _pipeline(rows: list[dict[str, Any]]) -> Table:
    table = _table(
        "A frame from the camera to the sink, and all work for it", "size", "faces", "chain",
        "p50", "p99", "work p50", "work p99", "of a core at 30 fps",
    )  # fmt: skip
    for row in rows:
        table.add_row(
            row["size"],
            str(row["faces"]),
            _chain(row),
            f"{row['p50_ms']:.1f}",
            f"{row['p99_ms']:.1f}",
            f"{row['work_p50_ms']:.1f}",
            f"{row['work_p99_ms']:.1f}",
            f"{row['share_of_core_at_30fps']:.0%}",
        )
    return table


def _parts(rows: list[dict[str, Any]]) -> Table:
    names = list(rows[0]["parts"])
    table = _table("Its parts, p50 in ms", "size", "faces", "chain", *names)
    for row in rows:
        parts = (f"{row['parts'][name]['p50_ms']:.2f}" for name in names)
        table.add_row(row["size"], str(row["faces"]), _chain(row), *parts)
    return table


def _chain(row: dict[str, Any]) -> str:
    return f"{row['mode']} {row['stages']}"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for place, name in enumerate(columns):
        table.add_column(name, justify="left" if place == 0 else "right")
    return table
