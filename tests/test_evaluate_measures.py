from __future__ import annotations

import math

import numpy as np
import pytest

from camfilter.lab.evaluate.measures import (
    ClipReadings,
    entropy_bits,
    judge,
    leakage,
    mutual_information_bits,
)

LABELS = ["neutral", "happiness", "anger"]


def rows(*answers: int, sure: float = 0.8) -> np.ndarray:
    """One reading a frame; -1 stands for no face."""
    out = np.full((len(answers), len(LABELS)), (1 - sure) / 2, np.float32)
    for index, answer in enumerate(answers):
        out[index, answer] = sure
        if answer < 0:
            out[index] = np.nan
    return out


def clip(label: str | None, coded: np.ndarray, filtered: np.ndarray) -> ClipReadings:
    return ClipReadings(label, coded, coded, filtered, coded, rate_hz=10)


@pytest.mark.parametrize(
    ("table", "bits"),
    [
        ([[2, 0], [0, 2]], 1.0),
        ([[1, 1], [1, 1]], 0.0),
        ([[3, 1], [1, 3]], 1 - (-(0.25 * math.log2(0.25) + 0.75 * math.log2(0.75)))),
        ([[4, 0, 0], [0, 2, 0], [0, 0, 2]], 1.5),
        ([[0, 0], [0, 0]], 0.0),
    ],
)
def test_mutual_information_of_small_tables(table: list[list[int]], bits: float) -> None:
    assert mutual_information_bits(np.array(table, float)) == pytest.approx(bits, abs=1e-12)


def test_a_reader_that_always_says_the_same_leaks_nothing() -> None:
    labels = LABELS * 4
    found = leakage(labels, [np.zeros(5, np.int64)] * 12, 3, seed=0)
    assert (found.bits, found.plugin_bits) == (0.0, 0.0)


def test_a_perfect_reader_leaks_the_entropy_of_the_labels() -> None:
    labels = ["neutral"] * 8 + ["happiness"] * 4 + ["anger"] * 4
    readings = [np.full(6, LABELS.index(label)) for label in labels]
    found = leakage(labels, readings, 3, seed=0)
    assert found.bits == pytest.approx(1.5, abs=1e-9)
    assert found.most_bits == pytest.approx(1.5, abs=1e-9)
    assert found.chance_bits > 0.05  # the correction had something to correct


def test_a_permuted_perfect_reader_leaks_as_much() -> None:
    labels = LABELS * 5
    turned = [np.full(3, (LABELS.index(label) + 1) % 3) for label in labels]
    assert leakage(labels, turned, 3, seed=0).bits == pytest.approx(math.log2(3), abs=1e-9)


def test_a_reader_that_guesses_seems_to_leak_only_before_the_correction() -> None:
    random = np.random.default_rng(5)
    corrected, plugin = [], []
    for seed in range(20):
        labels = [LABELS[index] for index in random.integers(0, 3, 24)]
        # A guess for each clip, the same in all its frames: as dependent as frames can be.
        readings = [np.full(10, guess) for guess in random.integers(0, 3, 24)]
        found = leakage(labels, readings, 3, seed=seed)
        corrected.append(found.bits)
        plugin.append(found.plugin_bits)
    assert np.mean(plugin) > 0.08
    assert np.mean(corrected) < 0.6 * np.mean(plugin)
    assert np.median(corrected) < 0.03


def test_leakage_is_the_same_for_the_same_seed() -> None:
    labels = LABELS * 3
    readings = [np.array([index % 3, (index * index) % 3]) for index in range(9)]
    first, second = (leakage(labels, readings, 3, seed=7) for _ in range(2))
    assert first == second


def test_readers_of_the_same_clips_are_dealt_alike_though_one_missed_some() -> None:
    labels = LABELS * 40
    readings = [np.full(4, LABELS.index(label)) for label in labels]
    all_but_one = [*readings[:-1], np.empty(0, np.int64)]
    dealt, missed = (leakage(labels, one, 3, seed=0).dealt_bits for one in (readings, all_but_one))
    assert np.corrcoef(dealt, missed)[0, 1] > 0.9


def test_entropy_of_a_reading() -> None:
    assert entropy_bits(np.array([0.5, 0.25, 0.25])) == pytest.approx(1.5)
    assert entropy_bits(np.array([1.0, 0.0, 0.0])) == 0.0


