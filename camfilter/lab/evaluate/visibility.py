"""What a person could see of the filter: size, structure, colour, flicker, and bits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import structural_similarity

from camfilter.faces.base import Face
from camfilter.frames import Pixels, Size
from camfilter.lab.evaluate.channels import Channel, Coding, send
from camfilter.lab.evaluate.control import on_face
from camfilter.lab.evaluate.filtering import FilteredClip

__all__ = ["look_at"]

_LEAST_SIDE_PX: Final = 16
_SETTLED_S: Final = 0.5
_QUALITY: Final = Channel(
    "constant quantiser",
    height_px=360,
    coding=Coding(
        "libx264",
        "h264",
        # Not by rate factor, which spends less where there is more texture.
        {"profile": "baseline", "preset": "superfast", "tune": "zerolatency", "qp": "30"},
    ),
)


def look_at(
    frames: Sequence[Pixels], filtered: FilteredClip, rate_hz: float, look_every: int
) -> dict[str, float]:
    """Measure how visible a filtered clip's change is. Pixels on the face only.

    Args:
        frames: before the filter, (height, width, 3) uint8, BGR.
        filtered: after it.
        rate_hz: frames a second.
        look_every: PSNR, SSIM and CIEDE2000 are taken on each n-th frame, the rest on all.

    Returns:
        Figures by name, those without a face left out; `docs/evaluate.md` explains each.
    """
    figures: dict[str, float] = {
        "linf_levels": float(
            max(
                int(cv2.absdiff(before, after).max())
                for before, after in zip(frames, filtered.frames, strict=True)
            )
        ),
        "frames_without_face": float(sum(not faces for faces in filtered.faces)),
        "faults": float(filtered.faults),
        "bitrate_overhead_same_quality": _overhead(frames, filtered.frames, rate_hz),
    }
    if filtered.chain_ms:
        figures["chain_ms"] = float(np.median(filtered.chain_ms))
    stills = [
        _look_at_still(frames[index], filtered.frames[index], filtered.faces[index][0])
        for index in range(0, len(frames), look_every)
        if filtered.faces[index]
    ]
    for name in dict.fromkeys(name for still in stills for name in still):
        figures[name] = float(np.mean([still[name] for still in stills if still]))
    return {**figures, **_flicker(frames, filtered, rate_hz)}


def _overhead(before: Sequence[Pixels], after: Sequence[Pixels], rate_hz: float) -> float:
    """Share of bits that the filter adds where the encoder holds the quality, not the rate."""
    bits = [send(clip, _QUALITY, rate_hz).sent_bytes for clip in (before, after)]
    return bits[1] / max(1, bits[0]) - 1


def _look_at_still(before: Pixels, after: Pixels, face: Face) -> dict[str, float]:
    box = face.box.within(Size.of(before))
    part = box.slices()
    a, b = before[part], after[part]
    if min(a.shape[:2]) < _LEAST_SIDE_PX:
        return {}
    error = float(np.square(a.astype(np.float64) - b).mean())
    luma_a, luma_b = (cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) for picture in (a, b))
    similar = structural_similarity(  # type: ignore[no-untyped-call]
        luma_a,
        luma_b,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    colour = deltaE_ciede2000(  # type: ignore[no-untyped-call]
        rgb2lab(a[:, :, ::-1]), rgb2lab(b[:, :, ::-1])
    )
    return {
        "psnr_db": 10 * float(np.log10(255**2 / max(error, 1e-6))),
        "ssim": float(similar),
        "ciede2000_p95": float(np.percentile(colour, 95)),
        "rms_levels": float(np.sqrt(error)),
    }


def _flicker(frames: Sequence[Pixels], filtered: FilteredClip, rate_hz: float) -> dict[str, float]:
    """Standard deviations over time in face coordinates, of the face seen in most frames."""
    by_track: dict[int, list[int]] = defaultdict(list)
    for index, faces in enumerate(filtered.faces):
        for face in faces[:1]:
            by_track[face.track].append(index)
    if not by_track:
        return {}
    seen = max(by_track.values(), key=len)
    if len(seen) < 2:
        return {}
    clips: dict[str, list[NDArray[np.float32]]] = {"own": [], "filtered": []}
    inside = np.ones(1, np.float32)
    for index in seen:
        face = filtered.faces[index][0]
        for name, pixels in (("own", frames[index]), ("filtered", filtered.frames[index])):
            luma = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY).astype(np.float32)
            clips[name].append(on_face(luma, face, cv2.BORDER_REPLICATE))
        inside = inside * _inside(frames[index], face)
    on = inside > 0.99
    if not on.any():
        return {}
    own, after = np.stack(clips["own"])[:, on], np.stack(clips["filtered"])[:, on]
    change = after - own
    settled = np.array(seen) >= _SETTLED_S * rate_hz
    figures = {
        "flicker_levels": _deviation(change),
        "flicker_beyond_levels": _deviation(after) - _deviation(own),
        "flicker_frame_levels": _frame_to_frame(change),
    }
    if settled.sum() > 1:
        figures["flicker_settled_levels"] = _deviation(change[settled])
        figures["flicker_settled_beyond_levels"] = _deviation(after[settled]) - _deviation(
            own[settled]
        )
    return figures


def _inside(pixels: Pixels, face: Face) -> NDArray[np.float32]:
    mask = np.zeros(pixels.shape[:2], np.float32)
    cv2.fillConvexPoly(mask, np.rint(face.outline).astype(np.int32), (1.0,))
    return on_face(mask, face)


def _deviation(values: NDArray[np.float32]) -> float:
    """Mean over the face's cells of the standard deviation over time."""
    return float(values.std(axis=0).mean())


def _frame_to_frame(values: NDArray[np.float32]) -> float:
    """The same of what changes from a frame to the next: a slow drift counts for little."""
    return float(np.sqrt(np.square(np.diff(values, axis=0)).mean(axis=0) / 2).mean())
