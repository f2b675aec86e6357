"""The steps as a shell script, for those who would rather run it themselves."""

from __future__ import annotations

from collections.abc import Sequence

from camfilter.setup.steps import Note, Step

__all__ = ["as_script"]


def as_script(steps: Sequence[Step]) -> str:
    """A script for /bin/sh that does the same and stops at the first failure."""
    parts = ["#!/bin/sh", "set -e"]
    for step in steps:
        if isinstance(step, Note):
            parts += ["", step.shell]
        else:
            parts += ["", f"# {step.description}", step.shell]
    return "\n".join(parts) + "\n"
