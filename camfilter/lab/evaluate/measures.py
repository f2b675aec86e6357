"""From readings to figures: accuracy, fool rate, leakage, entropy; by frame and by clip.

A reading is a row of probabilities; a row that is not finite stands for a frame in which the
spy found no face. Rows of the same index belong to the same frame in every condition.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["ClipReadings", "Leakage", "entropy_bits", "judge", "leakage", "mutual_information_bits"]

Rows = NDArray[np.float32]

SURE: Final = 0.5
"""A spy is sure when it gives its answer at least this probability."""

_SHUFFLES: Final = 300
_RESAMPLED: Final = 1000
_BIN_S: Final = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class ClipReadings:
    """What one recogniser read in one clip, frame by frame.

    Attributes:
        label: the true expression; None where nobody said.
        clean: (n, classes) of the unfiltered clip at 8 bits, before any codec.
        coded: (n, classes) of the unfiltered clip at the far end: the reference.
        filtered: (n, classes) of the filtered clip at the far end.
        control: (n, classes) of the random control at the far end.
        rate_hz: how many of the n frames make a second.
    """

    label: str | None
    clean: Rows
    coded: Rows
    filtered: Rows
    control: Rows
    rate_hz: float = 1.0

    def as_one_frame(self) -> ClipReadings:
        """The mean of all frames as a single reading: what a patient spy decides."""
        conditions = (self.clean, self.coded, self.filtered, self.control)
        clean, coded, filtered, control = (_mean(rows) for rows in conditions)
        return ClipReadings(self.label, clean, coded, filtered, control)


@dataclass(frozen=True, slots=True)
class Leakage:
    """Mutual information between the true expression and the reading.

    Attributes:
        bits: corrected for the bias of few clips; 0 for a reader that knows nothing, the
            entropy of the labels for a perfect one.
        plugin_bits: before the correction.
        chance_bits: mean of what a reader would seem to know whose readings were dealt out
            to the clips by chance.
        chance_p95_bits: `bits` that such a reader stays under in 95 of 100 cases.
        most_bits: entropy of the labels.
        dealt_bits: `bits` of such a reader, once for each dealing; readers of the same clips are
            dealt alike, so that a mean over them can be compared with chance.
    """

    bits: float
    plugin_bits: float
    chance_bits: float
    chance_p95_bits: float
    most_bits: float
    dealt_bits: tuple[float, ...]

    def as_json(self) -> dict[str, Any]:
        """All figures as plain values."""
        figures = {name: round(float(value), 4) for name, value in self._figures().items()}
        return {**figures, "dealt_bits": [round(bits, 4) for bits in self.dealt_bits]}

    def _figures(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in self.__slots__ if name != "dealt_bits"}


def judge(
    clips: Sequence[ClipReadings], classes: Sequence[str], target: str | None, seed: int
) -> dict[str, Any]:
    """All figures of one recogniser in one channel.

    Args:
        clips: its readings.
        classes: what each column means.
        target: what the filter wants to be read; None where it wants nothing in particular.
        seed: of shuffles and resampling.
    """
    return {
        "clips": len(clips),
        "readable": {
            name: _rounded(_share(np.concatenate([_readable(getattr(c, name)) for c in clips])))
            for name in ("clean", "coded", "filtered", "control")
        },
        "frame": _figures(clips, classes, target, seed),
        "over_time": _over_time(clips),
        "clip": _figures([clip.as_one_frame() for clip in clips], classes, target, seed),
    }


def leakage(
    labels: Sequence[str], readings: Sequence[NDArray[np.int64]], classes: int, seed: int
) -> Leakage:
    """Mutual information in bits between the label of a clip and what is read in its frames.

    Frames of a clip resemble each other, so chance is found by dealing the clips' labels out
    anew (readings stay with their clip), and what is left above chance is stretched so that a
    reader that is always right gets the entropy of the labels:
    (I - I_chance) * H / (H - I_chance), at least 0.

    Args:
        labels: of each clip.
        readings: index of the class that was read in each frame, for each clip; clips in which
            nothing was read count for nothing, but labels are dealt to them, too, so that all
            readers of the same clips are dealt alike.
        classes: number of classes that could be read.
        seed: of the dealing.
    """
    counts = np.stack([np.bincount(read, minlength=classes) for read in readings]).astype(float)
    names = sorted(set(labels))
    owner = np.array([names.index(label) for label in labels])
    found = mutual_information_bits(_joint(owner, counts, len(names)))
    random = np.random.default_rng([seed, 2])
    dealt = np.array(
        [
            mutual_information_bits(_joint(random.permutation(owner), counts, len(names)))
            for _ in range(_SHUFFLES)
        ]
    )
    chance = float(dealt.mean())
    weights = np.bincount(owner, weights=counts.sum(axis=1), minlength=len(names))
    most = entropy_bits(weights / max(1.0, weights.sum()))

    def corrected(bits: float) -> float:
        return max(0.0, (bits - chance) * most / (most - chance)) if most - chance > 1e-9 else 0.0

    by_chance = tuple(corrected(float(bits)) for bits in dealt)
    p95 = float(np.percentile(by_chance, 95))
    return Leakage(corrected(found), found, chance, p95, most, by_chance)


def mutual_information_bits(joint: NDArray[np.float64]) -> float:
    """Mutual information of a table of counts, by its plain (plug-in) estimate."""
    total = joint.sum()
    if total <= 0:
        return 0.0
    share = joint / total
    apart = share.sum(axis=1, keepdims=True) * share.sum(axis=0, keepdims=True)
    there = share > 0
    return max(0.0, float((share[there] * np.log2(share[there] / apart[there])).sum()))


def entropy_bits(shares: NDArray[np.floating[Any]]) -> float:
    """Entropy of one distribution in bits."""
    there = shares[shares > 0]
    return max(0.0, float(-(there * np.log2(there)).sum()))


def _figures(
    clips: Sequence[ClipReadings], classes: Sequence[str], target: str | None, seed: int
) -> dict[str, Any]:
    conditions = ("clean", "coded", "filtered", "control")
    figures: dict[str, Any] = {
        "frames": int(sum(_readable(clip.coded).sum() for clip in clips)),
        "accuracy": {name: _accuracy(clips, name, classes) for name in conditions},
        "entropy_bits": {name: _mean_entropy(clips, name) for name in conditions},
        "codec_alone": _fooled(clips, "clean", "coded", classes, seed),
        "fooled": _fooled(clips, "coded", "filtered", classes, seed),
        "control": _fooled(clips, "coded", "control", classes, seed),
        "leakage": {name: _leakage(clips, name, len(classes), seed) for name in conditions},
    }
    for name in ("clean", "coded", "control"):  # whose chance nobody asks for
        (figures["leakage"][name] or {}).pop("dealt_bits", None)
    if target is not None and target in classes:
        column = classes.index(target)
        figures["target"] = {name: _reads(clips, name, column) for name in conditions}
        figures["steered"] = {
            name: _steered(clips, name, column) for name in ("filtered", "control")
        }
    return figures


def _fooled(
    clips: Sequence[ClipReadings], reference: str, changed: str, classes: Sequence[str], seed: int
) -> dict[str, Any]:
    """Share of frames whose answer is another one than in the reference.

    Of all, of those where the spy was sure in the reference, and of those where it was right.
    """
    per_clip = []
    for clip in clips:
        before, after = getattr(clip, reference), getattr(clip, changed)
        both = _readable(before) & _readable(after)
        before, after = before[both], after[both]
        if not len(before):
            continue
        other = before.argmax(axis=1) != after.argmax(axis=1)
        sure = before.max(axis=1) >= SURE
        right = before.argmax(axis=1) == _column(clip.label, classes)
        counted = [(where.sum(), (other & where).sum()) for where in (sure, right)]
        per_clip.append((len(other), other.sum(), *counted[0], *counted[1]))
    table = np.array(per_clip, float).reshape(-1, 6)
    frames, fooled, sure_frames, sure_fooled, right_frames, right_fooled = table.sum(axis=0)
    return {
        "all": _rounded(fooled / frames if frames else None),
        "sure": _rounded(sure_fooled / sure_frames if sure_frames else None),
        "sure_ci95": _interval(table[:, 3], table[:, 2], seed),
        "right": _rounded(right_fooled / right_frames if right_frames else None),
        "frames": int(frames),
        "sure_frames": int(sure_frames),
        "right_frames": int(right_frames),
    }


def _over_time(clips: Sequence[ClipReadings]) -> list[dict[str, float]]:
    """Share of frames fooled, by half seconds since the clips' start: how fast the filter is."""
    fooled: dict[int, list[bool]] = defaultdict(list)
    for clip in clips:
        both = _readable(clip.coded) & _readable(clip.filtered)
        other = clip.coded.argmax(axis=1) != clip.filtered.argmax(axis=1)
        for index in np.flatnonzero(both):
            fooled[int(index / clip.rate_hz / _BIN_S)].append(bool(other[index]))
    return [
        {"from_s": _BIN_S * part, "fooled": round(float(np.mean(fooled[part])), 4)}
        for part in sorted(fooled)
    ]


