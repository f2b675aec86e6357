"""The random control, what can be seen of a change, and what spies try against it."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from camfilter.faces.base import Face
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.frames import Pixels
from camfilter.lab.evaluate.control import control_clip, on_face
from camfilter.lab.evaluate.countermeasures import COUNTERMEASURES
from camfilter.lab.evaluate.filtering import FilteredClip
from camfilter.lab.evaluate.visibility import look_at

FRAMES = 12


@pytest.fixture(scope="module")
def face(hopper: Pixels, still_faces: MediaPipeFaces) -> Face:
    return dataclasses.replace(still_faces.find(hopper)[0], track=0)


@pytest.fixture(scope="module")
def inside(hopper: Pixels, face: Face) -> np.ndarray:
    mask = np.zeros(hopper.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, np.rint(face.outline).astype(np.int32), (1,))
    return mask.astype(bool)


def changed(picture: Pixels, inside: np.ndarray, levels: np.ndarray | int) -> Pixels:
    change = np.where(inside, levels, 0).astype(np.int16)
    return np.clip(picture.astype(np.int16) + change[:, :, None], 0, 255).astype(np.uint8)


def filtered(frames: list[Pixels], face: Face) -> FilteredClip:
    return FilteredClip(frames, [(face,)] * len(frames), 0, [1.0] * len(frames))


@pytest.fixture(scope="module")
def texture(inside: np.ndarray) -> np.ndarray:
    """Smooth, in whole levels up to 5, as the filter's."""
    noise = np.random.default_rng(0).normal(0, 1, inside.shape).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    return np.rint(np.clip(smooth / smooth.std() * 4, -5, 5))


def test_the_control_changes_as_much_and_says_nothing(
    hopper: Pixels, face: Face, inside: np.ndarray, texture: np.ndarray
) -> None:
    clip = filtered([changed(hopper, inside, texture)] * 2, face)
    control = control_clip([hopper] * 2, clip, np.random.default_rng(1))
    ours = clip.frames[0].astype(float)[:, :, 0] - hopper[:, :, 0]
    other = control[0].astype(float)[:, :, 0] - hopper[:, :, 0]
    assert np.square(other).sum() == pytest.approx(np.square(ours).sum(), rel=0.1)
    assert np.abs(other).max() <= np.abs(ours).max()
    assert np.abs(other[~inside]).max() <= 1  # the outline's own pixels
    assert abs(np.corrcoef(ours[inside], other[inside])[0, 1]) < 0.2
    # As fine as the filter's: neighbours resemble each other as much.
    alike = [np.corrcoef(c[inside], np.roll(c, 3, axis=1)[inside])[0, 1] for c in (ours, other)]
    assert alike[0] == pytest.approx(alike[1], abs=0.2)


def test_the_control_is_as_steady_as_the_filter(
    hopper: Pixels, face: Face, inside: np.ndarray, texture: np.ndarray
) -> None:
    steady = filtered([changed(hopper, inside, texture)] * FRAMES, face)
    fickle = filtered(
        [changed(hopper, inside, np.roll(texture, 7 * i, axis=0)) for i in range(FRAMES)], face
    )
    for clip, least, most in ((steady, 0, 0.05), (fickle, 1.5, 6)):
        control = control_clip([hopper] * FRAMES, clip, np.random.default_rng(1))
        seen = look_at([hopper] * FRAMES, filtered(control, face), 30, FRAMES)
        assert least <= seen["flicker_levels"] <= most


def test_frames_without_a_change_have_no_control(hopper: Pixels, face: Face) -> None:
    untouched = FilteredClip([hopper.copy()], [()], 0, [])
    (control,) = control_clip([hopper], untouched, np.random.default_rng(1))
    assert np.array_equal(control, hopper)


def test_nothing_can_be_seen_of_no_change(hopper: Pixels, face: Face) -> None:
    seen = look_at([hopper] * 3, filtered([hopper.copy()] * 3, face), 30, 1)
    assert seen["linf_levels"] == 0
    assert seen["ssim"] == pytest.approx(1)
    assert seen["ciede2000_p95"] == pytest.approx(0, abs=1e-6)
    assert seen["rms_levels"] == 0
    assert seen["flicker_levels"] == seen["flicker_beyond_levels"] == 0
    assert seen["bitrate_overhead_same_quality"] == 0


