"""What is reached of what the project promises, and what falls short, with the figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from camfilter.lab.evaluate.description import Kind

__all__ = ["Promise", "promises", "verdict_of"]

JUDGED: Final = ("h264-360p-500k", "vp8-360p-500k")
"""The channels in which unseen recognisers are judged."""

_SURROGATE: Final = {"u8": 0.99, "h264-360p-500k": 0.97}
_GROUPS: Final = {"unseen_own": "own unseen", "unseen_foreign": "foreign"}


@dataclass(frozen=True, slots=True)
class Promise:
    """One figure and what it should be.

    Attributes:
        name: what is measured.
        channel: where; empty for what is measured before the call.
        figure: what was found; None where this evaluation does not tell.
        wanted: the limit; None for a figure that only stands beside the others.
        at_most: whether the limit is the most, not the least.
        unit: "%" for a share, else of the figure.
    """

    name: str
    channel: str
    figure: float | None
    wanted: float | None
    at_most: bool = False
    unit: str = "%"

    @property
    def verdict(self) -> str:
        """In words; a share that is not below its most is not under it."""
        if self.figure is None:
            return "not measured"
        if self.wanted is None:
            return "for comparison"
        kept = self.figure <= self.wanted if self.at_most else self.figure >= self.wanted
        return "reached" if kept else "falls short"

    def told(self, value: float | None) -> str:
        """A value in the figure's unit."""
        if value is None:
            return "-"
        return f"{100 * value:.1f} %" if self.unit == "%" else f"{value:.3g} {self.unit}".strip()

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "name": self.name,
            "channel": self.channel,
            "figure": self.figure,
            "limit": self.wanted,
            "at_most": self.at_most,
            "unit": self.unit,
            "verdict": self.verdict,
        }


def verdict_of(figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All promises as plain values.

    Args:
        figures: what `collect` found: `channels`, `visibility` and `summary`.
    """
    return [promise.as_json() for promise in promises(figures)]


def promises(figures: Mapping[str, Any]) -> Iterator[Promise]:
    """Each promise with its figure.

    Args:
        figures: what `collect` found: `channels`, `visibility` and `summary`.
    """
    summary = figures["summary"]
    for channel, least in _SURROGATE.items():
        if channel in summary:
            fooled = summary[channel]["surrogates_fooled"]
            yield Promise("surrogates fooled", channel, fooled, least)
            right = summary[channel]["surrogates_fooled_right"]
            yield Promise("surrogates fooled where right", channel, right, None)
    for channel in JUDGED:
        if channel in summary:
            yield from _in_channel(summary[channel], channel)
    yield from _seen(figures)


def _in_channel(summary: Mapping[str, Any], channel: str) -> Iterator[Promise]:
    for key, name in _GROUPS.items():
        group = summary[key]
        if not group["families"] and key == "unseen_foreign":
            continue
        mean, least = group["fooled_sure_mean"], group["fooled_sure_least"]
        yield Promise(f"{name}: fooled where sure, mean", channel, mean, 0.85)
        yield Promise(f"{name}: fooled where sure, least", channel, least, 0.70)
        right = group["fooled_right_mean"]
        yield Promise(f"{name}: fooled where right, mean", channel, right, None)
        control, ratio = group["control_sure_mean"], group["leakage_ratio"]
        yield Promise(f"{name}: random control", channel, control, 0.25, at_most=True)
        yield Promise(f"{name}: leakage left", channel, ratio, 0.10, at_most=True)
        chance = group["leakage_chance_p95_ratio"]
        yield Promise(f"{name}: of leakage left, by chance up to", channel, chance, None)
    for name, spy in summary["fighting_spies"].items():
        before, after = spy["leakage_coded_bits"], spy["leakage_filtered_bits"]
        ratio = round(after / before, 4) if before and after is not None else None
        what = "adaptive spy" if spy["kind"] == Kind.ADAPTIVE else "hardened spy"
        yield Promise(f"{what} {name}: leakage left", channel, ratio, None)


def _seen(figures: Mapping[str, Any]) -> Iterator[Promise]:
    look = figures["visibility"].get("filtered", {})
    yield Promise("greatest change", "", look.get("linf_levels"), 6, at_most=True, unit="levels")
    yield Promise("SSIM on the face, mean", "", look.get("ssim"), 0.95, unit="")
    beyond = look.get("flicker_beyond_levels")
    yield Promise("flicker beyond the clip's own", "", beyond, 1, at_most=True, unit="levels")
    change = look.get("flicker_levels")
    yield Promise("flicker of the change itself", "", change, None, unit="levels")
    for channel, sent in figures["channels"].items():
        if channel in JUDGED:
            share = sent["bitrate_overhead"]
            yield Promise("bit-rate overhead", channel, share, 0.10, at_most=True)
    steady = look.get("bitrate_overhead_same_quality")
    yield Promise("bit-rate overhead at constant quantiser", "", steady, 0.10, at_most=True)
    yield Promise("chain time a frame, here", "", look.get("chain_ms"), 4, at_most=True, unit="ms")
