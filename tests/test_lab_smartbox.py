from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra lab is not installed")
pytest.importorskip("matplotlib", reason="the extra lab is not installed")

from scipy.stats import binomtest  # noqa: E402
from sklearn.metrics import accuracy_score, precision_score, recall_score  # noqa: E402
from torch import nn  # noqa: E402

from bench_support import DATA, classifier, needs_faces, network, part, people  # noqa: E402
from camfilter.errors import SettingError  # noqa: E402
from camfilter.lab.attacks import ATTACKS, labels_of  # noqa: E402
from camfilter.lab.experiment.base import options_of  # noqa: E402
from camfilter.lab.experiment.made import Made  # noqa: E402
from camfilter.lab.experiment.running import experiment_named, run_experiment  # noqa: E402
from camfilter.lab.experiment.workbench import Progress  # noqa: E402
from camfilter.lab.intervals import wilson  # noqa: E402
from camfilter.lab.smartbox import SmartBox, tasks  # noqa: E402
from camfilter.lab.smartbox.measures import (  # noqa: E402
    Claims,
    claim_scores,
    cumulative_match,
    detection_of,
    rank_one,
    roc_of,
    threshold_of,
    verification,
)
from camfilter.lab.smartbox.network import FaceNetwork, Schooling, varied  # noqa: E402
from camfilter.lab.smartbox.options import BenchOptions, configured  # noqa: E402
from camfilter.lab.smartbox.paper import DETECTED, MITIGATED  # noqa: E402
from camfilter.lab.smartbox.subjects import subjects_in  # noqa: E402


def test_the_network_has_the_papers_layers() -> None:
    network = FaceNetwork(38, 48)
    shapes = [
        tuple(layer.weight.shape)
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    assert shapes == [
        (16, 1, 3, 3), (16, 16, 3, 3), (32, 16, 3, 3), (32, 32, 3, 3),
        (100, 32 * 6 * 6), (100, 100), (1024, 100), (38, 1024),
    ]  # fmt: skip
    order = [
        type(layer).__name__
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d | nn.Linear | nn.MaxPool2d | nn.Dropout)
    ]
    assert order == [
        "Conv2d", "Conv2d", "MaxPool2d", "Conv2d", "MaxPool2d", "Conv2d", "MaxPool2d",
        "Linear", "Dropout", "Linear", "Linear", "Linear",
    ]  # fmt: skip
    assert [m.p for m in network.modules() if isinstance(m, nn.Dropout)] == [0.5]
    assert network(torch.zeros(2, 1, 48, 48)).shape == (2, 38)


def test_too_small_pictures_are_refused() -> None:
    with pytest.raises(SettingError, match="too small"):
        FaceNetwork(3, 4)


@needs_faces
def test_the_network_learns_faces() -> None:
    pictures, labels = part("test")
    read = labels_of(classifier(), pictures)
    most_common = float(labels.bincount().max()) / len(labels)
    assert float((read == labels).float().mean()) > most_common + 0.15


@needs_faces
def test_varied_pictures_are_moved_mirrored_and_lit_by_no_more_than_was_asked() -> None:
    pictures = part("train")[0][:1].expand(60, -1, -1, -1)
    torch.manual_seed(0)
    still = Schooling(1, shift_px=0, mirrored=False, light=0.0)
    torch.testing.assert_close(varied(pictures, still), pictures)
    moved = varied(pictures, Schooling(1, shift_px=2, mirrored=True, light=0.0))
    inner = pictures[0, 0, 4:-4, 4:-4]
    shifts = set()
    for picture in moved[:, 0]:
        for mirror in (False, True):
            base = picture.flip(1) if mirror else picture
            for down in range(-2, 3):
                for right in range(-2, 3):
                    window = base[4 + down : 28 + down, 4 + right : 28 + right]
                    if torch.allclose(window, inner, atol=1e-5):
                        shifts.add((mirror, down, right))
    assert len(shifts) > 20
    lit = varied(pictures, Schooling(1, shift_px=0, mirrored=False, light=0.1))
    assert 0.05 < float((lit - pictures).mean(dim=(1, 2, 3)).abs().max()) <= 0.11


def logits_of(rows: list[list[float]]) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.array(rows, np.float32)


def test_rank_one_and_cumulative_match_count_ranks() -> None:
    logits = logits_of([[3, 1, 2], [3, 1, 2], [3, 1, 2], [1, 1, 0]])
    labels = np.array([0, 1, 2, 0])
    assert rank_one(logits, labels) == 0.5  # of equals the first is read
    np.testing.assert_allclose(cumulative_match(logits, labels), [0.25, 0.75, 1.0])


