"""Faces in every picture, though a finder looks at every third to sixth one only.

Finding faces is the dearest part of a frame. Between two pictures that the finder sees, the
texture of the faces itself says where they went: sparse optical flow inside each face, and
the similarity transform that fits it best. So the finder may look at a picture after that one is
out, and no picture waits for it; the less news it brings, the less often it looks (`cadence`).
Whatever makes the flow doubtful makes the finder look at once: a face that it lost a moment ago, a
flow that does not fit, and a part of the picture that changed suddenly, since a face may have
appeared there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from camfilter.faces.base import Box, Face, Points
from camfilter.faces.cadence import Cadence
from camfilter.faces.changes import Changes
from camfilter.faces.placement import apart, steadied
from camfilter.frames import Pixels, Size
from camfilter.geometry import Similarity, fit_similarity

__all__ = ["BetweenFrames", "LookingFinder"]

_STEADY_FRAMES: Final = 3
_MARGIN: Final = 0.25
_LEAST_MARGIN: Final = 0.15
_MOST_MARGIN: Final = 0.35
"""Around a face that moved, within which its patch is kept."""
_PATCH_PX: Final = 112
_POINTS_ACROSS: Final = 6
_POINTS_INSIDE: Final = 0.62
_PLACES: Final = np.linspace(0.5 - _POINTS_INSIDE / 2, 0.5 + _POINTS_INSIDE / 2, _POINTS_ACROSS)
_GRID: Final = np.stack(np.meshgrid(_PLACES, _PLACES), axis=-1).reshape(-1, 2)
_WINDOW_PX: Final = 13
_LEVELS: Final = 2
_LEAST_FITTING: Final = 0.6
_FIT_PATCH_PX: Final = 1.0
_GREATEST_SCALE: Final = 1.08
_GREATEST_SHIFT: Final = 0.2
_SMALLEST_FACE_PX: Final = 24
_LEAST_IN_VIEW: Final = 0.8
_SAME_FACE: Final = 0.2
_FAR: Final = 0.07
"""Of a face's width: from further away the finder's mesh puts it wrong, by half of it at worst."""


class LookingFinder(Protocol):
    """A finder that can also look for far faces alone."""

    def find(self, pixels: Pixels) -> list[Face]:
        """All faces in a picture of shape (height, width, 3) uint8, BGR; largest first."""

    def look(self, pixels: Pixels, known: Sequence[Face], *, part: Box | None = None) -> list[Face]:
        """Faces that were not known, in this part of the picture or in one that it chooses."""

    def close(self) -> None:
        """Release models; closing twice does nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class _Patch:
    """A face and what it looked like.

    Attributes:
        face: where it was.
        region: part of the frame that was kept, the face and a margin.
        gray: that part, made small.
    """

    face: Face
    region: Box
    gray: NDArray[np.uint8]


