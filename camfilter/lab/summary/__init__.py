"""Further attacks and defences of a summary lecture, each measured (Pitas et al., version 2.8)."""

from camfilter.lab.summary.run import Summary

__all__ = ["Summary"]
