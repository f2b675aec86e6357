"""Everything that decides the figures of an evaluation, checked once, then immutable."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from camfilter.errors import SettingError
from camfilter.frames import Size
from camfilter.lab.evaluate.channels import CHANNELS
from camfilter.lab.evaluate.countermeasures import COUNTERMEASURES
from camfilter.lab.evaluate.motion import MOTIONS
from camfilter.settings import ChainSettings

__all__ = ["EvaluateOptions", "Part"]

Part = Literal["train", "valid", "test", "all"]

ALL: Final = "all"

_USUAL_CHANNEL: Final = "h264-360p-500k"
_WIDE: Final = 16 / 9
_LEAST_HEIGHT_PX: Final = 360


class EvaluateOptions(BaseModel):
    """Options of `camfilter evaluate`.

    Attributes:
        inputs: pictures, videos, folders or tables; none takes the LFW expressions of `data`.
        data: folder with `lfw_expressions.zip`.
        part: which identities of a table: valid to tune on, test to report, train to train spies.
        faces: most subjects; those of a table are chosen so that expressions are even.
        seconds: length of each clip.
        rate_hz: frames a second of clips made from stills.
        motion: how heads move in clips made from stills: calm, lively, turning or fast.
        height_px: height of clips made from stills; None takes the tallest channel's.
        channels: names of channels.
        recognisers: files of foreign recognisers, each with its description beside it.
        countermeasures: what spies try; "plain" is always among them.
        countermeasure_channels: the channels where they try it, or "all"; none given means
            h264-360p-500k, as it takes long.
        read_every: the spies read each n-th frame.
        settings: of the chain.
        seed: of all chance.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: tuple[Path, ...] = ()
    data: Path = Path()
    part: Part = "test"
    faces: int = Field(default=40, ge=1, le=100_000)
    seconds: float = Field(default=1.5, gt=0, le=600)
    rate_hz: float = Field(default=30.0, ge=1, le=120)
    motion: str = "calm"
    height_px: int | None = Field(default=None, ge=90, le=2160)
    channels: tuple[str, ...] = tuple(CHANNELS)
    recognisers: tuple[Path, ...] = ()
    countermeasures: tuple[str, ...] = tuple(COUNTERMEASURES)
    countermeasure_channels: tuple[str, ...] = ()
    read_every: int = Field(default=5, ge=1, le=1000)
    settings: ChainSettings = ChainSettings()
    seed: int = Field(default=0, ge=0)

    @field_validator("motion")
    @classmethod
    def _known_motion(cls, name: str) -> str:
        return _known((name,), MOTIONS, "motion")[0]

    @field_validator("channels")
    @classmethod
    def _known_channels(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return _known(names, CHANNELS, "channel")

    @field_validator("countermeasure_channels")
    @classmethod
    def _known_or_all(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return _known(names, {**CHANNELS, ALL: None}, "channel")

    @field_validator("countermeasures")
    @classmethod
    def _known_countermeasures(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return _known(names, COUNTERMEASURES, "counter-measure")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Check values that came from a person.

        Raises:
            SettingError: the first value that cannot be used, and what may be.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            first = error.errors()[0]
            cause = first.get("ctx", {}).get("error")
            if isinstance(cause, SettingError):
                raise cause from error
            name = ".".join(str(part) for part in first["loc"]).replace("_", "-")
            raise SettingError(
                f"--{name} {first.get('input')!r} cannot be used:", f"{first['msg']}."
            ) from error

    @property
    def size(self) -> Size:
        """Size of clips made from stills: 16:9, as tall as the tallest channel sends."""
        tallest = max((CHANNELS[name].height_px or 0 for name in self.channels), default=0)
        height = self.height_px or max(_LEAST_HEIGHT_PX, tallest)
        return Size(2 * round(height * _WIDE / 2), 2 * round(height / 2))

    @property
    def frame_count(self) -> int:
        """Frames of a clip made from a still; one at least."""
        return max(1, round(self.seconds * self.rate_hz))

    def tries(self, channel: str) -> tuple[str, ...]:
        """The counter-measures that spies try in a channel, "plain" first."""
        plain = ("plain",)
        where = self.countermeasure_channels or (_USUAL_CHANNEL,)
        if channel not in where and ALL not in where:
            return plain
        return plain + tuple(name for name in self.countermeasures if name != "plain")


def _known(names: tuple[str, ...], known: Mapping[str, object], what: str) -> tuple[str, ...]:
    for name in names:
        if name not in known:
            raise SettingError(f"There is no {what} {name!r}.", f"Choose from {', '.join(known)}.")
    return tuple(dict.fromkeys(names))