def test_claims_are_drawn_at_random_and_never_aim_at_the_true_class() -> None:
    labels = np.repeat(np.arange(5), 200)
    claims = Claims.drawn(labels, 5, seed=0)
    assert (claims.targets != labels).all()
    assert set(claims.targets) == {0, 1, 2, 3, 4}
    assert 0.45 < claims.genuine.mean() < 0.55
    assert (claims.claimed == np.where(claims.genuine, labels, claims.targets)).all()
    assert np.array_equal(claims.targets, Claims.drawn(labels, 5, seed=0).targets)


def test_verification_accepts_what_reaches_the_threshold() -> None:
    labels, targets = np.array([0, 0, 0, 0]), np.array([1, 1, 1, 1])
    claims = Claims(labels, targets, np.array([True, True, False, False]))
    logits = logits_of([[4, 0], [0, 4], [4, 0], [0, 4]])
    np.testing.assert_allclose(
        claim_scores(logits, claims.claimed), 1 / (1 + np.exp([-4, 4, 4, -4])), rtol=1e-6
    )
    assert verification(logits, claims, 0.5) == 0.5
    assert verification(logits_of([[4, 0]] * 4), claims, 0.5) == 1.0
    # A targeted attack that always succeeds fools all claims, as the paper's 0 % say.
    assert verification(logits_of([[0, 4]] * 4), claims, 0.5) == 0.0
    # One that leads to a third class leaves impostors refused: the paper's 50 %.
    assert verification(logits_of([[0, 0, 9]] * 4), claims, 0.5) == 0.5


def test_the_threshold_is_as_good_as_any_other() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(size=(60, 4)).astype(np.float32)
    labels = np.arange(60) % 4
    logits[np.arange(60), labels] += 1
    targets = (labels + 1) % 4
    threshold = threshold_of(logits, labels, targets)
    genuine, impostor = claim_scores(logits, labels), claim_scores(logits, targets)

    def right(limit: float) -> int:
        return int((genuine >= limit).sum() + (impostor < limit).sum())

    assert right(threshold) == max(right(limit) for limit in np.linspace(0, 1, 4001))


def test_the_area_under_the_curve_is_the_chance_that_a_genuine_claim_scores_higher() -> None:
    random = np.random.default_rng(2)
    logits = random.normal(size=(40, 6)).astype(np.float32)
    labels = random.integers(0, 6, 40)
    claims = Claims.drawn(labels, 6, 0)
    falsely, truly, area = roc_of(logits, claims)
    genuine, impostor = claim_scores(logits, labels), claim_scores(logits, claims.targets)
    higher = (genuine[:, None] > impostor[None, :]).mean()
    assert area == pytest.approx(float(higher))
    assert area == pytest.approx(float(np.trapz(truly, falsely)))


@pytest.mark.parametrize(("hits", "trials"), [(0, 10), (10, 10), (3, 17), (130, 264)])
def test_the_interval_is_scipys(hits: int, trials: int) -> None:
    expected = binomtest(hits, trials).proportion_ci(0.95, method="wilson")
    assert wilson(hits, trials) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_no_trials_leave_everything_open() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


def test_detection_is_sklearns() -> None:
    random = np.random.default_rng(3)
    clean, attacked = random.random(31) < 0.3, random.random(23) < 0.8
    truth, flags = np.repeat([0, 1], [31, 23]), np.concatenate([clean, attacked])
    found = detection_of(clean, attacked)
    assert found.precision == pytest.approx(precision_score(truth, flags))
    assert found.recall == pytest.approx(recall_score(truth, flags))
    assert found.accuracy == pytest.approx(accuracy_score(truth, flags))
    assert found.pictures == 54
    silent = detection_of(np.zeros(4, bool), np.zeros(4, bool))
    assert silent.precision is None
    assert silent.recall == 0


def test_the_papers_figures_are_in_their_places() -> None:
    assert MITIGATED["fgsm", "autoencoder"] == (88.25, 75.37)
    assert MITIGATED["deepfool", "randomisation"] == (73.48, 45.07)
    assert DETECTED["cw-l2", "noise-reduction"] == (78.54, 99.20, 86.05)
    assert DETECTED["fgsm", "pca"] == (95.42, 63.25, 80.11)
    assert len(MITIGATED) == len(DETECTED) == 20


