"""The bench: for each subject, attacks against mitigations and against detectors."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camfilter.errors import SettingError
from camfilter.lab.attacks import ATTACKS
from camfilter.lab.detectors import DETECTORS
from camfilter.lab.experiment.made import Made
from camfilter.lab.experiment.workbench import Workbench
from camfilter.lab.mitigations import MITIGATIONS
from camfilter.lab.smartbox import tasks
from camfilter.lab.smartbox.measures import Claims
from camfilter.lab.smartbox.network import Schooling
from camfilter.lab.smartbox.options import BenchOptions, SubjectName, configured
from camfilter.lab.smartbox.subjects import (
    expressions_in,
    people_in,
    trained_expression_network,
)

__all__ = ["Attacked", "Outcome", "bench_of", "check"]

_CHUNK = 100


@dataclass(frozen=True)
class Attacked:
    """What one attack led to.

    Attributes:
        pictures: (N, 1, S, S) attacked probes in [0, 1].
        seconds: of processor time that all its pictures took.
        answers: logits of `valid`, `clean`, attacked `float` and attacked `levels` pictures, by
            mitigation; without one under the empty name.
        flags: of the probes that it changed, by detector: `clean`, `float` and `levels`.
    """

    pictures: NDArray[np.float32]
    seconds: float
    answers: dict[str, dict[str, NDArray[np.float32]]]
    flags: dict[str, dict[str, NDArray[np.bool_]]]


@dataclass(frozen=True)
class Outcome:
    """Everything that was measured for one subject.

    Attributes:
        subject: what is read.
        classes: number of people or expressions.
        sizes: pictures in each part.
        clean: (N, 1, S, S) probes in [0, 1].
        claims: of the test pictures, and `valid_claims` of the validation pictures.
        attacks: what each attack led to.
    """

    subject: SubjectName
    classes: int
    sizes: dict[str, int]
    clean: NDArray[np.float32]
    claims: Claims
    valid_claims: Claims
    attacks: dict[str, Attacked]


def check(options: BenchOptions) -> None:
    """Look whether everything that is named is there, before anything takes long.

    Raises:
        SettingError: something is not, or a parameter of it cannot be used.
    """
    kinds: tuple[tuple[Any, tuple[str, ...], dict[str, dict[str, Any]]], ...] = (
        (ATTACKS, options.attacks, options.attack_settings),
        (DETECTORS, options.detectors, options.detector_settings),
        (MITIGATIONS, options.mitigations, options.mitigation_settings),
    )
    for registry, names, settings in kinds:
        for name in (*names, *settings):
            configured(registry.named(name), settings.get(name, {}))
    for name in options.attacks:
        if name in options.targeted and not ATTACKS.named(name).targeted:
            raise SettingError(f"The attack {name} cannot aim.", "Take it from targeted.")
    if not options.attacks:
        raise SettingError("No attack is chosen.", "Name one with --attacks.")


def bench_of(subject: SubjectName, options: BenchOptions, workbench: Workbench) -> Outcome:
    """Measure one subject.

    Raises:
        CamfilterError: the data or an option cannot be used.
    """
    if subject == "identity":
        faces = people_in(options)
        order = {"schooling": asdict(_schooling(subject, options)), "seed": options.seed}
        network = workbench.do(f"{subject} network", tasks.learn, order, {"faces": faces})
    else:
        faces = expressions_in(options)
        network = trained_expression_network(options.expression_network)
    given = {"faces": faces, "network": network}
    random = np.random.default_rng([options.seed, 2])
    trained_on = len(faces.arrays["train"])
    most = options.lessons if subject == "identity" else options.expression_lessons
    lessons = np.sort(random.permutation(trained_on)[:most]).tolist()
    attacks = {
        name: _attacked(subject, name, lessons, given, options, workbench)
        for name in options.attacks
    }
    classes = int(faces.figures["classes"])
    claims, valid_claims = (
        Claims.drawn(faces.arrays[f"{part}_labels"], classes, options.seed)
        for part in ("test", "valid")
    )
    sizes = {part: len(faces.arrays[part]) for part in ("train", "valid", "test")}
    clean = faces.arrays["test"][:, None].astype(np.float32) / 255
    return Outcome(subject, classes, sizes, clean, claims, valid_claims, attacks)


def _attacked(
    subject: SubjectName,
    name: str,
    lessons: list[int],
    given: dict[str, Made],
    options: BenchOptions,
    workbench: Workbench,
) -> Attacked:
    probes = list(range(len(given["faces"].arrays["test"])))
    order = {
        "attack": name, "settings": options.attack_settings.get(name, {}),
        "aimed": name in options.targeted, "seed": options.seed,
    }  # fmt: skip
    parts = [("test", some) for some in _chunks(probes)]
    parts += [("train", some) for some in _chunks(lessons)]
    orders = [order | {"part": part, "indices": some} for part, some in parts]
    made = workbench.do_all(f"{subject} {name} attack", tasks.attack, orders, given)
    pictures = {
        key: np.concatenate(
            [m.arrays["pictures"] for m, (part, _) in zip(made, parts, strict=True) if part == key]
        )
        for key in ("test", "train")
    }
    found = {
        "probes": Made({}, {"pictures": pictures["test"]}),
        "lessons": Made({}, {"pictures": pictures["train"]}),
    }
    plain = workbench.do(
        f"{subject} {name} reading", tasks.read, {}, given | {"probes": found["probes"]}
    )
    given = given | found
    common = {"indices": lessons, "seed": options.seed}
    mitigated = workbench.do_all(
        f"{subject} {name} mitigations",
        tasks.mitigate,
        [
            common
            | {"mitigation": each, "settings": options.mitigation_settings.get(each, {}),
               "schooling": asdict(_schooling(subject, options, again=True))}
            for each in options.mitigations
        ],
        given,
    )  # fmt: skip
    detected = workbench.do_all(
        f"{subject} {name} detectors",
        tasks.detect,
        [
            common | {"detector": each, "settings": options.detector_settings.get(each, {})}
            for each in options.detectors
        ],
        given,
    )
    answers = {"": plain.arrays} | {
        each: result.arrays for each, result in zip(options.mitigations, mitigated, strict=True)
    }
    flags = {each: result.arrays for each, result in zip(options.detectors, detected, strict=True)}
    seconds = sum(m.figures["seconds"] for m in made)
    return Attacked(pictures["test"], seconds, answers, flags)


def _schooling(subject: SubjectName, options: BenchOptions, *, again: bool = False) -> Schooling:
    """How networks are trained; adversarial training takes as many steps on twice the pictures."""
    if subject == "expression":
        return Schooling(options.expression_epochs, rate=options.expression_rate)
    epochs = max(1, options.epochs // 2) if again else options.epochs
    return Schooling(epochs, rate=options.rate)


def _chunks(indices: list[int]) -> list[list[int]]:
    return [indices[start : start + _CHUNK] for start in range(0, len(indices), _CHUNK)]