def test_figures_of_two_clips_by_hand() -> None:
    coded_a = np.concatenate([rows(1, 1, -1), rows(1, sure=0.4)])
    filtered_a = rows(0, 1, 0, 0)
    clips = [
        clip("happiness", coded_a, filtered_a),
        clip("anger", rows(2, 2, 0, 2), rows(0, 0, 0, -1)),
    ]
    found = judge(clips, LABELS, "neutral", seed=0)
    frame = found["frame"]
    # Unreadable frames count nowhere: 7 coded frames of 8, 7 filtered ones.
    assert found["readable"] == {
        "clean": 0.875,
        "coded": 0.875,
        "filtered": 0.875,
        "control": 0.875,
    }
    assert frame["accuracy"]["coded"] == pytest.approx(6 / 7, abs=1e-4)
    assert frame["accuracy"]["filtered"] == pytest.approx(1 / 7, abs=1e-4)
    # Frames readable both ways: a 0 1 3, b 0 1 2. Changed: a 0 3, b 0 1.
    assert (frame["fooled"]["frames"], frame["fooled"]["all"]) == (
        6,
        pytest.approx(4 / 6, abs=1e-4),
    )
    # Of those the spy was sure in all but a 3.
    assert (frame["fooled"]["sure_frames"], frame["fooled"]["sure"]) == (5, pytest.approx(3 / 5))
    # It was right in a 0 1 3 and b 0 1 of those; changed are all but a 1.
    assert (frame["fooled"]["right_frames"], frame["fooled"]["right"]) == (5, pytest.approx(4 / 5))
    assert frame["target"]["coded"] == pytest.approx(1 / 7, abs=1e-4)
    assert frame["target"]["filtered"] == pytest.approx(6 / 7, abs=1e-4)
    # Of those, b 2 read the target before; of the other five, all but a 1 read it after.
    assert frame["steered"] == {"filtered": 0.8, "control": 0.0}
    assert frame["codec_alone"]["all"] == 0.0
    # A patient spy decides once: happiness and anger before, neutral twice after.
    assert found["clip"]["accuracy"] == {
        "clean": 1.0,
        "coded": 1.0,
        "filtered": 0.0,
        "control": 1.0,
    }
    assert found["clip"]["fooled"]["all"] == 1.0
    sure = -(0.8 * math.log2(0.8) + 0.2 * math.log2(0.1))
    assert frame["entropy_bits"]["filtered"] == pytest.approx(sure, abs=1e-4)


def test_the_interval_of_a_share_holds_it() -> None:
    clips = [clip("anger", rows(2, 2), rows(0, 2)) for _ in range(6)]
    clips += [clip("anger", rows(2, 2), rows(0, 0)) for _ in range(6)]
    fooled = judge(clips, LABELS, None, seed=0)["frame"]["fooled"]
    low, high = fooled["sure_ci95"]
    assert low < fooled["sure"] == 0.75 < high
    assert (low, high) != (0.0, 1.0)


def test_how_fast_the_filter_takes_hold() -> None:
    slow = clip("anger", rows(*[2] * 15), rows(*[2] * 5, *[0] * 10))
    found = judge([slow], LABELS, None, seed=0)["over_time"]
    assert found == [
        {"from_s": 0.0, "fooled": 0.0},
        {"from_s": 0.5, "fooled": 1.0},
        {"from_s": 1.0, "fooled": 1.0},
    ]


def test_clips_without_a_label_are_judged_by_agreement_alone() -> None:
    found = judge([clip(None, rows(1, 1), rows(0, 1))], LABELS, None, seed=0)["frame"]
    assert found["fooled"]["all"] == 0.5
    assert found["accuracy"]["coded"] is None
    assert found["leakage"]["coded"] is None
    assert "target" not in found


def test_a_clip_in_which_no_face_was_ever_found() -> None:
    found = judge([clip("anger", rows(-1, -1), rows(-1, -1))], LABELS, None, seed=0)
    assert found["readable"]["coded"] == 0.0
    assert found["frame"]["fooled"]["all"] is None
    assert found["frame"]["fooled"]["sure_ci95"] is None
    assert found["frame"]["leakage"]["coded"] is None


def test_a_label_that_the_recogniser_does_not_know_is_never_read_right() -> None:
    found = judge([clip("contempt", rows(0, 1, 2), rows(0, 1, 2))], LABELS, None, seed=0)
    assert found["frame"]["accuracy"]["coded"] == 0.0
