"""What must hold for the run to pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Verdict", "judge"]

LEAST_FRAMES: Final = 60
LEAST_FOUND: Final = 0.95


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that was looked at.

    Attributes:
        passed: whether it held.
        what: what should hold, with the figures found.
    """

    passed: bool
    what: str


def judge(figures: dict[str, Any]) -> list[Verdict]:
    """All verdicts on a run, from its figures."""
    built_in = [codec for codec, calls in figures["calls"].items() if calls is not None]
    verdicts = [
        _sent(figures),
        Verdict("VP8" in built_in, f"the browser sends VP8 (of those asked: {built_in})"),
    ]
    for codec, calls in figures["calls"].items():
        if calls is not None:
            verdicts += _judge_codec(codec, calls, figures["surrogate"])
    silence = figures["silence"]
    strangers = ", ".join(silence["strangers"]) or "none"
    verdicts += [
        Verdict(
            not silence["strangers"] and silence["looks"] > 0,
            f"no socket of the browser leads out ({silence['looks']} looks; found: {strangers})",
        ),
        Verdict(
            silence["processes_left"] == 0,
            f"no process of the browser is left ({silence['processes_left']})",
        ),
    ]
    return verdicts


def _sent(figures: dict[str, Any]) -> Verdict:
    frames, protected = figures["frames_sent"], figures["frames_protected"]
    return Verdict(
        protected == frames > 0, f"every frame of the clip is protected ({protected} of {frames})"
    )


def _judge_codec(codec: str, calls: dict[str, Any], surrogate: str) -> Iterator[Verdict]:
    for clip, call in calls.items():
        name = f"{codec}, {clip}"
        yield Verdict(
            call["state"] == "connected" and call["codec"].upper() == codec.upper(),
            f"{name}: {call['state']} with {call['codec'] or 'no codec'}",
        )
        yield Verdict(
            call["frames_received"] >= LEAST_FRAMES,
            f"{name}: at least {LEAST_FRAMES} frames arrived ({call['frames_received']})",
        )
        wrong = {kind: call[f"numbers_{kind}"] for kind in ("unreadable", "repeated", "backward")}
        found = ", ".join(f"{count} {kind}" for kind, count in wrong.items())
        yield Verdict(not any(wrong.values()), f"{name}: numbers right and in order ({found})")
    share = calls["protected"]["faces_found_share"]
    yield Verdict(
        (share or 0) >= LEAST_FOUND,
        f"{codec}: faces found in at least {LEAST_FOUND:.0%} of the protected frames ({share})",
    )
    rates = {clip: call["readings"][surrogate]["fool_rate"] for clip, call in calls.items()}
    for other, meaning in (("unfiltered", "the codec alone"), ("random", "random signs")):
        yield Verdict(
            None not in rates.values() and rates["protected"] > rates[other],
            f"{codec}: {surrogate} is fooled more often than by {meaning} "
            f"({rates['protected']} against {rates[other]})",
        )