def test_parameters_can_be_chosen_and_wrong_ones_are_named() -> None:
    fgsm = configured(ATTACKS.named("fgsm"), {"epsilon": 0.5})
    assert getattr(fgsm, "epsilon") == 0.5  # noqa: B009 - the protocol has no parameters
    assert configured(fgsm, {}) is fgsm
    with pytest.raises(SettingError, match=r"no parameter 'epsilom'.*epsilon"):
        configured(fgsm, {"epsilom": 0.5})
    with pytest.raises(SettingError, match="epsilon of fgsm cannot be used"):
        configured(fgsm, {"epsilon": "much"})


@needs_faces
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"attacks": ["fgsn"]}, "no attack 'fgsn'"),
        ({"attacks": []}, "No attack"),
        ({"detectors": ["nose"]}, "no detector 'nose'"),
        ({"mitigations": ["glasses"]}, "no mitigation 'glasses'"),
        ({"attack_settings": {"fgsm": {"size": 1}}}, "fgsm has no parameter 'size'"),
        ({"attacks": ["deepfool"], "targeted": ["deepfool"]}, "deepfool cannot aim"),
    ],
)
def test_what_is_not_there_is_said_before_anything_takes_long(
    tmp_path: Path, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        run_experiment(SmartBox(), {"data": DATA, **given}, tmp_path)


def test_subjects_are_those_that_the_data_has_labels_for(tmp_path: Path) -> None:
    people, expressions = tmp_path / "people", tmp_path / "expressions"
    (people / "ann").mkdir(parents=True)
    (expressions / "happiness").mkdir(parents=True)
    assert subjects_in(people) == ("identity",)
    assert subjects_in(expressions) == ("expression",)
    (people / "lfw_expressions.zip").touch()
    assert subjects_in(people) == ("identity", "expression")
    (expressions / "ferplus_test.npz").touch()
    assert subjects_in(expressions) == ("expression",)
    for columns, expected in [
        ("image,emotion,identity", ("identity", "expression")),
        ("image,emotion", ("expression",)),
        ("image,identity", ("identity",)),
    ]:
        with ZipFile(tmp_path / "faces.zip", "w") as archive:
            archive.writestr("labels.csv", columns + "\n")
        assert subjects_in(tmp_path / "faces.zip") == expected


TINY: dict[str, Any] = {
    "data": DATA, "subjects": ["identity"], "people": 4, "most_pictures": 40, "size_px": 16,
    "epochs": 3, "probes": 16, "lessons": 24, "attacks": ["fgsm", "cw-l2"],
    "detectors": ["noise-reduction", "pca"], "mitigations": ["blur", "autoencoder"],
    "attack_settings": {"cw-l2": {"searches": 2, "steps": 10}},
    "mitigation_settings": {"autoencoder": {"epochs": 1}},
}  # fmt: skip


@needs_faces
def test_a_bench_gives_all_tables_and_drawings_and_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages: list[tuple[str, int]] = []
    progress = Progress(lambda name, count: stages.append((name, count)))
    run_experiment(experiment_named("bench"), TINY, tmp_path, progress=progress)
    folder = tmp_path / "bench"
    names = {file.name for file in folder.iterdir() if file.suffix in {".csv", ".md", ".png"}}
    assert names == {
        "bench.md", "identity-attacks.csv", "identity-mitigations.csv",
        "identity-detectors.csv", "identity-curves.csv", "identity-changes.png",
        "identity-examples.png", "identity-roc.png", "identity-cmc.png",
    }  # fmt: skip
    assert len((folder / "identity-mitigations.csv").read_text().splitlines()) == 1 + 2 * 2
    assert len((folder / "identity-curves.csv").read_text().splitlines()) == 1 + 2 * 4
    assert ("identity network", 1) in stages
    page = (folder / "bench.md").read_text()
    assert "67" in page  # the paper's verification after FGSM, beside ours
    kept = {file.name: file.read_bytes() for file in folder.iterdir() if file.suffix == ".csv"}
    for task in ("learn", "attack", "read", "mitigate", "detect"):

        def refuse(_order: object, _given: object, task: str = task) -> None:
            raise AssertionError(f"{task} was done again")

        refuse.__module__, refuse.__qualname__ = tasks.__name__, task
        monkeypatch.setattr(tasks, task, refuse)
    run_experiment(experiment_named("bench"), TINY, tmp_path)
    assert kept == {
        file.name: file.read_bytes() for file in folder.iterdir() if file.suffix == ".csv"
    }


@needs_faces
def test_the_same_on_an_expression_network(tmp_path: Path) -> None:
    if not (DATA / "ferplus_test.npz").is_file():
        pytest.skip(f"FER+ is not in {DATA}")
    given = TINY | {
        "subjects": ["expression"], "attacks": ["fgsm"], "expression_training": 40,
        "expression_probes": 16, "expression_lessons": 24,
        "mitigations": ["adversarial-training"], "detectors": ["artifact-density"],
        "expression_epochs": 1, "expression_network": "dense40",
    }  # fmt: skip
    show = run_experiment(experiment_named("bench"), given, tmp_path)
    assert callable(show)
    rows = (tmp_path / "bench" / "expression-mitigations.csv").read_text().splitlines()
    assert rows[1].startswith("fgsm,adversarial-training,")
    assert "paper" not in rows[0]


@needs_faces
def test_one_process_or_two_find_the_same(tmp_path: Path) -> None:
    given = TINY | {
        "attacks": ["fgsm"],
        "detectors": ["pca"],
        "mitigations": ["randomisation", "blur"],
    }
    for jobs in (1, 2):
        run_experiment(experiment_named("bench"), given, tmp_path / str(jobs), jobs=jobs)
    one, two = (tmp_path / str(jobs) / "bench" / "identity-mitigations.csv" for jobs in (1, 2))
    assert one.read_bytes() == two.read_bytes()


def test_options_come_from_a_file(tmp_path: Path) -> None:
    config = tmp_path / "bench.toml"
    config.write_text("people = 9\n[attack_settings.fgsm]\nepsilon = 0.1\n")
    options = options_of(BenchOptions, {"attacks": ["fgsm"]}, config=config)
    assert isinstance(options, BenchOptions)
    assert options.people == 9
    assert options.attack_settings == {"fgsm": {"epsilon": 0.1}}
    config.write_text("size_px = 30\n")
    with pytest.raises(SettingError, match="size_px"):
        options_of(BenchOptions, {}, config=config)


@needs_faces
def test_an_attack_that_changes_nothing_leaves_detectors_nothing_to_learn() -> None:
    clean = {name: part(name)[0].numpy() + np.float32(0.4 / 255) for name in ("train", "test")}
    given = {
        "faces": people(),
        "network": network(),
        "lessons": Made({}, {"pictures": clean["train"][:30]}),
        "probes": Made({}, {"pictures": clean["test"]}),
    }
    order = {"detector": "pca", "settings": {}, "indices": list(range(30)), "seed": 0}
    flags = tasks.detect(order, given).arrays
    assert {name: len(flags[name]) for name in flags} == {"clean": 0, "float": 0, "levels": 0}


@needs_faces
def test_a_targeted_attack_aims_at_the_targets_that_impostors_claim() -> None:
    faces = people()
    order = {
        "attack": "cw-l2", "settings": {}, "aimed": True, "seed": 4, "part": "test",
        "indices": [3, 5, 8],
    }  # fmt: skip
    made = tasks.attack(order, {"faces": faces, "network": network()})
    claims = Claims.drawn(faces.arrays["test_labels"], 5, 4)
    read = labels_of(classifier(), torch.from_numpy(made.arrays["pictures"]))
    assert read.tolist() == claims.targets[[3, 5, 8]].tolist()


@needs_faces
def test_ones_own_folder_of_people_is_taken(tmp_path: Path) -> None:
    pictures, labels = part("train")
    for person in range(3):
        folder = tmp_path / "faces" / f"person{person}"
        folder.mkdir(parents=True)
        for index, picture in enumerate(pictures[labels == person][:12]):
            levels = (picture[0] * 255).round().to(torch.uint8).numpy()
            assert cv2.imwrite(str(folder / f"{index}.png"), levels)
    given = {key: value for key, value in TINY.items() if key != "subjects"} | {
        "data": tmp_path / "faces", "attacks": ["fgsm"], "detectors": ["noise-reduction"],
        "mitigations": ["blur"],
    }  # fmt: skip
    run_experiment(experiment_named("bench"), given, tmp_path / "out")
    results = json.loads((tmp_path / "out" / "bench" / "results.json").read_text())
    assert results["figures"]["identity"]["classes"] == 3
    assert results["figures"]["identity"]["pictures"] == {"train": 30, "valid": 3, "test": 3}
    assert list(results["figures"]) == ["identity"]
