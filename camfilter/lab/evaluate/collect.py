"""All figures of an evaluation as plain values; `docs/evaluate.md` explains each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

from camfilter import __version__
from camfilter.lab.evaluate.cache import Readings
from camfilter.lab.evaluate.channels import CHANNELS, is_available
from camfilter.lab.evaluate.measures import ClipReadings, judge
from camfilter.lab.evaluate.plan import Condition, Kind, Reader
from camfilter.lab.evaluate.run import Evaluation
from camfilter.lab.evaluate.subjects import Subject
from camfilter.lab.evaluate.summary import OWN, summary_of
from camfilter.lab.evaluate.verdict import verdict_of
from camfilter.settings import ChainSettings, Mode

__all__ = ["SCHEMA", "collect"]

SCHEMA = 1

_CLEAN = Condition(Kind.UNFILTERED)
_FULL = Condition(Kind.FILTERED)
_CONTROL = Condition(Kind.CONTROL)


def collect(evaluation: Evaluation) -> dict[str, Any]:
    """Everything that an evaluation found, ready for JSON."""
    plan, options = evaluation.plan, evaluation.plan.options
    available = [name for name in options.channels if is_available(CHANNELS[name])]
    rows = [row for channel in available for row in _channel_rows(evaluation, channel)]
    labels = [subject.label for subject in evaluation.subjects]
    figures: dict[str, Any] = {
        "schema": SCHEMA,
        "camfilter": __version__,
        "options": options.model_dump(mode="json"),
        "subjects": {
            "count": len(labels),
            "labels": {str(name): labels.count(name) for name in dict.fromkeys(labels)},
            "left_out": evaluation.left_out,
        },
        "recognisers": [
            {
                "name": recogniser.name,
                "family": recogniser.family,
                "kind": recogniser.kind or OWN,
                "classes": list(recogniser.classes),
                "key": recogniser.key,
            }
            for recogniser in plan.recognisers
        ],
        "channels": {name: _channel(evaluation, name) for name in available},
        "channels_missing": [name for name in options.channels if name not in available],
        "visibility": {
            condition.kind.value: _visibility(evaluation, condition)
            for condition in plan.conditions
            if condition.kind is not Kind.UNFILTERED and condition.excluded is None
        },
        "rows": rows,
        "summary": {
            channel: summary_of(rows, channel, options.settings.mode) for channel in available
        },
    }
    return {**figures, "verdict": verdict_of(figures)}


def target_of(settings: ChainSettings) -> str | None:
    """What a mode wants to be read; None where it wants nothing in particular."""
    if settings.mode is Mode.NEUTRAL:
        return "neutral"
    return settings.targets[-1] if settings.mode is Mode.TARGETED else None


class _Readings:
    """The cache's readings of one channel, each file read once."""

    def __init__(self, evaluation: Evaluation, channel: str) -> None:
        self._evaluation, self._channel = evaluation, channel
        self._known: dict[tuple[str, str, str], tuple[Readings, dict[str, Any]]] = {}

    def of(self, reader: Reader, filtered: Condition) -> list[ClipReadings]:
        """What a reader read in all clips."""
        clips = []
        for subject in self._evaluation.subjects:
            clean = self._get(subject, _CLEAN, "u8")[0][reader.key]
            coded, figures = self._get(subject, _CLEAN, self._channel)
            after = self._get(subject, filtered, self._channel)[0][reader.key]
            control = self._get(subject, _CONTROL, self._channel)[0][reader.key]
            clips.append(
                ClipReadings(
                    subject.label, clean, coded[reader.key], after, control, figures["read_hz"]
                )
            )
        return clips

    def _get(
        self, subject: Subject, condition: Condition, channel: str
    ) -> tuple[Readings, dict[str, Any]]:
        plan = self._evaluation.plan
        key = plan.clip_key(subject), plan.condition_key(condition), channel
        if key not in self._known:
            self._known[key] = self._evaluation.cache.readings(*key)
        return self._known[key]


def _channel_rows(evaluation: Evaluation, channel: str) -> Iterator[dict[str, Any]]:
    """One row for each reader on the whole filter, one more on that without its own family."""
    plan = evaluation.plan
    readings = _Readings(evaluation, channel)
    for recogniser in plan.recognisers:
        conditions = [_FULL]
        if recogniser.family in plan.excluded:
            conditions.append(Condition(Kind.FILTERED, recogniser.family))
        for countermeasure in plan.tries(channel):
            reader = Reader(recogniser, countermeasure)
            for condition in conditions:
                unseen = condition.excluded is not None or recogniser.family not in plan.attacked
                yield {
                    "channel": channel,
                    "recogniser": recogniser.name,
                    "family": recogniser.family,
                    "kind": recogniser.kind or OWN,
                    "countermeasure": countermeasure,
                    "excluded": condition.excluded,
                    "unseen": unseen,
                    **judge(
                        readings.of(reader, condition),
                        recogniser.classes,
                        target_of(plan.options.settings),
                        plan.options.seed,
                    ),
                }


def _channel(evaluation: Evaluation, channel: str) -> dict[str, Any]:
    """Bits and size of what was sent, and what the filter adds to the bits."""
    plan, cache = evaluation.plan, evaluation.cache
    sent: dict[Kind, list[int]] = defaultdict(list)
    size = (0, 0)
    for subject in evaluation.subjects:
        for condition in (_CLEAN, _FULL, _CONTROL):
            key = plan.condition_key(condition)
            figures = cache.readings(plan.clip_key(subject), key, channel)[1]
            sent[condition.kind].append(figures["sent_bytes"])
            size = max(size, (figures["width"], figures["height"]))
    before, after = sum(sent[Kind.UNFILTERED]), sum(sent[Kind.FILTERED])
    control = sum(sent[Kind.CONTROL])
    return {
        "width": size[0],
        "height": size[1],
        "sent_bytes": {kind.value: sum(numbers) for kind, numbers in sent.items()},
        "bitrate_overhead": round(after / before - 1, 4) if before else None,
        "bitrate_overhead_control": round(control / before - 1, 4) if before else None,
    }


def _visibility(evaluation: Evaluation, condition: Condition) -> dict[str, Any]:
    """Mean over clips of each figure; of Linf the greatest, of PSNR and SSIM also the least."""
    plan = evaluation.plan
    key = plan.condition_key(condition)
    looks = [
        look
        for subject in evaluation.subjects
        if (look := evaluation.cache.look(plan.clip_key(subject), key))
    ]
    figures: dict[str, Any] = {}
    for name in dict.fromkeys(name for look in looks for name in look):
        values = [look[name] for look in looks if name in look]
        if name == "linf_levels":
            figures[name] = max(values)
        elif name in {"frames_without_face", "faults"}:
            figures[name] = sum(values)
        else:
            figures[name] = round(float(np.mean(values)), 4)
        if name in {"psnr_db", "ssim"}:
            figures[f"{name}_least"] = round(float(min(values)), 4)
    return figures
