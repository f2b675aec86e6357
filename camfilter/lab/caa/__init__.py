"""CAA: what a chain of attacks gives over a plain one, by its length (Al-Maliki et al.)."""

from camfilter.lab.caa.experiment import Chaining

__all__ = ["Chaining"]