def _interval(
    above: NDArray[np.float64], below: NDArray[np.float64], seed: int
) -> list[float] | None:
    """The middle 95 % of a share when clips are drawn anew (bootstrap over clips)."""
    if below.sum() == 0:
        return None
    random = np.random.default_rng([seed, 3])
    drawn = random.integers(0, len(below), (_RESAMPLED, len(below)))
    bottom = below[drawn].sum(axis=1)
    shares = above[drawn].sum(axis=1)[bottom > 0] / bottom[bottom > 0]
    return [round(float(edge), 4) for edge in np.percentile(shares, (2.5, 97.5))]


def _accuracy(clips: Sequence[ClipReadings], name: str, classes: Sequence[str]) -> float | None:
    right = [
        _answers(getattr(clip, name)) == _column(clip.label, classes)
        for clip in clips
        if clip.label is not None
    ]
    return _rounded(_share(np.concatenate(right))) if right else None


def _leakage(
    clips: Sequence[ClipReadings], name: str, classes: int, seed: int
) -> dict[str, Any] | None:
    answers = [(clip.label, _answers(getattr(clip, name))) for clip in clips]
    told = [(label, read) for label, read in answers if label is not None]
    if not any(len(read) for _, read in told):
        return None
    return leakage([t[0] for t in told], [t[1] for t in told], classes, seed).as_json()


