"""What a check is, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from camfilter.doctor.system import System

__all__ = ["Check", "CheckResult", "Finding", "Status", "fail", "ok", "warn"]


class Status(StrEnum):
    """How bad it is.

    OK: as it should be. WARN: camfilter works, but something is missing or was not checked.
    FAIL: something that camfilter needs does not work.
    """

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        status: how bad it is.
        detail: what was found, one line.
        hint: what to do about it, one line; may be empty.
    """

    status: Status
    detail: str
    hint: str = ""


def ok(detail: str, hint: str = "") -> Finding:
    """All is well."""
    return Finding(Status.OK, detail, hint)


def warn(detail: str, hint: str = "") -> Finding:
    """It works, but."""
    return Finding(Status.WARN, detail, hint)


def fail(detail: str, hint: str = "") -> Finding:
    """It does not work."""
    return Finding(Status.FAIL, detail, hint)


@dataclass(frozen=True, slots=True)
class Check:
    """One question to the machine.

    Attributes:
        name: what is looked at, a word or two.
        look: looks at the machine; may raise anything, which counts as a failure.
        time_out_s: after so long it counts as hung.
    """

    name: str
    look: Callable[[System], Finding]
    time_out_s: float = 3.0


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A finding and the name of the check that made it."""

    name: str
    finding: Finding

    def as_json(self) -> dict[str, str]:
        """Name, status, detail and hint as plain values."""
        finding = self.finding
        return {
            "name": self.name,
            "status": str(finding.status),
            "detail": finding.detail,
            "hint": finding.hint,
        }
