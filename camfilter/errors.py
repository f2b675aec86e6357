"""Typed errors: one line that says what is wrong, and a hint that says what to do.

Each error also subclasses the builtin that a caller would catch without
knowing camfilter::

    CamfilterError
    ├── SettingError(ValueError)          a setting that cannot be used
    ├── SourceError(OSError)              frames cannot be read
    │   ├── SourceNotFound                no such file, folder or camera
    │   ├── UnreadableSource              there, but not a picture or a video
    │   └── CameraLost                    a camera that stopped sending; it may come back
    ├── SinkError(OSError)                frames cannot be written
    ├── SurrogateError(RuntimeError)      a surrogate cannot be used
    │   ├── UnknownSurrogate              no such surrogate in the manifest
    │   └── GraphRefused                  missing graph, or a hash that is not the manifest's
    ├── ProviderUnavailable(RuntimeError) the asked-for provider does not run here
    ├── FilterFault(RuntimeError)         a frame that the filter could not protect
    ├── NothingProtected(RuntimeError)    a run that ended without one protected frame
    ├── ControlError(OSError)             the control socket cannot be opened or does not answer
    │   ├── NotRunning                    no camfilter runs that could answer
    │   └── AlreadyRunning                another camfilter serves the same sink
    └── UnguardedFrame(TypeError)         a frame that did not come from the guard
"""

from __future__ import annotations

__all__ = [
    "AlreadyRunning",
    "CameraLost",
    "CamfilterError",
    "ControlError",
    "FilterFault",
    "GraphRefused",
    "NotRunning",
    "NothingProtected",
    "ProviderUnavailable",
    "SettingError",
    "SinkError",
    "SourceError",
    "SourceNotFound",
    "SurrogateError",
    "UnguardedFrame",
    "UnknownSurrogate",
    "UnreadableSource",
]


class CamfilterError(Exception):
    """Root of every error that camfilter raises on purpose.

    Args:
        what: what is wrong, one line.
        hint: what the person can do about it, one line; may be empty.
    """

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what} {self.hint}".rstrip()


class SettingError(CamfilterError, ValueError):
    """A setting has a value that cannot be used."""


class SourceError(CamfilterError, OSError):
    """Frames cannot be read from the source."""


class SourceNotFound(SourceError):
    """There is no such file, folder or camera."""


class UnreadableSource(SourceError):
    """The source is there but holds no readable picture or video."""


class CameraLost(SourceError):
    """The camera stopped sending; reading again may bring it back."""


class SinkError(CamfilterError, OSError):
    """Frames cannot be written to the sink."""


class SurrogateError(CamfilterError, RuntimeError):
    """A surrogate cannot be used."""


class UnknownSurrogate(SurrogateError):
    """The manifest lists no surrogate of that name."""


class GraphRefused(SurrogateError):
    """A graph is missing, or its bytes are not those that the manifest names."""


class ProviderUnavailable(CamfilterError, RuntimeError):
    """The execution provider that was asked for does not run on this machine."""


class FilterFault(CamfilterError, RuntimeError):
    """A frame could not be protected."""


class NothingProtected(CamfilterError, RuntimeError):
    """A run ended without one protected frame."""


class ControlError(CamfilterError, OSError):
    """The control socket cannot be opened, or does not answer as it should."""


class NotRunning(ControlError):
    """No camfilter runs that could answer."""


class AlreadyRunning(ControlError):
    """Another camfilter serves the same sink."""


class UnguardedFrame(CamfilterError, TypeError):
    """A sink was handed a frame that the guard did not make."""
