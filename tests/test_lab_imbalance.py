"""The experiment on unequal classes: its parts by another way, and a tiny run of the whole."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from camfilter.errors import SettingError, SourceError
from camfilter.lab.attacks.base import Classifier, Goal, loss_gradient
from camfilter.lab.attacks.fgsm import FGSM
from camfilter.lab.defences.network import SmallNet
from camfilter.lab.experiment.findings import Record
from camfilter.lab.experiment.running import experiment_named, run_experiment
from camfilter.lab.imbalance.collect import Mean, Networks, mean_of
from camfilter.lab.imbalance.options import IMBALANCED, SCARCE, WEIGHTED, ImbalanceOptions
from camfilter.lab.imbalance.tasks import LEVELS, choose_faces, least_levels, stepped
from camfilter.lab.imbalance.verdict import text_of

DATA = Path(os.environ.get("CAMFILTER_DATA", Path(__file__).parents[2] / "shared" / "data"))
needs_faces = pytest.mark.skipif(
    not (DATA / "ferplus_test.npz").is_file(), reason="FER+ is not here"
)

pytestmark = pytest.mark.usefixtures("one_thread")


def pictures(count: int = 6, size: int = 16) -> Tensor:
    return torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(0))


def small_classifier() -> Classifier:
    torch.manual_seed(0)
    return Classifier(SmallNet(2, 4).eval().requires_grad_(False), 2, 16)


def test_counts_keep_the_ratio_and_the_sum() -> None:
    options = ImbalanceOptions()
    for ratio in options.ratios:
        small, other = options.counts(ratio, IMBALANCED)
        assert other == ratio * small
        assert small + other == pytest.approx(options.pictures, rel=0.02)
        assert options.counts(ratio, WEIGHTED) == (small, other)
        assert options.counts(ratio, SCARCE) == (small, small)


@pytest.mark.parametrize(
    "given",
    [{"classes": ["happiness", "joy"]}, {"classes": ["fear"]}, {"ratios": [0, 1]}, {"steps": "x"}],
)
def test_options_that_cannot_be_used_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(SettingError):
        ImbalanceOptions.of(given)


@pytest.mark.parametrize("levels", [0.5, 3.0])
def test_a_step_is_that_of_fgsm(levels: float) -> None:
    classifier, faces = small_classifier(), pictures()
    labels = torch.tensor([0, 1, 0, 1, 0, 1])
    sign = loss_gradient(classifier, faces, labels).sign()
    expected = FGSM(levels / 255).perturb(classifier, faces, Goal(labels))
    torch.testing.assert_close(stepped(faces, sign, levels, rounded=False), expected)
    whole = stepped(faces, sign, levels, rounded=True) * 255
    torch.testing.assert_close(whole, (expected * 255).round(), atol=1e-4, rtol=0)


def test_the_least_size_on_a_linear_network_is_margin_over_l1_norm() -> None:
    weights = torch.randn(64, generator=torch.Generator().manual_seed(1))
    layer = nn.Linear(64, 2)
    layer.weight.data, layer.bias.data = torch.stack([weights, -weights]), torch.zeros(2)
    classifier = Classifier(nn.Sequential(nn.Flatten(), layer), 2, 8)
    centre = torch.full((64,), 0.5)
    centre -= weights * (weights @ centre) / weights.square().sum()
    faces = []
    for levels in (0.4, 3.0, 17.0):
        faces.append(centre + levels / 255 * weights.sign())
    stack = torch.stack(faces).view(3, 1, 8, 8)
    assert 0.1 < stack.min() < stack.max() < 0.9, "nothing is clipped, so the form is exact"
    labels = torch.zeros(3, dtype=torch.int64)
    sign = loss_gradient(classifier, stack, labels).sign()
    found = least_levels(classifier, stack, sign, labels, rounded=False)
    # The size lies within the last halving of a gap of the grid, which is 47 % wide.
    np.testing.assert_allclose(found.numpy(), [0.4, 3.0, 17.0], rtol=0.02)
    assert (found >= torch.tensor([0.4, 3.0, 17.0]) - 1e-3).all()
    far = (centre + 0.4 * weights.sign()).view(1, 1, 8, 8)
    reach = max(LEVELS) / 255
    assert reach < 0.4
    assert least_levels(classifier, far, sign[:1], labels[:1], rounded=False).isinf().all()
    assert least_levels(classifier, far, sign[:1], labels[:1], rounded=True).isinf().all()


def test_a_rounded_least_size_is_a_whole_level_that_deceives() -> None:
    classifier = small_classifier()
    faces = (pictures() * 255).round() / 255
    labels = classifier.read(faces).argmax(dim=1)
    sign = loss_gradient(classifier, faces, labels).sign()
    least = least_levels(classifier, faces, sign, labels, rounded=True)
    for index in least.isfinite().nonzero()[:, 0].tolist():
        one = slice(index, index + 1)
        changed = stepped(faces[one], sign[one], float(least[index]), rounded=True)
        assert classifier.read(changed).argmax() != labels[index]


def test_a_mean_has_the_interval_of_student() -> None:
    values = [0.2, 0.5, 0.4, 0.9]
    mean = mean_of([*values, None])
    low, high = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert mean.value == pytest.approx(np.mean(values))
    assert mean.half == pytest.approx((high - low) / 2)
    assert mean.networks == 4
    assert mean_of([None]) == Mean(None, None, 0)
    assert mean_of([0.5]).half is None
    assert Mean(0.5, 0.4, 3).sure
    assert not Mean(-0.5, 0.6, 3).sure


def networks(falls: bool) -> Networks:
    """Two seeds, each class small in turn; the small class suffers with the ratio, or nobody."""
    orders, figures = [], []
    for ratio in (1, 10):
        for small in (0, 1):
            for run in (0, 1):
                told = {}
                for index in (0, 1):
                    hit = 0.4 if falls and ratio == 10 and index == small else 0.0
                    value = 0.8 - hit + 0.01 * run + 0.002 * small
                    told[str(index)] = {
                        "natural": value, "fgsm 1": value / 2, "noise 1": value, "never": 0.0,
                        "least": 4 * value, "least_8bit": 5 * value,
                    }  # fmt: skip
                orders.append({"ratio": ratio, "small": small, "run": run, "arm": IMBALANCED})
                figures.append(told)
    return Networks(orders, figures, 2)


def test_figures_are_sorted_by_role() -> None:
    found = networks(falls=True)
    assert found.each(10, "small", "natural") == pytest.approx([0.4, 0.402, 0.41, 0.412])
    assert found.each(10, "other", "natural") == pytest.approx([0.8, 0.802, 0.81, 0.812])
    assert found.mean(10, "small", "natural").value == pytest.approx(0.406)
    assert found.balanced(10, "natural").value == pytest.approx((0.406 + 0.806) / 2)
    change = found.change("small", "least", (1, IMBALANCED), (10, IMBALANCED))
    assert change.value == pytest.approx(-1.6)
    assert change.sure
    trend = found.trend((1, 10), "small", "least")
    assert trend is not None
    assert trend[0] < -0.8


def test_the_text_follows_the_figures() -> None:
    options = ImbalanceOptions(ratios=(1, 10), control_ratios=(), epsilons_levels=(1,))
    agrees = " ".join(text_of(options, networks(falls=True)))
    assert "these figures agree: the class that was seen seldom is deceived by less" in agrees
    assert "less robust" in agrees
    differs = " ".join(text_of(options, networks(falls=False)))
    assert "these figures do not show it" in differs
    assert "less robust" not in differs


@needs_faces
def test_too_few_faces_are_said() -> None:
    order = {
        "data": str(DATA), "size_px": 16, "seed": 0, "classes": ["fear", "disgust"],
        "pictures": 10, "test_pictures": 100000,
    }  # fmt: skip
    with pytest.raises(SourceError, match="fewer pictures"):
        choose_faces(order, {})


@needs_faces
def test_a_tiny_run_and_its_resumption(tmp_path: Path) -> None:
    given = {
        "data": DATA, "ratios": [1, 9], "control_ratios": [9], "runs": 1, "pictures": 200,
        "steps": 25, "width": 4, "size_px": 24, "test_pictures": 20, "epsilons_levels": [1, 4],
    }  # fmt: skip
    run_experiment(experiment_named("imbalance"), given, tmp_path)
    record = Record.read(tmp_path / "imbalance")
    tables = {table.name: table for table in record.findings.tables}
    assert set(tables) == {"imbalance-ratios", "imbalance-arms", "imbalance-epsilons"}
    rows = tables["imbalance-ratios"].rows
    assert [(row["ratio"], row["class"], row["pictures"]) for row in rows] == [
        ("1:1", "small", 100), ("1:1", "other", 100), ("1:9", "small", 20), ("1:9", "other", 180),
    ]  # fmt: skip
    assert all(0 <= row["right"] <= 1 for row in rows)
    assert rows[0]["at 1"] <= rows[0]["right"], "an attack does not help"
    assert [row["trained on"] for row in tables["imbalance-arms"].rows[::2]] == [
        IMBALANCED, SCARCE, WEIGHTED,
    ]  # fmt: skip
    assert record.findings.figures["networks"] == 8
    for drawing in record.findings.drawings:
        assert drawing.png.startswith(b"\x89PNG")

    kept = tmp_path / "imbalance" / "kept"
    before = {file.name: file.stat().st_mtime_ns for file in kept.glob("*.npz")}
    assert len(before) == 9
    run_experiment(experiment_named("imbalance"), given, tmp_path)
    assert {file.name: file.stat().st_mtime_ns for file in kept.glob("*.npz")} == before
    again = Record.read(tmp_path / "imbalance")
    assert again.findings.tables == record.findings.tables
    run_experiment(experiment_named("imbalance"), {**given, "runs": 2}, tmp_path)
    assert (
        before.items()
        <= {file.name: file.stat().st_mtime_ns for file in kept.glob("*.npz")}.items()
    )
    assert len(list(kept.glob("*.npz"))) == 17


def test_pictures_that_changed_in_their_place_are_read_anew(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    given = {
        "data": folder, "ratios": [1], "control_ratios": [], "runs": 1, "pictures": 20, "steps": 2,
        "batch": 4, "width": 4, "size_px": 24, "test_pictures": 10, "epsilons_levels": [1],
    }  # fmt: skip

    def first_levels() -> set[int]:
        kept = (tmp_path / "imbalance" / "kept").glob("faces-*.npz")
        arrays = (dict(np.load(file)) for file in kept)
        return {int(one["a-test0"].ravel()[0]) for one in arrays}

    for level, known in ((10, {10}), (200, {10, 200})):
        for part in ("train", "valid", "test"):
            for name in ("happiness", "surprise"):
                (folder / part / name).mkdir(parents=True, exist_ok=True)
                for index in range(12):
                    picture = np.full((40, 40), level, np.uint8)
                    cv2.imwrite(str(folder / part / name / f"{index}.png"), picture)
        run_experiment(experiment_named("imbalance"), given, tmp_path)
        assert first_levels() == known