def _mean_entropy(clips: Sequence[ClipReadings], name: str) -> float | None:
    rows = np.concatenate([getattr(clip, name) for clip in clips])
    rows = rows[_readable(rows)]
    return _rounded(float(np.mean([entropy_bits(row) for row in rows]))) if len(rows) else None


def _reads(clips: Sequence[ClipReadings], name: str, column: int) -> float | None:
    return _rounded(_share(np.concatenate([_answers(getattr(c, name)) for c in clips]) == column))


def _steered(clips: Sequence[ClipReadings], name: str, column: int) -> float | None:
    """Share reading the target among the frames that did not before the filter."""
    parts = []
    for clip in clips:
        after = getattr(clip, name)
        both = _readable(clip.coded) & _readable(after)
        other = clip.coded[both].argmax(axis=1) != column
        parts.append(after[both][other].argmax(axis=1) == column)
    return _rounded(_share(np.concatenate(parts)))


def _answers(rows: Rows) -> NDArray[np.int64]:
    return np.asarray(rows[_readable(rows)].argmax(axis=1), np.int64)


def _readable(rows: Rows) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(rows).all(axis=1), np.bool_)


def _mean(rows: Rows) -> Rows:
    kept = rows[_readable(rows)]
    if not len(kept):
        return np.full((1, rows.shape[1]), np.nan, np.float32)
    return np.asarray(kept.mean(axis=0, keepdims=True), np.float32)


def _joint(
    owner: NDArray[np.int64], counts: NDArray[np.float64], labels: int
) -> NDArray[np.float64]:
    return np.asarray(np.eye(labels)[owner].T @ counts)


def _column(label: str | None, classes: Sequence[str]) -> int:
    return classes.index(label) if label is not None and label in classes else -1


def _share(values: NDArray[np.bool_]) -> float | None:
    return float(values.mean()) if len(values) else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 4)