class BetweenFrames:
    """Asks a finder about some pictures of a moving scene, and about every doubtful one.

    The former are looked at in `catch_up`, and tell where the faces are in the next picture;
    doubtful ones at once.

    Args:
        finder: where faces come from.
        find_every: as `Cadence` has it.
        look_every: least frames from one look for far faces to the next, beside the look
            at each sudden change.
    """

    def __init__(
        self,
        finder: LookingFinder,
        find_every: Callable[[], int] | None = None,
        look_every: int = 7,
    ) -> None:
        self._finder = finder
        self._cadence = Cadence(find_every)
        self._look_every = look_every
        self._patches: list[_Patch] = []
        self._moved: list[_Patch] = []
        self._changes = Changes()
        self._steady_frames = 0
        self._frames_carried = 0
        self._found_at: list[Face] = []
        self._calm = False
        self._frames_to_look = look_every
        self._newest: Pixels | None = None
        self._unshown: list[Face] = []

    def find(self, pixels: Pixels) -> list[Face]:
        """All faces in the next picture of the scene; largest first."""
        self.catch_up()
        sudden = self._changes.sudden(pixels)
        self._frames_to_look -= 1
        faces = self._carried(pixels)
        in_doubt = len(faces) < max(1, len(self._patches))
        if sudden or in_doubt or self._steady_frames < _STEADY_FRAMES:
            faces = self._found(pixels, faces)
            self._cadence.restart()
            if sudden and self._calm:  # whatever came may be too far for the finder's mesh
                faces += self._finder.look(pixels, faces, part=sudden)
            faces += [face for face in self._unshown if not _among(face, faces)]
        else:
            self._frames_carried += 1
            self._newest = pixels
        self._unshown = []
        self._follow(pixels, faces)
        # Not before: what a finder that failed did not see is news to the next picture, too.
        self._changes.know()
        self._calm = sudden is None
        return sorted(faces, key=lambda face: -face.box.area)

    def catch_up(self) -> None:
        """Look at the newest picture, if it was not looked at and the finder's turn has come."""
        pixels, self._newest = self._newest, None
        if pixels is None:
            return
        faces = [patch.face for patch in self._patches]
        if self._cadence.due(self._frames_carried) or self._moved_far(faces):
            faces = self._found(pixels, faces)
        elif self._frames_to_look <= 0:  # no frame pays for both
            faces += self._finder.look(pixels, faces)
            self._frames_to_look = self._look_every
        else:
            return
        self._unshown = self._follow(pixels, faces)

    def close(self) -> None:
        """Close the finder; closing twice does nothing."""
        self._finder.close()

    def _found(self, pixels: Pixels, carried: list[Face]) -> list[Face]:
        """What the finder sees; whether it sees all that it saw before is remembered."""
        faces = list(self._finder.find(pixels))
        self._cadence.hear(carried, faces)
        none_lost = len(faces) >= max(1, len(self._patches))
        self._steady_frames = self._steady_frames + 1 if none_lost else 0
        self._frames_carried = 0
        self._found_at = [steadied(face, carried) for face in faces]
        return list(self._found_at)

    def _moved_far(self, faces: Sequence[Face]) -> bool:
        """Whether a face is so far from where the finder saw it that it may soon not know it."""
        return any(
            min((apart(face, found) for found in self._found_at), default=1.0) > _FAR
            for face in faces
        )

    def _follow(self, pixels: Pixels, faces: list[Face]) -> list[Face]:
        """Remember what the faces look like; those that cannot be carried to another picture."""
        known = {id(patch.face): patch for patch in self._moved if _is_around(patch)}
        patches = [(face, known.get(id(face)) or _patch(pixels, face)) for face in faces]
        self._patches = [patch for _, patch in patches if patch is not None]
        lost = [face for face, patch in patches if patch is None]
        if lost:
            self._steady_frames = 0
        return lost

    def _carried(self, pixels: Pixels) -> list[Face]:
        """The faces of the picture before, where they are now, but those that are in doubt."""
        carried = [_carry(patch, pixels) for patch in self._patches]
        self._moved = [patch for patch in carried if patch is not None]
        return [patch.face for patch in self._moved]


def _among(face: Face, others: Sequence[Face]) -> bool:
    """Whether one of the others is the same face."""
    return any(face.box.overlap(other.box) > _SAME_FACE for other in others)


def _patch(pixels: Pixels, face: Face) -> _Patch | None:
    """What a face looks like; None where too little of it can be seen."""
    box = face.box
    width, height = box.right - box.left, box.bottom - box.top
    reach_x, reach_y = round(width * _MARGIN), round(height * _MARGIN)
    around = Box(
        box.left - reach_x, box.top - reach_y, box.right + reach_x, box.bottom + reach_y
    ).within(Size.of(pixels))
    seen = box.within(Size.of(pixels))
    if min(width, height) < _SMALLEST_FACE_PX or seen.area < _LEAST_IN_VIEW * box.area:
        return None
    return _Patch(face, around, _small_gray(pixels, around))


def _is_around(patch: _Patch) -> bool:
    """Whether a patch that was cut out for an earlier place of its face still fits it."""
    box, region = patch.face.box, patch.region
    width, height = box.right - box.left, box.bottom - box.top
    margins = (
        (box.left - region.left) / width,
        (region.right - box.right) / width,
        (box.top - region.top) / height,
        (region.bottom - box.bottom) / height,
    )
    return min(width, height) >= _SMALLEST_FACE_PX and all(
        _LEAST_MARGIN <= margin <= _MOST_MARGIN for margin in margins
    )


