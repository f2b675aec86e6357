from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from camfilter.meter import AtOnce, Change, FaceMeasure, InTurns
from camfilter.settings import ChainSettings
from camfilter.surrogate.ensemble import Ensemble
from camfilter.surrogate.reading import Reading
from camfilter.verdict import Standing, judge
from fakes import LinearSurrogate, face_at, filtered, raw_frame

FACES = [face_at(10, 12, 8), face_at(24, 12, 6)]

HAPPY = Reading("happiness", 0.9, 0.5)
SAD = Reading("sadness", 0.6, 1.5)
NEUTRAL = Reading("neutral", 0.8, 1.0)
UNSURE = Reading("happiness", 0.2, 2.8)


def test_before_is_read_in_the_raw_picture_and_after_in_the_one_that_leaves() -> None:
    surrogate, raw = LinearSurrogate(8), raw_frame(3)
    same = replace(filtered(raw, faces=FACES), pixels=raw.pixels.copy())
    found = AtOnce().measure(raw.pixels, same, surrogate)
    assert [face.attacked.before for face in found] == [face.attacked.after for face in found]
    assert not any(face.attacked.fooled or face.squared_error for face in found)
    changed = replace(same, pixels=255 - raw.pixels)
    for face, clean in zip(AtOnce().measure(raw.pixels, changed, surrogate), found, strict=True):
        assert face.attacked.before == clean.attacked.before
        assert face.attacked.after != clean.attacked.after
        assert face.squared_error > 0


def test_the_held_out_recogniser_is_asked_at_its_own_size() -> None:
    raw = raw_frame(3)
    meter = AtOnce(LinearSurrogate(6))
    found = meter.measure(raw.pixels, filtered(raw, 2, FACES), LinearSurrogate(8))
    assert all(face.held_out is not None for face in found)
    assert found[0].held_out != found[0].attacked


def test_a_frame_without_a_face_measures_nothing() -> None:
    raw = raw_frame(3)
    for meter in (AtOnce(LinearSurrogate(6)), InTurns(LinearSurrogate(6))):
        assert meter.measure(raw.pixels, filtered(raw), LinearSurrogate(8)) == []


def test_in_turns_says_of_a_still_scene_what_at_once_says_of_its_largest_face() -> None:
    raw, held_out = raw_frame(3), LinearSurrogate(6)
    done = filtered(raw, 2, FACES)
    both = Ensemble([LinearSurrogate(8), LinearSurrogate(8, seed=2)])
    meter = InTurns(held_out)
    found = [meter.measure(raw.pixels, done, both) for _ in range(4)]
    assert found[:2] == [[], []]
    assert found[2] == AtOnce(held_out).measure(raw.pixels, done, both)[:1]
    assert found[3] == found[2]


def test_in_turns_asks_one_recogniser_a_call() -> None:
    raw, asked = raw_frame(3), [LinearSurrogate(8), LinearSurrogate(8, seed=2), LinearSurrogate(6)]
    meter, done = InTurns(asked[2]), filtered(raw, 2, FACES)
    for call in range(6):
        meter.measure(raw.pixels, done, Ensemble(asked[:2]))
        assert sum(each.reads for each in asked) == call + 1
    assert [each.reads for each in asked] == [2, 2, 2]


def test_another_face_or_surrogate_is_measured_from_the_beginning() -> None:
    raw, meter = raw_frame(3), InTurns(LinearSurrogate(6))
    here, there = (replace(FACES[0], track=number) for number in (1, 2))
    surrogate = LinearSurrogate(8)
    seen = [
        meter.measure(raw.pixels, filtered(raw, 2, [face]), surrogate)
        for face in (here, here, there, there, here)
    ]
    assert [len(measures) for measures in seen] == [0, 1, 0, 1, 0]
    assert meter.measure(raw.pixels, filtered(raw, 2, [here]), LinearSurrogate(8, seed=2)) == []


@pytest.mark.parametrize(
    ("values", "attacked", "held_out", "standing"),
    [
        ({}, (HAPPY, SAD), (HAPPY, SAD), Standing.GOOD),
        ({}, (HAPPY, SAD), None, Standing.GOOD),
        ({}, (HAPPY, SAD), (HAPPY, HAPPY), Standing.PARTLY),
        ({}, (HAPPY, HAPPY), (HAPPY, SAD), Standing.PARTLY),
        ({}, (HAPPY, HAPPY), (HAPPY, HAPPY), Standing.NOT_YET),
        ({}, (HAPPY, HAPPY), None, Standing.NOT_YET),
        ({}, (HAPPY, SAD), (SAD, HAPPY), Standing.PARTLY),
        ({"mode": "neutral"}, (NEUTRAL, NEUTRAL), (HAPPY, NEUTRAL), Standing.GOOD),
        ({"mode": "neutral"}, (HAPPY, SAD), (HAPPY, SAD), Standing.NOT_YET),
        ({"mode": "hide"}, (HAPPY, UNSURE), (HAPPY, UNSURE), Standing.GOOD),
        ({"mode": "hide"}, (HAPPY, SAD), (HAPPY, UNSURE), Standing.PARTLY),
        (
            {"mode": "targeted", "targets": "anger,sadness"},
            (HAPPY, SAD),
            (HAPPY, NEUTRAL),
            Standing.PARTLY,
        ),
        (
            {"mode": "targeted", "targets": "least-likely"},
            (HAPPY, SAD),
            (HAPPY, NEUTRAL),
            Standing.GOOD,
        ),
    ],
)
def test_the_verdict_follows_the_aim_of_the_mode(
    values: dict[str, object],
    attacked: tuple[Reading, Reading],
    held_out: tuple[Reading, Reading] | None,
    standing: Standing,
) -> None:
    measured = FaceMeasure(Change(*attacked), 1.0, 3, Change(*held_out) if held_out else None)
    verdict = judge(measured, ChainSettings.of(values))
    assert verdict.standing is standing
    assert verdict.text.endswith(".")


def test_the_verdict_names_what_is_still_read() -> None:
    measured = FaceMeasure(Change(HAPPY, SAD), 1.0, 3, Change(HAPPY, HAPPY))
    assert "happiness" in judge(measured, ChainSettings()).text


def test_a_good_verdict_says_nothing_that_was_not_read() -> None:
    still_neutral = FaceMeasure(Change(NEUTRAL, NEUTRAL), 1.0, 3)
    assert judge(still_neutral, ChainSettings.of({"mode": "neutral"})).text.endswith("as neutral.")
    unsure = FaceMeasure(Change(HAPPY, UNSURE), 1.0, 3)
    assert judge(unsure, ChainSettings.of({"mode": "hide"})).text.endswith("unsure.")


def test_a_crop_is_cut_by_the_face_and_not_by_the_frame() -> None:
    surrogate, raw = LinearSurrogate(8), raw_frame(5)
    pixels = raw.pixels.copy()
    pixels[:, 18:] = np.roll(pixels[:, 18:], 3, axis=0)  # the second face only
    one = AtOnce().measure(
        raw.pixels, replace(filtered(raw, faces=FACES), pixels=pixels), surrogate
    )
    assert one[0].attacked.before == one[0].attacked.after
    assert one[1].attacked.before != one[1].attacked.after
