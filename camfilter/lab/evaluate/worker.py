"""One clip through every condition, channel and recogniser, but for what is known already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camfilter.errors import CamfilterError
from camfilter.faces.base import Face, FaceFinder
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.frames import Pixels
from camfilter.lab.evaluate.cache import Cache
from camfilter.lab.evaluate.channels import CHANNELS, Outgoing, is_available
from camfilter.lab.evaluate.clips import Clip, make_clip, seed_of
from camfilter.lab.evaluate.control import control_clip
from camfilter.lab.evaluate.countermeasures import COUNTERMEASURES
from camfilter.lab.evaluate.cropping import CropRule, Sighting, SpyDetector, cut
from camfilter.lab.evaluate.filtering import FilteredClip, FilterMaker, KnownFaces, filter_clip
from camfilter.lab.evaluate.plan import Condition, Kind, Plan, Reader
from camfilter.lab.evaluate.subjects import Subject
from camfilter.lab.evaluate.visibility import look_at

__all__ = ["Worker"]

_LOOK_EVERY = 10
_BATCH = 64


class Worker:
    """Evaluates clips.

    Args:
        plan: what to do.
        cache: where results are kept.
        make_filter: builds the filter to be evaluated.
        on_done: called after each channel of each condition.
    """

    def __init__(
        self,
        plan: Plan,
        cache: Cache,
        make_filter: FilterMaker,
        on_done: Callable[[], None] = lambda: None,
    ) -> None:
        self._plan, self._cache, self._make_filter = plan, cache, make_filter
        self._on_done = on_done
        self._detector: SpyDetector | None = None
        self._finder: FaceFinder | None = None

    def close(self) -> None:
        """Release models; closing twice does nothing."""
        if self._detector is not None:
            self._detector.close()
        if self._finder is not None:
            self._finder.close()
        self._detector = self._finder = None

    def evaluate(self, subject: Subject) -> str:
        """Do all that is missing for one subject.

        Returns:
            Why nothing could be done for it; empty where all is well.
        """
        clip_key = self._plan.clip_key(subject)
        state = _ClipState(subject, self._plan, self._make_filter, self._find_faces)
        try:
            for condition in self._plan.conditions:
                self._evaluate_condition(clip_key, state, condition)
        except _NoFaceError:
            return "no face was found in it"
        except CamfilterError as error:
            return str(error)
        return ""

    def _find_faces(self) -> FaceFinder:
        if self._finder is None:
            self._finder = MediaPipeFaces(stills=True)
        return self._finder

    def _evaluate_condition(self, clip_key: str, state: _ClipState, condition: Condition) -> None:
        condition_key = self._plan.condition_key(condition)
        self._look(clip_key, condition_key, state, condition)
        for channel in self._plan.channels(condition):
            if is_available(CHANNELS[channel]):
                self._send_and_read(clip_key, condition_key, state, condition, channel)
            self._on_done()
        state.forget(condition)

    def _look(
        self, clip_key: str, condition_key: str, state: _ClipState, condition: Condition
    ) -> None:
        if condition.excluded or self._cache.look(clip_key, condition_key) is not None:
            return
        figures: dict[str, Any] = {}
        frames = state.frames(condition)
        if condition.kind is Kind.FILTERED:
            figures = dict(
                look_at(frames=state.clip.frames, filtered=state.filtered(None),
                        rate_hz=state.clip.rate_hz, look_every=_LOOK_EVERY)
            )  # fmt: skip
        elif condition.kind is Kind.CONTROL:
            figures["rms_levels_of_filter"] = _rms(state.clip.frames, state.filtered(None).frames)
            figures["rms_levels"] = _rms(state.clip.frames, frames)
        _, content = cv2.imencode(".png", frames[len(frames) // 2])
        self._cache.keep_picture(clip_key, condition_key, content.tobytes())
        self._cache.keep_look(clip_key, condition_key, figures)

    def _send_and_read(
        self,
        clip_key: str,
        condition_key: str,
        state: _ClipState,
        condition: Condition,
        channel: str,
    ) -> None:
        known, figures = self._cache.readings(clip_key, condition_key, channel)
        missing = [r for r in self._plan.readers(condition, channel) if r.key not in known]
        if figures and not missing:
            return
        received = state.outgoing(condition).through(
            CHANNELS[channel], self._plan.options.read_every
        )
        per_second = round(state.clip.rate_hz / self._plan.options.read_every)
        seed = seed_of(self._plan.options.seed, "spy", state.subject.name, condition_key, channel)
        known |= self._readings(received.frames, missing, per_second, seed)
        height, width = received.frames[0].shape[:2]
        figures = {
            "sent_bytes": received.sent_bytes,
            "width": width,
            "height": height,
            "read_hz": state.clip.rate_hz / self._plan.options.read_every,
        }
        self._cache.keep_readings(clip_key, condition_key, channel, known, figures)

    def _readings(
        self, frames: Sequence[Pixels], readers: Sequence[Reader], per_second: int, seed: list[int]
    ) -> dict[str, NDArray[np.float32]]:
        if self._detector is None:
            self._detector = SpyDetector()
        sightings = self._detector.follow(frames, patience=per_second)
        crops: dict[tuple[CropRule, str], list[Pixels | None]] = {}
        readings = {}
        for reader in readers:
            rule, name = reader.recogniser.rule, reader.countermeasure
            if (rule, "plain") not in crops:
                crops[rule, "plain"] = _cut_all(frames, sightings, rule)
            if (rule, name) not in crops:
                random = np.random.default_rng(seed)
                change = COUNTERMEASURES[name]
                crops[rule, name] = change(crops[rule, "plain"], per_second, random)
            readings[reader.key] = _read(reader, crops[rule, name])
        return readings


class _NoFaceError(Exception):
    """The clip of a subject could not be made."""


class _ClipState:
    """A clip and what was made of it, each made when somebody first asks."""

    def __init__(
        self,
        subject: Subject,
        plan: Plan,
        make_filter: FilterMaker,
        find_faces: Callable[[], FaceFinder],
    ) -> None:
        self.subject, self._find_faces = subject, find_faces
        self._plan, self._make_filter = plan, make_filter
        self._clip: Clip | None = None
        self._filtered: dict[str | None, FilteredClip] = {}
        self._control: list[Pixels] | None = None
        self._outgoing: Outgoing | None = None
        self._faces: list[tuple[Face, ...]] = []

    @property
    def clip(self) -> Clip:
        """What the webcam sees."""
        if self._clip is None:
            self._clip = make_clip(self.subject, self._plan.options, self._find_faces())
        if not self._clip.frames:
            raise _NoFaceError
        return self._clip

    def filtered(self, excluded: str | None) -> FilteredClip:
        """The clip after the filter that does not know a family."""
        if excluded not in self._filtered:
            options = self._plan.options
            # Faces depend on the raw frames alone, so they are found once.
            finder = KnownFaces(self._faces) if self._faces else None
            made = self._make_filter(options.settings, excluded, options.seed, finder)
            done = filter_clip(self.clip.frames, self.clip.rate_hz, made)
            self._filtered[excluded] = done
            if not done.faults:
                self._faces = done.faces
        return self._filtered[excluded]

    def frames(self, condition: Condition) -> list[Pixels]:
        """The frames that are sent in a condition."""
        if condition.kind is Kind.UNFILTERED:
            return self.clip.frames
        if condition.kind is Kind.FILTERED:
            return self.filtered(condition.excluded).frames
        if self._control is None:
            seed = seed_of(self._plan.options.seed, "control", self.subject.name)
            random = np.random.default_rng(seed)
            self._control = control_clip(self.clip.frames, self.filtered(None), random)
        return self._control

    def outgoing(self, condition: Condition) -> Outgoing:
        """The frames of a condition on their way out, until the condition is forgotten."""
        if self._outgoing is None:
            self._outgoing = Outgoing(self.frames(condition), self.clip.rate_hz)
        return self._outgoing

    def forget(self, condition: Condition) -> None:
        """Free the memory of what no later condition needs."""
        self._outgoing = None
        if condition.kind is Kind.CONTROL:
            self._control = None
            self._filtered.pop(None, None)
        elif condition.excluded is not None:
            self._filtered.pop(condition.excluded, None)


def _cut_all(
    frames: Sequence[Pixels], sightings: Sequence[Sighting | None], rule: CropRule
) -> list[Pixels | None]:
    pairs = zip(frames, sightings, strict=True)
    return [None if seen is None else cut(frame, seen, rule) for frame, seen in pairs]


def _read(reader: Reader, crops: Sequence[Pixels | None]) -> NDArray[np.float32]:
    """(frames, classes) probabilities; a row of NaN where no face was found."""
    rows = np.full((len(crops), len(reader.recogniser.classes)), np.nan, np.float32)
    there = [(index, crop) for index, crop in enumerate(crops) if crop is not None]
    for start in range(0, len(there), _BATCH):
        part = there[start : start + _BATCH]
        rows[[index for index, _ in part]] = reader.recogniser.read([crop for _, crop in part])
    return rows


def _rms(before: Sequence[Pixels], after: Sequence[Pixels]) -> float:
    squares = [cv2.norm(a, b, cv2.NORM_L2SQR) / a.size for a, b in zip(before, after, strict=True)]
    return float(np.sqrt(np.mean(squares)))
