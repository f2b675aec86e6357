"""Where settings come from at the start: flags over environment over config file over defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from platformdirs import user_config_dir

from camfilter.app.config_file import FileSettings, parse_config, read_config
from camfilter.app.settings import AppSettings, changed, checked
from camfilter.errors import SettingError

__all__ = ["PATH_VARIABLE", "Layers", "config_path", "load_layers"]

_PREFIX: Final = "CAMFILTER_"
PATH_VARIABLE: Final = f"{_PREFIX}CONFIG"


@dataclass(frozen=True, slots=True)
class Layers:
    """Settings at the start, and where they came from.

    Attributes:
        settings: what applies.
        path: where the config file is, or would be.
        file: what it says.
        environment: values from the environment.
        flags: values from the command line.
    """

    settings: AppSettings
    path: Path
    file: FileSettings
    environment: Mapping[str, Any]
    flags: Mapping[str, Any]

    @property
    def pinned(self) -> frozenset[str]:
        """Names that the config file has no say in."""
        return frozenset((*self.environment, *self.flags))

    def origin(self, name: str) -> str:
        """Where the value of a setting came from: flag, environment, file or default.

        Targets bring their mode with them.
        """
        layers = (
            ("flag", self.flags),
            ("environment", self.environment),
            ("file", self.file.values),
        )
        names = {name, "targets"} if name == "mode" and self.settings.targets else {name}
        return next((layer for layer, values in layers if names & values.keys()), "default")


def config_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the config file is, or would be."""
    named = environment.get(PATH_VARIABLE)
    return Path(named) if named else Path(user_config_dir("camfilter")) / "config.toml"


def load_layers(flags: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Layers:
    """Read every layer and put them over one another.

    Args:
        flags: what was given on the command line, by name of the setting.
        environment: the process's variables.

    Raises:
        SettingError: the first value that cannot be used, with the place where it stands.
    """
    path = config_path(environment)
    content = read_config(path)
    if content is None and environment.get(PATH_VARIABLE):
        raise SettingError(f"There is no file {path}.", f"It is named by {PATH_VARIABLE}.")
    file = FileSettings() if content is None else parse_config(content, path)
    variables = _from_environment(environment)
    settings = file.settings
    for layer in (variables, flags):
        settings = changed(settings, layer)
    if settings.vanishes:
        raise SettingError(settings.vanishes, "Use 1/255 or more; 6/255 is the default.")
    return Layers(settings, path, file, variables, dict(flags))


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for variable, text in environment.items():
        name = variable.removeprefix(_PREFIX).lower()
        if not variable.startswith(_PREFIX) or variable == PATH_VARIABLE or not text:
            continue
        if name in AppSettings.model_fields:
            values[name] = text
        elif near := get_close_matches(name, AppSettings.model_fields, n=1, cutoff=0.8):
            raise SettingError(
                f"There is no setting for {variable}.", f"Did you mean {_PREFIX}{near[0].upper()}?"
            )
    checked(values, lambda name: f"{_PREFIX}{name.upper()}")
    return values
