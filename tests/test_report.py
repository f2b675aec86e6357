from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camfilter.filtered import Filtered, PartTimes
from camfilter.frames import RawFrame, Size
from camfilter.guard import Guard
from camfilter.meter import Change, FaceMeasure
from camfilter.report import LatencyHistogram, RunReport
from camfilter.surrogate.reading import Reading
from fakes import face_at

KEYS = {
    "frames_in", "frames_out", "frames_dropped", "frames_with_face", "faces", "faces_held",
    "protected", "held", "placeholder", "off", "faults", "fps", "latency_ms", "linf_levels",
    "budget_levels", "psnr_face_db", "faces_measured", "before", "after", "fooled_share",
    "held_out",
}  # fmt: skip

HAPPY = Reading("happiness", 0.9, 0.5)
SAD = Reading("sadness", 0.6, 1.5)


def measure(
    before: Reading, after: Reading, squared_error: float = 27.0, held_out: Change | None = None
) -> FaceMeasure:
    return FaceMeasure(Change(before, after), squared_error, 3, held_out)


def result(*faces: object, times: PartTimes | None = None) -> Filtered:
    pixels = np.zeros((4, 4, 3), np.uint8)
    return Filtered(pixels, faces, 6, times or PartTimes(1, 2, 3))  # type: ignore[arg-type]


@given(st.lists(st.floats(1e-3, 9e4), min_size=1, max_size=300))
def test_percentiles_are_right_to_one_percent(durations: list[float]) -> None:
    histogram = LatencyHistogram()
    for duration in durations:
        histogram.add(duration)
    ordered = sorted(durations)
    for percent in (50, 95, 99, 100):
        rank = max(0, int(np.ceil(len(ordered) * percent / 100 - 1e-9)) - 1)
        assert histogram.percentile_ms(percent) == pytest.approx(ordered[rank], rel=0.0101)


def test_percentiles_of_many_durations() -> None:
    histogram = LatencyHistogram()
    for duration in range(1, 1001):
        histogram.add(duration / 10)
    assert histogram.summary() == {
        "p50": pytest.approx(50, rel=0.01),
        "p95": pytest.approx(95, rel=0.01),
        "p99": pytest.approx(99, rel=0.01),
    }


def test_durations_out_of_range_are_counted_at_the_ends() -> None:
    histogram = LatencyHistogram()
    assert histogram.percentile_ms(50) == 0
    for duration in (0.0, -1.0, 1e-9):
        histogram.add(duration)
    assert histogram.percentile_ms(50) == pytest.approx(1e-3, rel=0.01)
    for _ in range(9):
        histogram.add(1e9)
    assert histogram.percentile_ms(95) == pytest.approx(1e5, rel=0.02)


def test_an_empty_report_has_all_keys_and_no_made_up_figures() -> None:
    figures = RunReport().as_json(0.0)
    assert set(figures) == KEYS
    for name in ("psnr_face_db", "before", "after", "fooled_share", "fps", "held_out"):
        assert figures[name] is None
    assert json.loads(json.dumps(figures)) == figures


def test_what_is_counted() -> None:
    report, guard, raw = RunReport(), Guard(), RawFrame(np.zeros((4, 4, 3), np.uint8), 0, 0.0)
    report.frames_in = 5
    report.filtered(result(face_at(2, 2, 2), face_at(2, 2, 2, missed_frames=1)), 4)
    report.filtered(result(face_at(2, 2, 2, missed_frames=2)), 6)
    report.filtered(result(), 0)
    report.measured([measure(HAPPY, SAD), measure(HAPPY, SAD), measure(HAPPY, HAPPY)])
    report.measured([measure(SAD, HAPPY, held_out=Change(SAD, SAD))])
    report.faults["ValueError in the filter."] += 2
    report.emitted(guard.frame(0.0, 0, Size(4, 4)))
    guard.admit(raw, raw.pixels.copy(), (), 6)
    for now_s in (0.0, 0.1, 0.3, 2.0):
        report.emitted(guard.frame(now_s, 0, Size(4, 4)))
    guard.switch(False)
    guard.pass_raw(replace(raw, time_s=2.9))
    report.emitted(guard.frame(3.0, 0, Size(4, 4)))
    figures = report.as_json(2.0)
    assert json.loads(json.dumps(figures)) == figures
    assert set(figures) == KEYS
    counted = {name: figures[name] for name in KEYS - {"latency_ms", "before", "after", "held_out"}}
    assert counted == {
        "frames_in": 5,
        "frames_out": 6,
        "frames_dropped": 0,
        "frames_with_face": 1,
        "faces": 3,
        "faces_held": 2,
        "protected": 2,
        "held": 1,
        "placeholder": 2,
        "off": 1,
        "faults": {"ValueError in the filter.": 2},
        "fps": 3.0,
        "linf_levels": 6,
        "budget_levels": 6,
        "psnr_face_db": pytest.approx(10 * np.log10(255**2 / 9), abs=0.01),
        "faces_measured": 4,
        "fooled_share": 0.75,
    }
    assert figures["before"] == {
        "label": "happiness",
        "labels": {"happiness": 3, "sadness": 1},
        "confidence": pytest.approx(0.825),
        "entropy_bits": pytest.approx(0.75),
    }
    assert figures["after"]["labels"] == {"happiness": 2, "sadness": 2}
    assert figures["held_out"]["fooled_share"] == 0.0
    assert figures["held_out"]["after"]["labels"] == {"sadness": 1}


def test_times_are_those_of_the_parts() -> None:
    report = RunReport()
    report.filtered(result(face_at(2, 2, 2), times=PartTimes(10, 20, 5, 7)), 1)
    latency = report.as_json(1.0)["latency_ms"]
    wanted = {"detect": 10, "chain": 20, "compose": 5, "total": 35, "after": 7}
    assert set(latency) == set(wanted)
    for part, duration in wanted.items():
        for percent in ("p50", "p95", "p99"):
            assert latency[part][percent] == pytest.approx(duration, rel=0.01)


def test_frames_without_a_face_do_not_count_as_fast_chains() -> None:
    report = RunReport()
    report.filtered(result(times=PartTimes(10, 0, 0)), 0)
    latency = report.as_json(1.0)["latency_ms"]
    assert latency["chain"]["p50"] == latency["compose"]["p50"] == 0
    assert latency["detect"]["p50"] == pytest.approx(10, rel=0.01)


def test_only_the_commonest_reasons_are_listed() -> None:
    report = RunReport()
    for number in range(50):
        report.faults[f"reason {number}"] = number + 1
    listed = report.as_json(1.0)["faults"]
    assert len(listed) == 20
    assert next(iter(listed)) == "reason 49"
