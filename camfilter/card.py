"""The placeholder: a card that stands in for the picture and says why."""

from __future__ import annotations

import textwrap

import cv2
import numpy as np

from camfilter.frames import Pixels, Size

__all__ = ["draw_card"]

_BACKGROUND = (46, 38, 34)
_ACCENT = (170, 196, 72)
_TITLE = (240, 238, 236)
_TEXT = (190, 184, 180)


def draw_card(size: Size, reason: str) -> Pixels:
    """Draw a card of `size` with a shut camera and `reason` in at most three lines.

    Returns:
        (height, width, 3) uint8, BGR. Too small a card stays plain.
    """
    card = np.full((size.height, size.width, 3), _BACKGROUND, np.uint8)
    unit = min(size.width / 640, size.height / 360)
    if unit < 0.2:
        return card
    centre_x, centre_y = size.width // 2, size.height // 2
    _draw_shut_camera(card, centre_x, int(centre_y - 70 * unit), unit)
    _write(card, "Picture hidden by camfilter", centre_y + 25 * unit, 0.85 * unit, _TITLE)
    for line, text in enumerate(textwrap.wrap(reason, 52)[:3]):
        _write(card, text, centre_y + (65 + 28 * line) * unit, 0.55 * unit, _TEXT)
    return card


def _draw_shut_camera(card: Pixels, x: int, y: int, unit: float) -> None:
    stroke = max(1, round(3 * unit))
    w, h = int(34 * unit), int(24 * unit)
    cv2.rectangle(card, (x - w, y - h), (x + w // 2, y + h), _ACCENT, stroke, cv2.LINE_AA)
    lens = np.array([[x + w // 2, y], [x + int(1.2 * w), y - h], [x + int(1.2 * w), y + h]])
    cv2.polylines(card, [lens.astype(np.int32)], True, _ACCENT, stroke, cv2.LINE_AA)
    reach = int(1.5 * w)
    cv2.line(
        card, (x - reach, y + reach), (x + reach, y - reach), _BACKGROUND, 3 * stroke, cv2.LINE_AA
    )
    cv2.line(card, (x - reach, y + reach), (x + reach, y - reach), _ACCENT, stroke, cv2.LINE_AA)


def _write(
    card: Pixels, text: str, baseline_y: float, scale: float, colour: tuple[int, int, int]
) -> None:
    font, stroke = cv2.FONT_HERSHEY_DUPLEX, max(1, round(1.3 * scale))
    (width, _), _ = cv2.getTextSize(text, font, scale, stroke)
    if width > 0.94 * card.shape[1]:
        scale *= 0.94 * card.shape[1] / width
        (width, _), _ = cv2.getTextSize(text, font, scale, stroke)
    origin = ((card.shape[1] - width) // 2, int(baseline_y))
    cv2.putText(card, text, origin, font, scale, colour, stroke, cv2.LINE_AA)
