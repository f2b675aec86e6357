"""What can go wrong while the machine is set up."""

from __future__ import annotations

from camfilter.errors import CamfilterError

__all__ = ["SetupError"]


class SetupError(CamfilterError, OSError):
    """A file of the set-up cannot be written or removed."""
