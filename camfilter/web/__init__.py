"""One page on this computer's own address: a picture is dropped and comes back masked."""

from __future__ import annotations

from camfilter.web.desk import MaskDesk
from camfilter.web.server import PageServer

__all__ = ["MaskDesk", "PageServer"]
