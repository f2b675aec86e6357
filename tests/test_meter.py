from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from camfilter.meter import Change, FaceMeasure, measure
from camfilter.settings import ChainSettings
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
    found = measure(raw.pixels, same, surrogate)
    assert [face.attacked.before for face in found] == [face.attacked.after for face in found]
    assert not any(face.attacked.fooled or face.squared_error for face in found)
    changed = replace(same, pixels=255 - raw.pixels)
    for face, clean in zip(measure(raw.pixels, changed, surrogate), found, strict=True):
        assert face.attacked.before == clean.attacked.before
        assert face.attacked.after != clean.attacked.after
        assert face.squared_error > 0


def test_the_held_out_recogniser_is_asked_at_its_own_size() -> None:
    raw = raw_frame(3)
    found = measure(raw.pixels, filtered(raw, 2, FACES), LinearSurrogate(8), LinearSurrogate(6))
    assert all(face.held_out is not None for face in found)
    assert found[0].held_out != found[0].attacked


def test_no_more_faces_are_measured_than_asked_for() -> None:
    raw = raw_frame(3)
    both = filtered(raw, 2, FACES)
    everyone = measure(raw.pixels, both, LinearSurrogate(8))
    assert len(everyone) == 2
    assert measure(raw.pixels, both, LinearSurrogate(8), most_faces=1) == everyone[:1]
    assert measure(raw.pixels, filtered(raw), LinearSurrogate(8)) == []


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
    one = measure(raw.pixels, replace(filtered(raw, faces=FACES), pixels=pixels), surrogate)
    assert one[0].attacked.before == one[0].attacked.after
    assert one[1].attacked.before != one[1].attacked.after
