"""The experiment `camfilter lab bench`."""

from __future__ import annotations

from typing import Any

from camfilter.lab.experiment.findings import Drawing, Findings, Table
from camfilter.lab.experiment.workbench import Workbench
from camfilter.lab.smartbox.bench import bench_of, check
from camfilter.lab.smartbox.drawings import drawings_of
from camfilter.lab.smartbox.options import BenchOptions
from camfilter.lab.smartbox.subjects import subjects_in
from camfilter.lab.smartbox.tables import figures_of, tables_of
from camfilter.lab.smartbox.telling import told

__all__ = ["SmartBox"]


class SmartBox:
    """SmartBox again: tables 2 and 3, and figures 3 and 4 (Goel et al. 2018)."""

    name = "bench"
    title = "SmartBox: attacks, detectors and mitigations on faces"
    options = BenchOptions
    code = (
        "attacks", "detectors", "mitigations", "data.py", "identities.py", "networks.py",
        "registry.py", "smartbox/measures.py", "smartbox/network.py", "smartbox/options.py",
        "smartbox/subjects.py", "smartbox/tasks.py",
    )  # fmt: skip

    def run(self, options: BenchOptions, workbench: Workbench) -> Findings:
        """Measure every subject; see `Experiment`."""
        check(options)
        text: list[str] = []
        tables: list[Table] = []
        drawings: list[Drawing] = []
        figures: dict[str, Any] = {}
        for subject in options.subjects or subjects_in(options.data):
            outcome = bench_of(subject, options, workbench)
            text += told(outcome, options)
            tables += tables_of(outcome)
            drawings += drawings_of(outcome)
            figures[subject] = figures_of(outcome)
        return Findings(text, tables, drawings, figures)
