"""SmartBox again: attacks, detectors and mitigations on faces (Goel et al. 2018)."""

from camfilter.lab.smartbox.experiment import SmartBox

__all__ = ["SmartBox"]
