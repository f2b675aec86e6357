"""All settings of the running program: those of the chain, and where frames come from and go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from camfilter.errors import SettingError
from camfilter.settings import ChainSettings, Mode
from camfilter.surrogate.provider import Provider

__all__ = ["AppSettings", "changed", "checked", "from_words"]


def _number_as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class AppSettings(ChainSettings):
    """Settings that apply to the next frame when they change.

    Attributes:
        on: False shows the raw picture, because the person asked for it.
        source: camera number, path or name; or what else `camfilter run --source` takes.
        width_px: width to ask the camera for; None asks for 1280.
        height_px: height to ask the camera for; None asks for 720.
        rate_hz: frames a second to ask the camera for; None leaves it to the camera.
        sink: virtual camera, or what else `camfilter run --sink` takes; applies at start.
        provider: hardware that the surrogate runs on.
        threads: CPU threads of the surrogate.
        preview: keep the newest picture before and after for a window on this screen.
        on_demand: close the webcam while nobody watches the virtual camera.
    """

    on: bool = True
    source: Annotated[str, BeforeValidator(_number_as_text)] = "0"
    width_px: int | None = Field(default=None, ge=16, le=7680)
    height_px: int | None = Field(default=None, ge=16, le=4320)
    rate_hz: float | None = Field(default=None, ge=1, le=240)
    sink: str = "virtual"
    provider: Provider = Provider.AUTO
    threads: int = Field(default=1, ge=1, le=64)
    preview: bool = False
    on_demand: bool = True


_OTHER_WORDS = {"target": "targets", "fps": "rate_hz"}


def changed(settings: AppSettings, values: Mapping[str, Any]) -> AppSettings:
    """Settings with some values changed, as a person means it.

    Naming targets means mode targeted; another mode drops the targets. Empty
    text leaves a setting that may be left open, such as the step, open again.

    Raises:
        SettingError: an unknown name, or a value that cannot be used; nothing has changed.
    """
    for name in values:
        if name not in AppSettings.model_fields:
            raise _unknown(name)
    given = {
        name: None if value == "" and AppSettings.model_fields[name].default is None else value
        for name, value in values.items()
    }
    merged = {**settings.model_dump(), **given}
    if given.get("targets") and "mode" not in given:
        merged["mode"] = Mode.TARGETED
    elif "mode" in given and given["mode"] != Mode.TARGETED and "targets" not in given:
        merged["targets"] = ()
    return AppSettings.of(merged)


def checked(values: Mapping[str, Any], place: Callable[[str], str]) -> AppSettings:
    """What stored values mean on their own, each checked so that its place can be named.

    Args:
        values: by name of the setting.
        place: where the value of a name stands, to begin the error with.

    Raises:
        SettingError: a value cannot be used, or would protect nothing.
    """
    for name in values:
        if name == "on":
            raise SettingError(
                f"{place(name)}: protection is always on at the start.",
                "Leave this out; use camfilter ctl off while it runs.",
            )
        together = ("mode", "targets") if name in ("mode", "targets") else (name,)
        try:
            if name not in AppSettings.model_fields:
                raise _unknown(name, leave_out="on")
            changed(AppSettings(), {key: values[key] for key in together if key in values})
        except SettingError as error:
            raise SettingError(f"{place(name)}: {error.what}", error.hint) from error
    settings = changed(AppSettings(), values)
    if settings.vanishes:
        culprit = next((name for name in ("epsilon", "step") if name in values), "chain_length")
        raise SettingError(f"{place(culprit)}: {settings.vanishes}", "Raise epsilon.")
    return settings


def from_words(words: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by the names that the command line has for them: chain-length, size, fps, target.

    Raises:
        SettingError: a size that is not WIDTHxHEIGHT, or a size or rate that no camera has.
    """
    values: dict[str, Any] = {}
    for word, text in words.items():
        name = word.strip().removeprefix("--").replace("-", "_")
        if name == "size":
            meant = dict(zip(("width_px", "height_px"), _size(text), strict=True))
        else:
            meant = {_OTHER_WORDS.get(name, name): text}
        if name in ("size", "fps"):
            _refuse_by_word(name, text, meant)
        values |= meant
    return values


def _refuse_by_word(word: str, text: Any, meant: Mapping[str, Any]) -> None:
    """Name a word of the command line as the person wrote it, not the settings that it means."""
    try:
        changed(AppSettings(), meant)
    except SettingError as error:
        raise SettingError(f"{word.capitalize()} {text!r} cannot be used:", error.hint) from error


def _size(text: str) -> tuple[int | None, int | None]:
    if not text:
        return None, None
    width, cross, height = text.lower().partition("x")
    if not (cross and width.strip().isdecimal() and height.strip().isdecimal()):
        raise SettingError(f"Size {text!r} cannot be used.", "Write 1280x720.")
    return int(width), int(height)


def _unknown(name: str, leave_out: str = "") -> SettingError:
    names = [known for known in AppSettings.model_fields if known != leave_out]
    near = get_close_matches(name, names, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"Settings: {', '.join(names)}."
    return SettingError(f"There is no setting {name!r}.", hint)
