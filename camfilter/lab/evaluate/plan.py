"""Which clips are shown in which condition, through which channel, to whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from camfilter.lab.evaluate.cache import digest, digest_of_code
from camfilter.lab.evaluate.countermeasures import COUNTERMEASURES
from camfilter.lab.evaluate.filtering import attacked_families
from camfilter.lab.evaluate.options import EvaluateOptions
from camfilter.lab.evaluate.recognisers import Recogniser
from camfilter.lab.evaluate.subjects import Subject
from camfilter.surrogate.manifest import Manifest, graphs_folder

__all__ = ["Condition", "Kind", "Plan", "Reader"]


class Kind(StrEnum):
    """What was done to a clip before it was sent."""

    UNFILTERED = "unfiltered"
    FILTERED = "filtered"
    CONTROL = "control"


@dataclass(frozen=True, slots=True)
class Condition:
    """What was done to a clip before it was sent.

    Attributes:
        kind: what.
        excluded: the own family that the filter did not know; None where it knew all.
    """

    kind: Kind
    excluded: str | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """One recogniser behind one counter-measure."""

    recogniser: Recogniser
    countermeasure: str

    @property
    def key(self) -> str:
        """Names its readings in the cache."""
        return digest(self.recogniser.key, self.countermeasure)


class Plan:
    """Everything that an evaluation has to do, and the name that each result has in the cache.

    Args:
        options: of the evaluation.
        recognisers: who reads.
        filter_name: which filter is evaluated, where it is not the shipped one.

    Attributes:
        attacked: families that the filter knows.
        excluded: those that are left out in turn; none where there is only one.
        code: hash of the program itself.
    """

    def __init__(
        self, options: EvaluateOptions, recognisers: Sequence[Recogniser], filter_name: str = ""
    ) -> None:
        self.options = options
        self.recognisers = tuple(recognisers)
        self.attacked = tuple(attacked_families(options.settings))
        self.excluded = self.attacked if len(self.attacked) > 1 else ()
        self._code = digest_of_code(filters=False)
        filter_code = digest_of_code(filters=True)
        self.code = digest(self._code, filter_code)
        graphs = {
            (spec.surrogate, spec.file): spec.sha256
            for spec in Manifest.load(graphs_folder()).graphs
        }
        self._filter = digest(
            filter_code,
            options.settings.model_dump(mode="json"),
            sorted((*names, sha256) for names, sha256 in graphs.items()),
            filter_name,
        )

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """All conditions; each filtered one comes before what is made from it."""
        return (
            Condition(Kind.UNFILTERED),
            Condition(Kind.FILTERED),
            Condition(Kind.CONTROL),
            *(Condition(Kind.FILTERED, family) for family in self.excluded),
        )

    def channels(self, condition: Condition) -> tuple[str, ...]:
        """Where a condition is sent; the unfiltered clip always at 8 bits, too."""
        first = ("u8",) if condition.kind is Kind.UNFILTERED else ()
        return tuple(dict.fromkeys((*first, *self.options.channels)))

    def readers(self, condition: Condition, channel: str) -> tuple[Reader, ...]:
        """Who reads there: where a family was left out, the networks of that family alone."""
        tries = self.options.tries(channel)
        if condition.kind is Kind.UNFILTERED and channel == "u8":
            tries = tuple(dict.fromkeys(t for c in self.options.channels for t in self.tries(c)))
        return tuple(
            Reader(recogniser, name)
            for recogniser in self.recognisers
            if condition.excluded in (None, recogniser.family)
            for name in tries
        )

    def tries(self, channel: str) -> tuple[str, ...]:
        """The counter-measures in a channel, in the order of all."""
        wanted = self.options.tries(channel)
        return tuple(name for name in COUNTERMEASURES if name in wanted)

    def clip_key(self, subject: Subject) -> str:
        """Names a subject's clip in the cache."""
        options = self.options
        stat = subject.path.stat()
        return digest(
            self._code,
            [subject.name, subject.member, subject.path.name, stat.st_size, stat.st_mtime_ns],
            [options.seconds, options.rate_hz, options.read_every, options.seed],
            None if subject.is_video else [options.size.width, options.size.height, options.motion],
        )

    def condition_key(self, condition: Condition) -> str:
        """Names a condition in the cache, within a clip."""
        if condition.kind is Kind.UNFILTERED:
            return "unfiltered"
        return digest(self._filter, condition.kind, condition.excluded)
