from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra lab is not installed")
pytest.importorskip("sklearn", reason="the extra lab is not installed")

from sklearn.decomposition import PCA  # noqa: E402
from sklearn.neighbors import KernelDensity  # noqa: E402
from torch import nn  # noqa: E402

from bench_support import attacked, classifier, needs_faces, part  # noqa: E402
from camfilter.errors import SettingError  # noqa: E402
from camfilter.lab.attacks import labels_of  # noqa: E402
from camfilter.lab.detectors import DETECTORS, Evidence  # noqa: E402
from camfilter.lab.detectors.artifact_density import dropout_variance, log_density  # noqa: E402
from camfilter.lab.detectors.artifacts import ArtifactLearning  # noqa: E402
from camfilter.lab.detectors.filter_statistics import (  # noqa: E402
    FilterStatistics,
    statistics_of,
)
from camfilter.lab.detectors.layers import leaving, names_of, several  # noqa: E402
from camfilter.lab.detectors.noise_reduction import entropy_of, reduced  # noqa: E402

LESSONS = 100


def evidence(*, seed: int = 0) -> Evidence:
    pictures, labels = part("train")
    return Evidence(
        classifier(), pictures[:LESSONS], attacked("train", LESSONS), pictures[LESSONS:],
        labels[LESSONS:], seed,
    )  # fmt: skip


def test_all_detectors_of_the_paper_are_found() -> None:
    assert {
        "noise-reduction", "artifacts", "artifact-density", "filter-statistics", "pca",
    } <= set(DETECTORS.names)  # fmt: skip


@needs_faces
@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("noise-reduction", None),
        ("artifacts", 0.55),
        ("artifact-density", None),
        ("filter-statistics", 0.8),
        ("pca", None),
    ],
)
def test_a_detector_learns_from_training_faces_and_judges_others(
    name: str, least: float | None
) -> None:
    judge = DETECTORS.named(name).learn(evidence())
    pictures, _ = part("test")
    count = len(pictures)
    clean, changed = judge(pictures), judge(attacked("test", count))
    assert clean.dtype == changed.dtype == np.bool_
    assert clean.shape == changed.shape == (count,)
    assert np.array_equal(judge(pictures[:3]), clean[:3])
    if least is not None:  # the paper has these two good on FGSM
        assert ((~clean).sum() + changed.sum()) / (2 * count) >= least


@needs_faces
@pytest.mark.parametrize("name", ["artifacts", "artifact-density", "filter-statistics", "pca"])
def test_a_detector_gives_the_same_answers_with_the_same_seed(name: str) -> None:
    pictures = torch.cat([part("test")[0], attacked("test", 20)])
    one, other = (DETECTORS.named(name).learn(evidence(seed=3))(pictures) for _ in range(2))
    assert np.array_equal(one, other)


def literally_reduced(levels: np.ndarray) -> np.ndarray:
    """Adaptive noise reduction of one (S, S) picture, in words of definitions and loops."""
    counts = [int((np.rint(levels) == level).sum()) for level in range(256)]
    shares = [count / levels.size for count in counts if count]
    entropy = -sum(share * np.log2(share) for share in shares)
    if entropy < 5:
        interval = 128 if entropy < 4 else 64
        return np.floor(levels / interval) * interval
    fine = np.floor(levels / 43) * 43
    result = np.empty_like(fine)
    size = len(levels)
    for y in range(size):
        for x in range(size):
            places = {(y, x)}
            for step in (1, 2, 3):
                places |= {(y - step, x), (y + step, x), (y, x - step), (y, x + step)}
            taps = [fine[min(max(b, 0), size - 1), min(max(a, 0), size - 1)] for b, a in places]
            assert len(taps) == 13
            smooth = sum(taps) / 13
            nearer = abs(fine[y, x] - levels[y, x]) <= abs(smooth - levels[y, x])
            result[y, x] = fine[y, x] if nearer else smooth
    return result


@pytest.mark.parametrize(
    ("levels", "least", "most"), [(9, 0.0, 4.0), (24, 4.0, 5.0), (256, 5.0, 8.0)]
)
def test_noise_reduction_is_what_the_definitions_say(
    levels: int, least: float, most: float
) -> None:
    random = np.random.default_rng(levels)
    picture = random.choice(np.linspace(0, 255, levels).round(), (20, 20)).astype(np.float32)
    pictures = torch.from_numpy(picture)[None, None] / 255
    (entropy,) = entropy_of(pictures)
    assert least <= entropy < most
    found = reduced(pictures)[0, 0].numpy() * 255
    np.testing.assert_allclose(found, literally_reduced(picture), atol=0.01)


@needs_faces
def test_noise_reduction_of_faces_is_the_literal_one_and_flags_where_the_class_changes() -> None:
    pictures = part("test")[0][:3]
    literal = np.stack([literally_reduced(p.numpy() * 255) for p in pictures[:, 0]])
    found = reduced(pictures)[:, 0].numpy() * 255
    assert (np.abs(found - literal) < 0.01).mean() > 0.999  # equal distances may fall either way
    guarded = classifier()
    flags = DETECTORS.named("noise-reduction").learn(evidence())(pictures)
    again = torch.from_numpy(literal).float()[:, None] / 255
    changed = labels_of(guarded, again) != labels_of(guarded, pictures)
    assert flags.tolist() == changed.tolist()


