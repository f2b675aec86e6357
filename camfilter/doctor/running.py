"""Run checks one after the other; none can hang or end the program."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Final

from camfilter.doctor.finding import Check, CheckResult, Finding, fail, warn
from camfilter.doctor.system import System
from camfilter.errors import CamfilterError

__all__ = ["run_checks"]

_TOO_LATE_S: Final = 0.05


def run_checks(checks: Sequence[Check], system: System, budget_s: float) -> Iterator[CheckResult]:
    """Run every check and hand out each result as it comes.

    A check that raises has failed, with the reason in one line; so has one that
    outlasts its time. When the whole budget is used up, the rest is not checked.

    Args:
        checks: in the order of their results.
        system: the machine to look at.
        budget_s: longest time for all of them, in seconds.
    """
    end_s = system.clock() + budget_s
    for check in checks:
        left_s = end_s - system.clock()
        if left_s < _TOO_LATE_S:
            yield CheckResult(check.name, warn("not checked: the checks before it took too long"))
            continue
        time_out_s = min(check.time_out_s, left_s)
        yield CheckResult(check.name, _one_line(_timed(check, system, time_out_s)))


def _timed(check: Check, system: System, time_out_s: float) -> Finding:
    found: list[Finding] = []

    def look() -> None:
        try:
            found.append(check.look(system))
        except CamfilterError as error:
            found.append(fail(error.what, error.hint))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
            found.append(fail(f"{type(error).__name__}: {error}"))

    # A daemon: a check that never comes back does not keep the program from ending.
    thread = threading.Thread(target=look, name=f"camfilter-doctor-{check.name}", daemon=True)
    thread.start()
    thread.join(time_out_s)
    return found[0] if found else fail(f"no answer within {time_out_s:.0f} s")


def _one_line(finding: Finding) -> Finding:
    detail, hint = (" ".join(text.split()) for text in (finding.detail, finding.hint))
    return Finding(finding.status, detail, hint)
