"""All settings of the running program: those of the chain, and where frames come from and go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from camfilter.settings import ChainSettings, Mode
from camfilter.surrogate.provider import Provider

__all__ = ["AppSettings", "changed"]


class AppSettings(ChainSettings):
    """Settings that apply to the next frame when they change.

    Attributes:
        on: False shows the raw picture, because the person asked for it.
        source: camera number, path or name; or what else `camfilter run --source` takes.
        width_px: width to ask the camera for; None leaves it to the camera.
        height_px: height to ask the camera for; None leaves it to the camera.
        rate_hz: frames a second to ask the camera for; None leaves it to the camera.
        sink: virtual camera, or what else `camfilter run --sink` takes; applies at start.
        provider: hardware that the surrogate runs on.
        threads: CPU threads of the surrogate.
        preview: keep the newest picture before and after for a window on this screen.
        on_demand: close the webcam while nobody watches the virtual camera.
    """

    on: bool = True
    source: str = "0"
    width_px: int | None = Field(default=None, ge=16, le=7680)
    height_px: int | None = Field(default=None, ge=16, le=4320)
    rate_hz: float | None = Field(default=None, ge=1, le=240)
    sink: str = "virtual"
    provider: Provider = Provider.AUTO
    threads: int = Field(default=1, ge=1, le=64)
    preview: bool = False
    on_demand: bool = True


def changed(settings: AppSettings, values: Mapping[str, Any]) -> AppSettings:
    """Settings with some values changed, as a person means it.

    Naming targets means mode targeted; another mode drops the targets.

    Raises:
        SettingError: a value cannot be used; nothing has changed.
    """
    merged = {**settings.model_dump(), **values}
    if values.get("targets") and "mode" not in values:
        merged["mode"] = Mode.TARGETED
    elif "mode" in values and values["mode"] != Mode.TARGETED and "targets" not in values:
        merged["targets"] = ()
    return AppSettings.of(merged)
