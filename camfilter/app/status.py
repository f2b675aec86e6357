"""What the program says about itself at one moment."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from camfilter.app.settings import AppSettings
from camfilter.surrogate.reading import Reading

__all__ = ["Status"]


@dataclass(frozen=True, slots=True)
class Status:
    """A snapshot for the tray, the control socket and the terminal.

    Attributes:
        state: protected, holding, placeholder or off: what the far end sees.
        reason: why it is held or replaced; empty when all is well.
        settings: what applies now.
        fps: frames written in the last second.
        latency_ms: median time of the filter for a frame, since the start.
        provider: hardware that the surrogate truly runs on; empty before the first frame.
        faces: faces in the newest picture; 0 while none is protected.
        before: what the surrogates read in the largest face; None without one.
        after: what they read after the change.
        frames_out: frames written since the start.
        watched: somebody watches the virtual camera, or nobody can know.
        sink: where frames go.
        sink_fault: why the sink is away; empty when it works.
        surrogate: recogniser truly in use; empty before the first frame.
        config_fault: what is wrong with the config file; empty when all is well.
        held_out_before: what a recogniser reads in it that is never attacked; None without one.
        held_out_after: what it reads after the change.
        eased: what is spent less on a slow machine, in words; empty when nothing is.
        frames_eased: frames filtered with less than full effort.
        verdict: whether the protection works now, in words; empty when nothing is measured.
    """

    state: str
    reason: str
    settings: AppSettings
    fps: float
    latency_ms: float
    provider: str
    faces: int
    before: Reading | None
    after: Reading | None
    frames_out: int
    watched: bool
    sink: str
    sink_fault: str
    surrogate: str = ""
    config_fault: str = ""
    held_out_before: Reading | None = None
    held_out_after: Reading | None = None
    eased: str = ""
    frames_eased: int = 0
    verdict: str = ""

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        values = {name: getattr(self, name) for name in self.__slots__}
        values["settings"] = self.settings.model_dump(mode="json")
        for name in ("before", "after", "held_out_before", "held_out_after"):
            reading = values[name]
            values[name] = None if reading is None else asdict(reading)
        return values
