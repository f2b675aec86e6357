"""A colour profile without what says where it comes from.

A screen's profile holds the maker, the model, the serial number and the day of its calibration.
What the colours need is kept; see ICC.1:2022, clauses 7.2 (header), 7.3 (tag table), 9 and 10.
"""

from __future__ import annotations

import struct
from typing import Final

__all__ = ["plain_profile"]

_MOST_BYTES: Final = 4 << 20
_HEADER: Final = 128
_MOST_TAGS: Final = 100
_KEPT: Final = frozenset(
    b"A2B0 A2B1 A2B2 B2A0 B2A1 B2A2 D2B0 D2B1 D2B2 D2B3 B2D0 B2D1 B2D2 B2D3 "
    b"rXYZ gXYZ bXYZ rTRC gTRC bTRC kTRC wtpt bkpt chad cicp".split()
)
_NAME: Final = "Colours"
_DAY: Final = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
_FOURTH_EDITION: Final = 4


def plain_profile(profile: bytes, space: bytes) -> bytes | None:
    """The same colours, without names, numbers and dates.

    Args:
        profile: an ICC profile.
        space: what it must be for: ``b"RGB "`` or ``b"GRAY"``.

    Returns:
        A new profile; None where it is damaged, huge, or for other colours.
    """
    if not _HEADER + 4 < len(profile) <= _MOST_BYTES:
        return None
    if profile[36:40] != b"acsp" or profile[16:20] != space:
        return None
    tags = _tags(profile)
    if not tags:
        return None
    edition = profile[8]
    return _assembled(_header(profile), [*_words(edition), *tags])


def _tags(profile: bytes) -> list[tuple[bytes, bytes]]:
    """Those that colours need; none where one lies outside of the profile."""
    (count,) = struct.unpack_from(">I", profile, _HEADER)
    end = _HEADER + 4 + 12 * count
    if count > _MOST_TAGS or end > len(profile):
        return []
    found = []
    for place in range(_HEADER + 4, end, 12):
        name, offset, size = struct.unpack_from(">4sII", profile, place)
        if name not in _KEPT:
            continue
        if offset < end or offset + size > len(profile):
            return []
        found.append((name, profile[offset : offset + size]))
    return found


def _header(profile: bytes) -> bytes:
    """Version, class, spaces, intent and illuminant; no maker, model, creator, date or id."""
    kept = bytearray(_HEADER)
    for start, end in ((8, 24), (36, 40), (64, 80)):
        kept[start:end] = profile[start:end]
    kept[24:36] = _DAY
    return bytes(kept)


def _words(edition: int) -> list[tuple[bytes, bytes]]:
    """The two texts that every profile must have."""
    if edition >= _FOURTH_EDITION:
        text = _NAME.encode("utf-16-be")
        words = struct.pack(">4s4xII2s2sII", b"mluc", 1, 12, b"en", b"US", len(text), 28) + text
        return [(b"desc", words), (b"cprt", words)]
    name = _NAME.encode() + b"\0"
    described = struct.pack(">4s4xI", b"desc", len(name)) + name + bytes(4 + 4 + 2 + 1 + 67)
    return [(b"desc", described), (b"cprt", b"text" + bytes(4) + name)]


def _assembled(header: bytes, tags: list[tuple[bytes, bytes]]) -> bytes:
    offset = _HEADER + 4 + 12 * len(tags)
    table, data, places = b"", b"", dict[bytes, int]()
    for name, content in tags:
        if content not in places:
            places[content] = offset + len(data)
            data += content + bytes(-len(content) % 4)
        table += struct.pack(">4sII", name, places[content], len(content))
    whole = header + struct.pack(">I", len(tags)) + table + data
    return struct.pack(">I", len(whole)) + whole[4:]