def test_log_density_is_that_of_gaussian_kernels_under_the_class_read() -> None:
    random = np.random.default_rng(0)
    known, labels = random.normal(size=(40, 3)), random.integers(0, 2, 40)
    hidden, read = random.normal(size=(9, 3)), random.integers(0, 2, 9)
    found = log_density(hidden, read, known, labels, 0.7)
    for index in range(9):
        same = known[labels == read[index]]
        expected = KernelDensity(bandwidth=0.7).fit(same).score_samples(hidden[index : index + 1])
        constant = -1.5 * np.log(2 * np.pi * 0.7**2)
        assert found[index] + constant == pytest.approx(float(expected[0]))
    assert np.isfinite(log_density(hidden, read + 5, known, labels, 0.7)).all()


@needs_faces
def test_dropout_variance_is_the_variance_over_passes_and_leaves_the_network_alone() -> None:
    guarded = classifier()
    pictures = part("test")[0][:4]
    before = guarded.read(pictures)
    found = dropout_variance(guarded, pictures, 200, seed=5)
    assert torch.equal(guarded.read(pictures), before)
    network = guarded.network
    for layer in network.modules():
        if isinstance(layer, nn.Dropout):
            layer.train()
    torch.manual_seed(6)
    with torch.no_grad():
        drawn = np.stack([network(pictures).softmax(1).double().numpy() for _ in range(200)])
    np.testing.assert_allclose(found, drawn.var(axis=0).sum(axis=1), rtol=0.4)
    assert (found > 0).all()
    network.eval()


@needs_faces
def test_dropout_variance_of_a_picture_is_the_same_in_any_company() -> None:
    guarded = classifier()
    pictures = part("test")[0][:7]
    together = dropout_variance(guarded, pictures, 20, seed=5)
    alone = [dropout_variance(guarded, picture[None], 20, seed=5)[0] for picture in pictures]
    np.testing.assert_allclose(together, alone, rtol=1e-4)


@needs_faces
def test_filter_statistics_are_normalised_coefficients_and_extrema() -> None:
    guarded = classifier()
    pictures = part("train")[0][:6]
    name = names_of(guarded.network, nn.Conv2d)[0]
    maps = torch.cat([seen[name] for seen in leaving(guarded, pictures, [name])]).numpy()
    vectors = maps.transpose(0, 2, 3, 1).reshape(-1, maps.shape[1]).astype(np.float64)
    projection = PCA(9, whiten=True).fit(vectors)
    found = statistics_of(guarded, pictures, {name: projection})[name]
    values, axes = np.linalg.eigh(np.cov(vectors.T))
    centred = (vectors - vectors.mean(axis=0)) @ axes[:, ::-1] / np.sqrt(values[::-1].clip(1e-12))
    expected = np.abs(centred).reshape(6, -1, maps.shape[1]).mean(axis=1)[:, :9]
    np.testing.assert_allclose(found[:, :9], expected, rtol=1e-3)
    np.testing.assert_allclose(found[:, 9:25], maps.min(axis=(2, 3)))
    np.testing.assert_allclose(found[:, 25:], maps.max(axis=(2, 3)))


@needs_faces
def test_the_cascade_refuses_more_with_each_stage_and_keeps_most_clean_pictures() -> None:
    pictures = part("train")[0][:LESSONS]
    flags = [FilterStatistics(stages=stages).learn(evidence())(pictures) for stages in (1, 4)]
    assert flags[0].mean() <= 0.06
    assert flags[1].mean() <= 0.21
    changed = attacked("train", LESSONS)
    one, all_of_them = (
        FilterStatistics(stages=stages).learn(evidence())(changed) for stages in (1, 4)
    )
    assert all_of_them.sum() >= one.sum()


@needs_faces
def test_layers_can_be_chosen_by_name_and_a_wrong_one_is_named() -> None:
    judge = ArtifactLearning(layers=("head.0",), epochs=20).learn(evidence())
    assert judge(part("test")[0][:5]).shape == (5,)
    with pytest.raises(SettingError, match=r"no layer 'head\.77'"):
        ArtifactLearning(layers=("head.77",)).learn(evidence())


def test_several_layers_are_spread_with_both_ends() -> None:
    assert several(list("abcdefg"), 3) == ["a", "d", "g"]
    assert several(list("ab"), 5) == ["a", "b"]


def test_a_detector_of_another_distribution_is_found(tmp_path: Path) -> None:
    (tmp_path / "suspicious.py").write_text(
        "class Suspicious:\n    name = 'suspicious'\n\ndef offered():\n    return [Suspicious()]\n"
    )
    information = tmp_path / "suspicious-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: suspicious\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        "[camfilter.detectors]\nsuspicious = suspicious:offered\n"
    )
    code = (
        "from camfilter.lab.detectors import DETECTORS; print(DETECTORS.named('suspicious').name)"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    answer = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "suspicious"
