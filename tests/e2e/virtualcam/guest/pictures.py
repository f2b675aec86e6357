"""The pictures of the test's webcam, and what can be told of a picture that comes out.

Each picture shows the demo's moving face under a strip of black and white blocks,
which say the picture's number. The filter changes faces only, so the number comes
through, and says which raw picture to compare with.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from camfilter.card import draw_card
from camfilter.frames import Pixels, Size
from camfilter.sources.demo import DemoSource

SIZE = Size(320, 240)
RATE_HZ = 3.0
POSES = 12
STRIP_PX = 24
_BITS = 12
_CHECK_BITS = 4
_BLOCK_PX = SIZE.width // (_BITS + _CHECK_BITS)
_BLACK, _WHITE = 25, 230


def pose_of(number: int) -> int:
    """Which pose a picture shows: to and fro, so that the face never jumps."""
    turn = number % (2 * POSES - 2)
    return min(turn, 2 * POSES - 2 - turn)


def poses() -> list[Pixels]:
    """All poses of the face."""
    demo = DemoSource(SIZE, RATE_HZ, POSES)
    return [frame.pixels for frame in iter(demo.read, None)]


def numbered(pose: Pixels, number: int) -> Pixels:
    """A copy of a pose with its number above."""
    picture = pose.copy()
    for block, bit in enumerate(_bits(number)):
        left = block * _BLOCK_PX
        picture[:STRIP_PX, left : left + _BLOCK_PX] = _WHITE if bit else _BLACK
    return picture


def number_of(picture: Pixels) -> int | None:
    """The number above a picture; None where there is none, as on a card."""
    blocks = (
        picture[4 : STRIP_PX - 4].mean(axis=(0, 2)).reshape(-1, _BLOCK_PX)[:, 4:-4].mean(axis=1)
    )
    if not np.all((blocks < 75) | (blocks > 180)):
        return None
    number = sum(1 << place for place in range(_BITS) if blocks[place] > 128)
    return number if _bits(number) == [bool(block > 128) for block in blocks] else None


def is_card(picture: Pixels) -> bool:
    """Whether this is camfilter's placeholder, whatever it says."""
    background = draw_card(SIZE, "")[0, 0].astype(int)
    near = (np.abs(picture.astype(int) - background) <= 10).all(axis=2)
    corners = [near[rows, columns] for rows in (_FIRST, _LAST) for columns in (_FIRST, _LAST)]
    return bool(near.mean() > 0.6 and all(corner.all() for corner in corners))


def luma_of(picture: Pixels) -> NDArray[np.uint8]:
    """The luma plane that a picture has in a virtual camera, without the strip."""
    planar = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420)
    return planar[STRIP_PX : picture.shape[0]].view(np.uint8)


@dataclass(frozen=True, slots=True)
class Change:
    """How far a picture's luma is from the raw one's.

    Attributes:
        most: greatest difference, in levels.
        face: difference that one pixel in a hundred exceeds, in levels; the face fills more
            than that, and noise of the way less.
    """

    most: int
    face: float

    @classmethod
    def between(cls, raw: NDArray[np.uint8], shown: NDArray[np.uint8]) -> Change:
        """Compare two luma planes of the same pose."""
        difference = cv2.absdiff(raw, shown)
        return cls(int(difference.max()), float(np.percentile(cv2.blur(difference, (3, 3)), 99)))


def once_more_through(picture: Pixels) -> Pixels:
    """A picture as it looks after another way through a virtual camera."""
    planar = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420)
    return cv2.cvtColor(planar, cv2.COLOR_YUV2BGR_I420).view(np.uint8)


def _bits(number: int) -> list[bool]:
    """The number's bits, lowest first, and four that prove them."""
    check = 15 - sum((number >> shift) & 15 for shift in (0, 4, 8)) % 16
    return [bool(number >> place & 1) for place in range(_BITS)] + [
        bool(check >> place & 1) for place in range(_CHECK_BITS)
    ]


_FIRST, _LAST = slice(2, 10), slice(-10, -2)
