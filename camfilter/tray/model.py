"""What is to be shown for a status, as plain words: no widget, no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from camfilter.app.settings import AppSettings
from camfilter.app.status import Status
from camfilter.settings import LEVELS, Mode, Projection
from camfilter.tray.choices import CHAIN_LENGTHS, EPSILON_LEVELS, levels_text, stages_text

__all__ = ["STATES", "Figure", "View", "view_of"]

STATES: Final = ("protected", "holding", "placeholder", "off", "error")
"""Every state that has an icon of its own."""

_HEADLINES: Final = {
    "protected": "Protected",
    "holding": "Holding the last picture",
    "placeholder": "Showing a card",
    "off": "Protection is off",
    "error": "Not working",
}
_MEANINGS: Final = {
    "protected": "The far end sees the protected picture.",
    "holding": "The far end sees the last protected picture.",
    "placeholder": "The far end sees a card, not you.",
    "off": "The far end sees your real face.",
    "error": "The far end sees nothing of you.",
}
_NOTHING: Final = "\N{EM DASH}"
_TOOLTIP_WIDTH: Final = 120


@dataclass(frozen=True, slots=True)
class Figure:
    """A live figure: its name and its value, in words."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class View:
    """Everything that the tray and the window show, except pictures.

    Attributes:
        state: one of STATES; also the icon's name.
        headline: the state in two or three words.
        detail: why, or what the far end sees; one line.
        tooltip: both, short enough for a tray.
        on: protection is switched on.
        mode: the mode's value.
        target: the last target of the schedule; empty outside mode targeted.
        target_text: the whole schedule; empty outside mode targeted.
        epsilon_level: the nearest place on the slider.
        epsilon_text: epsilon in levels, as it truly is.
        epsilon_exact: the slider's place is epsilon's true value.
        stages: the nearest place of the chain length on the slider.
        stages_text: the chain length, as it truly is.
        stages_exact: the slider's place is the true chain length.
        source: the camera, as the settings name it.
        sink: the virtual camera, as the settings name it.
        figures: the live figures.
        warning: what is wrong beside the picture, such as the config file; may be empty.
        failed: the run has ended with an error; another camera may help.
    """

    state: str
    headline: str
    detail: str
    tooltip: str
    on: bool
    mode: str
    target: str
    target_text: str
    epsilon_level: int
    epsilon_text: str
    epsilon_exact: bool
    stages: int
    stages_text: str
    stages_exact: bool
    source: str
    sink: str
    figures: tuple[Figure, ...]
    warning: str
    failed: bool


def view_of(status: Status, trouble: str = "") -> View:
    """What to show.

    Args:
        status: what the controller says.
        trouble: why the run has ended; empty while it goes on.
    """
    settings = status.settings
    fault = trouble or status.sink_fault
    state = "error" if fault or status.state not in STATES else status.state
    headline, detail = _HEADLINES[state], fault or status.reason or _MEANINGS[state]
    levels = settings.epsilon * LEVELS
    level = _nearest(levels, EPSILON_LEVELS)
    stages = _nearest(settings.chain_length, CHAIN_LENGTHS)
    each = " each" if settings.projection is Projection.NONE else ""
    return View(
        state=state,
        headline=headline,
        detail=detail,
        tooltip=_shortened(f"camfilter: {headline}. {detail}"),
        on=settings.on,
        mode=settings.mode.value,
        target=settings.targets[-1] if settings.targets else "",
        target_text=_targets_text(settings),
        epsilon_level=level,
        epsilon_text=levels_text(levels) + each,
        epsilon_exact=abs(level - levels) < 0.05,
        stages=stages,
        stages_text=stages_text(settings.chain_length),
        stages_exact=stages == settings.chain_length,
        source=settings.source,
        sink=settings.sink,
        figures=_figures(status, running=not trouble),
        warning=status.config_fault,
        failed=bool(trouble),
    )


def _nearest(value: float, places: range) -> int:
    return min(max(round(value), places[0]), places[-1])


def _targets_text(settings: AppSettings) -> str:
    if settings.mode is not Mode.TARGETED:
        return ""
    return ", then ".join(settings.targets)


def _figures(status: Status, *, running: bool) -> tuple[Figure, ...]:
    read = running and status.state in ("protected", "holding")
    before = status.before if read else None
    after = status.after if read else None
    other = status.held_out_after if read else None
    entropy = _NOTHING
    if before and after:
        entropy = f"{after.entropy_bits:.2f} of 3 bits (was {before.entropy_bits:.2f})"
    return (
        Figure("Frames a second", f"{status.fps:.0f}" if running else "0"),
        Figure(
            "Time for a frame", f"{status.latency_ms:.1f} ms" if status.latency_ms else _NOTHING
        ),
        Figure("Runs on", status.provider.upper() or _NOTHING),
        Figure("Without the filter", str(before) if before else _NOTHING),
        Figure("Surrogates read", str(after) if after else _NOTHING),
        Figure("Another reads", str(other) if other else _NOTHING),
        Figure("Entropy", entropy),
        Figure("Verdict", (status.verdict if read else "") or _NOTHING),
        Figure("Sent to", status.sink),
    )


def _shortened(text: str) -> str:
    return text if len(text) <= _TOOLTIP_WIDTH else f"{text[: _TOOLTIP_WIDTH - 1].rstrip()}…"