def _small_gray(pixels: Pixels, region: Box) -> NDArray[np.uint8]:
    width, height = region.right - region.left, region.bottom - region.top
    shrink = min(1.0, _PATCH_PX / max(width, height))
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    small = cv2.resize(pixels[region.slices()], size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)


def _carry(patch: _Patch, pixels: Pixels) -> _Patch | None:
    """The face where it is in the next picture; None when its flow does not fit together."""
    region, face = patch.region, patch.face
    if region.within(Size.of(pixels)) != region:
        return None
    now = _small_gray(pixels, region)
    corner = np.array([region.left, region.top], np.float32)
    scale = np.array(
        [
            patch.gray.shape[1] / (region.right - region.left),
            patch.gray.shape[0] / (region.bottom - region.top),
        ],
        np.float32,
    )
    start = _points_inside(face)
    seen = ((start - corner) * scale).astype(np.float32)
    moved, status, _ = cv2.calcOpticalFlowPyrLK(
        patch.gray, now, seen[:, None], seen[:, None].copy(),
        winSize=(_WINDOW_PX, _WINDOW_PX), maxLevel=_LEVELS,
    )  # fmt: skip
    end = np.asarray(moved[:, 0], np.float32)
    inside = ((seen >= 0) & (seen < patch.gray.shape[::-1])).all(axis=1)
    motion = _fitting(seen, end, inside & (status[:, 0] == 1))
    if motion is None:
        return None
    # Without np.linalg.inv: it wakes a thread of NumPy's, which then keeps a core busy for nothing.
    linear = motion[:, :2] * scale / scale[:, None]
    shift = motion[:, 2] / scale + corner - linear @ corner
    return _Patch(_moved(face, np.column_stack([linear, shift])), region, now)


def _points_inside(face: Face) -> Points:
    """A grid of points well inside a face, turned with it, in frame pixels."""
    inverse = cv2.invertAffineTransform(face.to_unit)
    return np.asarray(_GRID @ inverse[:, :2].T + inverse[:, 2], np.float32)


def _fitting(before: Points, after: Points, tracked: NDArray[np.bool_]) -> Similarity | None:
    """The similarity that most tracked points agree on; None when too few do."""
    needed = _LEAST_FITTING * len(before)
    kept = tracked & np.isfinite(after).all(axis=1)
    for _ in range(3):
        if kept.sum() < max(needed, 3):
            return None
        motion = fit_similarity(before[kept], after[kept])
        error = np.linalg.norm(before @ motion[:, :2].T + motion[:, 2] - after, axis=1)
        fits = kept & (error < max(_FIT_PATCH_PX, 2 * _median(error[kept])))
        if (fits == kept).all():
            break
        kept = fits
    if _median(error[kept]) > _FIT_PATCH_PX:
        return None
    scale = float(np.hypot(motion[0, 0], motion[1, 0]))
    centre = before.sum(axis=0) / len(before)
    shift = np.linalg.norm(motion[:, :2] @ centre + motion[:, 2] - centre)
    strayed = shift > _GREATEST_SHIFT * float(np.ptp(before, axis=0).max()) / _POINTS_INSIDE
    return None if strayed or not 1 / _GREATEST_SCALE < scale < _GREATEST_SCALE else motion


def _median(values: NDArray[np.float64]) -> float:
    """As NumPy has it; faster where there are few."""
    ordered, middle = np.sort(values), len(values) // 2
    return float(ordered[middle] + ordered[-1 - middle]) / 2


def _moved(face: Face, motion: Similarity) -> Face:
    """A face after a motion of the frame's pixels; it counts as seen."""
    outline = np.asarray(face.outline @ motion[:, :2].T + motion[:, 2], np.float32)
    back = cv2.invertAffineTransform(motion)
    to_unit = face.to_unit[:, :2] @ back
    to_unit[:, 2] += face.to_unit[:, 2]
    return replace(face, outline=outline, to_unit=to_unit, box=Box.around(outline))
