"""The figures as a Markdown table."""

from __future__ import annotations

from typing import Any

__all__ = ["as_markdown"]


def as_markdown(figures: dict[str, Any]) -> list[str]:
    """Lines of a table: one row for each clip, before the call and after each codec."""
    readers = [figures["surrogate"], *figures["other_readers"]]
    head = [
        "codec", "sent", "frames", "kbit/s", "size", "QP", "PSNR codec, dB", "faces found",
        *(f"fooled: {name}, all / sure" for name in readers), "delay p50 / p95, ms",
    ]  # fmt: skip
    rows = [head, ["---"] * len(head)]
    for clip, before in figures["before"].items():
        fooled = [_fooled(before["readings"][name]) for name in readers]
        rows.append(["none", clip, _text(before["frames"]), *["-"] * 5, *fooled, "-"])
    for codec, calls in figures["calls"].items():
        if calls is None:
            rows.append([codec, "not built in", *["-"] * (len(head) - 2)])
            continue
        rows += [_row(codec, clip, call, readers) for clip, call in calls.items()]
    return [f"| {' | '.join(row)} |" for row in rows]


def _row(codec: str, clip: str, call: dict[str, Any], readers: list[str]) -> list[str]:
    delay = call["delay_ms"]
    return [
        codec,
        clip,
        _text(call["frames_received"]),
        _text(call["kbit_s"]),
        " ".join(call["sizes"]),
        _text(call["qp_mean"]),
        _text(call["psnr_codec_db"]),
        _text(call["faces_found_share"]),
        *(_fooled(call["readings"][name]) for name in readers),
        f"{delay['p50']} / {delay['p95']}" if delay else "-",
    ]


def _fooled(tally: dict[str, Any]) -> str:
    return f"{_text(tally['fool_rate'])} / {_text(tally['sure_fool_rate'])}"


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
