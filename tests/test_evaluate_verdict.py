from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from camfilter.lab.evaluate.description import Kind
from camfilter.lab.evaluate.summary import OWN, mode_measure, summary_of
from camfilter.lab.evaluate.table import verdict_table
from camfilter.lab.evaluate.verdict import Promise, promises, verdict_of
from camfilter.settings import Mode

H264 = "h264-360p-500k"


def row(
    name: str,
    sure: float | None,
    *,
    kind: str = Kind.FOREIGN,
    family: str = "",
    unseen: bool = True,
    bits: tuple[float, float] = (1.0, 0.2),
    steered: float | None = None,
    countermeasure: str = "plain",
    dealt: tuple[float, ...] = (0.1,),
) -> dict[str, Any]:
    frame: dict[str, Any] = {
        "accuracy": {"coded": 0.8, "filtered": 0.2},
        "fooled": {"all": sure, "sure": sure, "right": None if sure is None else 1 - sure},
        "control": {"all": 0.1, "sure": 0.1, "right": 0.1},
        "leakage": {
            "coded": {"bits": bits[0]},
            "filtered": {"bits": bits[1], "dealt_bits": list(dealt)},
        },
    }
    if steered is not None:
        frame["steered"] = {"filtered": steered, "control": 0.05}
    return {
        "channel": H264,
        "recogniser": name,
        "family": family or name,
        "kind": kind,
        "countermeasure": countermeasure,
        "unseen": unseen,
        "frame": frame,
    }


ROWS = [
    row("plain", 0.99, kind=OWN, unseen=False),
    row("plain", 0.9, kind=OWN),
    row("dense", 0.7, kind=OWN),
    row("a", 0.6, family="pair", bits=(0.6, 0.1)),
    row("b", 0.8, family="pair", bits=(0.4, 0.0)),
    row("c", 0.9, bits=(1.5, 0.05)),
    row("c", 0.0, countermeasure="blur"),
    row("spy", 0.3, kind=Kind.ADAPTIVE, bits=(1.0, 0.7)),
]


def figures(**seen: float) -> dict[str, Any]:
    return {
        "summary": {H264: summary_of(ROWS, H264, Mode.UNTARGETED)},
        "channels": {H264: {"bitrate_overhead": 0.02}},
        "visibility": {"filtered": {"linf_levels": 6.0, "ssim": 0.949, **seen}},
    }


def test_a_family_counts_once_however_many_members_it_has() -> None:
    summary = summary_of(ROWS, H264, Mode.UNTARGETED)
    assert summary["surrogates_fooled"] == 0.99
    assert summary["surrogates_fooled_right"] == pytest.approx(0.01)
    foreign = summary["unseen_foreign"]
    assert foreign["families"] == {"pair": 0.7, "c": 0.9}
    assert foreign["fooled_sure_mean"] == pytest.approx(0.8)
    assert foreign["fooled_sure_least"] == 0.7
    assert foreign["fooled_right_mean"] == pytest.approx((0.3 + 0.1) / 2)
    assert foreign["leakage_coded_bits"] == pytest.approx(1.0)
    assert foreign["leakage_ratio"] == pytest.approx(0.05)
    assert foreign["leakage_chance_p95_ratio"] == pytest.approx(0.1)
    assert summary["unseen"]["families"] == {"plain": 0.9, "dense": 0.7, "pair": 0.7, "c": 0.9}
    assert summary["fighting_spies"]["spy"]["leakage_filtered_bits"] == 0.7


def test_readers_that_are_lucky_in_turns_know_less_together() -> None:
    lucky = [row(name, 0.5, dealt=tuple(np.roll([1.0] + 9 * [0.0], at))) for at, name in
             enumerate("abcdefghij")]  # fmt: skip
    alike = [row(name, 0.5, dealt=(1.0, *9 * [0.0])) for name in "abcdefghij"]
    in_turns, together = (summary_of(rows, H264, Mode.UNTARGETED) for rows in (lucky, alike))
    assert in_turns["unseen_foreign"]["leakage_chance_p95_ratio"] == pytest.approx(0.1)
    assert together["unseen_foreign"]["leakage_chance_p95_ratio"] == pytest.approx(0.55)


def test_the_verdict_says_what_falls_short() -> None:
    found = {(p["name"], p["channel"]): p for p in verdict_of(figures())}
    verdicts = {name: p["verdict"] for (name, _), p in found.items()}
    assert verdicts["surrogates fooled"] == "reached"
    assert verdicts["surrogates fooled where right"] == "for comparison"
    assert verdicts["own unseen: fooled where sure, mean"] == "falls short"
    assert verdicts["own unseen: fooled where sure, least"] == "reached"
    assert verdicts["foreign: leakage left"] == "reached"
    assert verdicts["foreign: of leakage left, by chance up to"] == "for comparison"
    assert verdicts["foreign: fooled where right, mean"] == "for comparison"
    assert verdicts["own unseen: leakage left"] == "falls short"
    assert verdicts["adaptive spy spy: leakage left"] == "for comparison"
    assert found["adaptive spy spy: leakage left", H264]["figure"] == 0.7
    assert verdicts["greatest change"] == "reached"
    assert verdicts["SSIM on the face, mean"] == "falls short"
    assert verdicts["chain time a frame, here"] == "not measured"


def test_every_promise_is_in_the_table() -> None:
    table = verdict_table(figures(chain_ms=3.0))
    assert table.row_count == len(list(promises(figures())))
    assert "3 ms" in list(table.columns[2].cells)


def test_a_figure_at_its_limit_is_reached() -> None:
    assert Promise("x", "", 0.7, 0.7).verdict == "reached"
    assert Promise("x", "", 0.1, 0.1, at_most=True).verdict == "reached"
    assert Promise("x", "", 0.1001, 0.1, at_most=True).verdict == "falls short"


@pytest.mark.parametrize(
    ("mode", "steered", "expected"),
    [
        (Mode.NEUTRAL, 0.6, ("steered", 0.05, 0.6)),
        (Mode.TARGETED, 0.6, ("steered", 0.05, 0.6)),
        (Mode.UNTARGETED, None, ("fooled", 0.1, 0.9)),
        (Mode.HIDE, None, ("leakage_bits", 1.0, 0.2)),
    ],
)
def test_each_mode_has_its_own_measure(
    mode: Mode, steered: float | None, expected: tuple[str, float, float]
) -> None:
    found = mode_measure([row("a", 0.9, steered=steered)], mode)
    assert (found["name"], found["reference"], found["filtered"]) == expected