def test_a_constant_change_is_seen_as_it_is(hopper: Pixels, face: Face) -> None:
    dim = (hopper // 2 + 40).astype(np.uint8)
    everywhere = np.ones(dim.shape[:2], bool)
    clip = filtered([changed(dim, everywhere, 3)] * 3, face)
    seen = look_at([dim] * 3, clip, 30, 1)
    assert seen["linf_levels"] == 3
    assert seen["rms_levels"] == pytest.approx(3)
    assert seen["psnr_db"] == pytest.approx(20 * np.log10(255 / 3))
    assert seen["flicker_levels"] == pytest.approx(0, abs=1e-4)
    assert 0.98 < seen["ssim"] < 1
    assert 0.3 < seen["ciede2000_p95"] < 4


def test_flicker_is_measured_in_levels(hopper: Pixels, face: Face) -> None:
    dim = (hopper // 2 + 40).astype(np.uint8)
    everywhere = np.ones(dim.shape[:2], bool)
    frames = [changed(dim, everywhere, 2 if index % 2 else -2) for index in range(FRAMES)]
    seen = look_at([dim] * FRAMES, filtered(frames, face), 10, FRAMES)
    assert seen["flicker_levels"] == pytest.approx(2, abs=0.05)
    assert seen["flicker_beyond_levels"] == pytest.approx(2, abs=0.05)
    assert seen["flicker_settled_levels"] == pytest.approx(2, abs=0.1)
    # From -2 to 2 and back: each step is 4 levels, and 4 / sqrt 2 of two equal deviations.
    assert seen["flicker_frame_levels"] == pytest.approx(4 / np.sqrt(2), abs=0.05)


def test_a_change_that_comes_once_is_settled_later(hopper: Pixels, face: Face) -> None:
    dim = (hopper // 2 + 40).astype(np.uint8)
    everywhere = np.ones(dim.shape[:2], bool)
    frames = [changed(dim, everywhere, 0 if index < 4 else 4) for index in range(FRAMES)]
    seen = look_at([dim] * FRAMES, filtered(frames, face), 10, FRAMES)
    assert seen["flicker_levels"] > 1.5
    assert seen["flicker_settled_levels"] == pytest.approx(0, abs=1e-4)


def test_only_a_change_that_moves_costs_bits(
    hopper: Pixels, face: Face, inside: np.ndarray, texture: np.ndarray
) -> None:
    """A texture that is fixed to the face is sent once; one that changes is sent each time."""
    steady = [changed(hopper, inside, texture)] * FRAMES
    fickle = [changed(hopper, inside, np.roll(texture, 9 * i, axis=1)) for i in range(FRAMES)]
    seen = [look_at([hopper] * FRAMES, filtered(f, face), 30, FRAMES) for f in (steady, fickle)]
    overheads = [look["bitrate_overhead_same_quality"] for look in seen]
    assert overheads[0] < 0.02
    assert overheads[1] > 0.05


def test_a_clip_without_faces_has_few_figures(hopper: Pixels) -> None:
    seen = look_at([hopper], FilteredClip([hopper.copy()], [()], 1, []), 30, 1)
    assert (seen["frames_without_face"], seen["faults"]) == (1, 1)
    assert "ssim" not in seen
    assert "flicker_levels" not in seen


def test_on_face_follows_the_face(hopper: Pixels, face: Face) -> None:
    luma = cv2.cvtColor(hopper, cv2.COLOR_BGR2GRAY).astype(np.float32)
    turn = cv2.getRotationMatrix2D((256, 250), 12, 1.0)
    turned = cv2.warpAffine(luma, turn, (luma.shape[1], luma.shape[0]))
    back = cv2.invertAffineTransform(turn)
    full = np.vstack([back, [0, 0, 1]])
    # Pixel centres lie at halves in the frame, at whole numbers in OpenCV.
    half = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
    to_unit = face.to_unit @ np.linalg.inv(half) @ full @ half
    moved = dataclasses.replace(face, to_unit=to_unit)
    first, second = on_face(luma, face), on_face(turned, moved)
    lost = on_face(turned, face)
    error = [np.abs(first - other)[20:-20, 20:-20].mean() for other in (second, lost)]
    assert error[0] < 0.15 * error[1]


@pytest.fixture
def crop(hopper: Pixels) -> Pixels:
    return np.ascontiguousarray(hopper[80:208, 190:318])


def tried(name: str, crops: list[Pixels | None], per_second: int = 4) -> list[Pixels | None]:
    return COUNTERMEASURES[name](crops, per_second, np.random.default_rng(0))


@pytest.mark.parametrize("name", list(COUNTERMEASURES))
def test_a_spy_keeps_sizes_and_gaps(name: str, crop: Pixels) -> None:
    before = crop.copy()
    out = tried(name, [crop, None, crop])
    assert out[1] is None
    assert [c.shape for c in out if c is not None] == [crop.shape] * 2
    assert all(c.dtype == np.uint8 for c in out if c is not None)
    assert np.array_equal(crop, before)
    again = tried(name, [crop, None, crop])
    assert all(np.array_equal(a, b) for a, b in zip(out, again, strict=True) if a is not None)


@pytest.mark.parametrize("name", ["blur", "jpeg", "median"])
def test_a_spy_removes_fine_changes_more_than_the_face(name: str, crop: Pixels) -> None:
    sign = np.random.default_rng(0).choice([-6, 6], crop.shape[:2]).astype(np.int16)[:, :, None]
    noisy = np.clip(crop.astype(np.int16) + sign, 0, 255).astype(np.uint8)
    clean, after = tried(name, [crop, noisy])
    assert clean is not None
    assert after is not None
    left = np.abs(after.astype(float) - clean).mean()
    assert left < 0.9 * np.abs(noisy.astype(float) - crop).mean()


def test_averaging_forgets_what_changes_and_what_is_old(crop: Pixels) -> None:
    dim = (crop // 2 + 30).astype(np.uint8)
    frames = [dim + np.uint8(8) if index % 2 else dim - np.uint8(8) for index in range(8)]
    out = tried("average", frames)
    assert out[-1] is not None
    assert np.abs(out[-1].astype(int) - dim).max() <= 1
    late = tried("average", [np.zeros_like(dim)] * 4 + [dim] * 4)
    assert np.array_equal(late[-1], dim)


def test_padding_is_black_and_the_face_smaller(crop: Pixels) -> None:
    (out,) = tried("resize-and-pad", [np.full_like(crop, 200)])
    assert out is not None
    share = (out > 100).mean()
    assert 0.7 < share < 0.98
    assert set(np.unique(out)) == {0, 200}
