"""The chain over any attack, its measures, its options, and what is said of them."""

from __future__ import annotations

import warnings
from typing import Any

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra lab is not installed")
pytest.importorskip("foolbox", reason="the extra lab is not installed")

from scipy import stats  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from camfilter.chain import Chain as ProductChain  # noqa: E402
from camfilter.errors import SettingError  # noqa: E402
from camfilter.expressions import EXPRESSIONS  # noqa: E402
from camfilter.frames import Pixels  # noqa: E402
from camfilter.lab.attacks import ATTACKS, Classifier, Goal, labels_of  # noqa: E402
from camfilter.lab.attacks.fgsm import FGSM  # noqa: E402
from camfilter.lab.caa.chain import Chain, with_epsilon  # noqa: E402
from camfilter.lab.caa.curves import Curve, Plan  # noqa: E402
from camfilter.lab.caa.faces import sample  # noqa: E402
from camfilter.lab.caa.measures import (  # noqa: E402
    MEASURES,
    PerFace,
    entropy_bits,
    increments,
    rank_correlation,
    rounded,
    summary,
)
from camfilter.lab.caa.options import PAPER_SCHEDULE, ChainingOptions, shown_epsilon  # noqa: E402
from camfilter.lab.caa.sentences import said  # noqa: E402
from camfilter.lab.networks import SurrogateFolder  # noqa: E402
from camfilter.settings import ChainSettings  # noqa: E402
from camfilter.surrogate.onnx import OnnxSurrogate  # noqa: E402

EPSILON = 2 / 255

pytestmark = pytest.mark.usefixtures("one_thread")


class Two(nn.Module):
    """Reads class 1 where the first pixel is above 0.5, class 0 below; eight classes in all."""

    def forward(self, pictures: Tensor) -> Tensor:
        score = 4 * (pictures[:, 0, 0, 0] - 0.5)
        rest = torch.full((len(pictures), 6), -9.0) + 0 * score[:, None]
        return torch.cat([torch.stack([-score, score], dim=1), rest], dim=1)


@pytest.fixture(scope="module")
def two() -> Classifier:
    return Classifier(Two().eval(), 8, 2)


@pytest.fixture(scope="module")
def plain48() -> Classifier:
    return Classifier(SurrogateFolder.named("plain48").load(), 8, 48)


@pytest.fixture(scope="module")
def faces(astronaut: Pixels, hopper: Pixels) -> Tensor:
    crops = []
    for picture, (top, left, side) in ((astronaut, (50, 145, 160)), (hopper, (80, 160, 200))):
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)[top : top + side, left : left + side]
        crops.append(cv2.resize(grey, (48, 48), interpolation=cv2.INTER_AREA))
    return torch.from_numpy(np.stack(crops)).float()[:, None] / 255


def ends(chain: Chain, classifier: Classifier, pictures: Tensor, length: int) -> list[Tensor]:
    lengths = tuple(range(1, length + 1))
    return [link.pictures for link in chain.links(classifier, pictures, lengths)]


# The chain


@pytest.mark.parametrize("targets", [(), ("least-likely",), ("sadness",)])
def test_a_chain_of_one_is_the_plain_attack(
    plain48: Classifier, faces: Tensor, targets: tuple[str, ...]
) -> None:
    logits = plain48.read(faces)
    goal = {
        (): Goal(logits.argmax(dim=1)),
        ("least-likely",): Goal(logits.argmin(dim=1), targeted=True),
        ("sadness",): Goal(torch.full((2,), EXPRESSIONS.index("sadness")), targeted=True),
    }[targets]
    (link,) = Chain(FGSM(EPSILON), targets).links(plain48, faces, (1,))
    assert torch.equal(link.pictures, FGSM(EPSILON).perturb(plain48, faces, goal))
    assert torch.equal(link.goal.labels, goal.labels)
    assert link.goal.targeted == goal.targeted


def test_each_stage_begins_where_the_one_before_ended(plain48: Classifier, faces: Tensor) -> None:
    goal = Goal(labels_of(plain48, faces))
    wanted = faces
    for found in ends(Chain(FGSM(EPSILON)), plain48, faces, 4):
        wanted = FGSM(EPSILON).perturb(plain48, wanted, goal)
        assert torch.equal(found, wanted)


def test_without_projection_it_goes_as_far_as_its_length(two: Classifier) -> None:
    pictures = torch.full((1, 1, 2, 2), 0.5)
    pictures[0, 0, 0, 0] = 0.45
    for length, found in enumerate(ends(Chain(FGSM(0.03)), two, pictures, 5), 1):
        change = found - pictures
        assert float(change[0, 0, 0, 0]) == pytest.approx(length * 0.03, abs=1e-6)
        assert float(change.abs().max()) == pytest.approx(length * 0.03, abs=1e-6)
        assert int((change != 0).sum()) == 1
    for found in ends(Chain(FGSM(0.03), radius=0.05), two, pictures, 5)[1:]:
        assert float((found - pictures).abs().max()) == pytest.approx(0.05, abs=1e-6)


def test_a_new_label_at_each_stage_walks_back_and_a_frozen_one_does_not(two: Classifier) -> None:
    pictures = torch.full((1, 1, 2, 2), 0.48)
    frozen, anew = (
        [float(found[0, 0, 0, 0]) for found in ends(chain, two, pictures, 4)]
        for chain in (Chain(FGSM(0.03)), Chain(FGSM(0.03), relabel=True))
    )
    assert frozen == pytest.approx([0.51, 0.54, 0.57, 0.60])
    assert anew == pytest.approx([0.51, 0.48, 0.51, 0.48])


def test_relabelling_is_a_chain_of_arts_fast_gradient_method(
    plain48: Classifier, faces: Tensor
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evasion = pytest.importorskip("art.attacks.evasion", reason="ART is not installed")
        estimators = pytest.importorskip("art.estimators.classification")
        estimator = estimators.PyTorchClassifier(
            plain48.network, nn.CrossEntropyLoss(), (1, 48, 48), 8,
            clip_values=(0, 1), device_type="cpu",
        )  # fmt: skip
        theirs = evasion.FastGradientMethod(estimator, eps=EPSILON)
        seen, wanted = faces.numpy(), []
        for _ in range(5):
            seen = theirs.generate(seen)
            wanted.append(seen)
    plain48.network.requires_grad_(True).eval()
    found = ends(Chain(FGSM(EPSILON), relabel=True), plain48, faces, 5)
    read = [labels_of(plain48, pictures).tolist() for pictures in (faces, *found)]
    assert len({tuple(labels) for labels in read}) > 1  # or there would be nothing to take anew
    for ours, other in zip(found, wanted, strict=True):
        assert float((np.abs(ours.numpy() - other) < 1e-5).mean()) > 0.999


@pytest.mark.parametrize(
    ("lab", "product"),
    [
        ({}, {}),
        ({"targets": ("least-likely",)}, {"mode": "targeted", "targets": ("least-likely",)}),
        ({"targets": PAPER_SCHEDULE}, {"mode": "targeted", "targets": PAPER_SCHEDULE}),
        ({"radius": 3 / 255}, {"projection": "ball", "epsilon": 3 / 255, "step": EPSILON}),
    ],
    ids=["CUA", "CTA", "schedule", "ball"],
)
def test_it_is_the_products_chain(
    plain48: Classifier, surrogate: OnnxSurrogate, faces: Tensor,
    lab: dict[str, Any], product: dict[str, Any],
) -> None:  # fmt: skip
    assert surrogate.name == "plain48"
    values = {"epsilon": EPSILON, "projection": "none", "momentum": 0, "chain_length": 4} | product
    (link,) = Chain(FGSM(EPSILON), **lab).links(plain48, faces, (4,))
    ours = (link.pictures - faces).numpy()[:, 0]
    crops = np.ascontiguousarray(faces.numpy()[:, 0])
    theirs = ProductChain(surrogate, ChainSettings.of(values)).perturb(crops, np.ones_like(crops))
    assert float(np.abs(ours).max()) > 2.5 / 255
    # Where a gradient is all but zero its sign is the rounding's.
    assert float((np.abs(ours - theirs.delta) < 1e-6).mean()) > 0.999


def test_each_length_of_a_schedule_ends_with_its_last_target(
    plain48: Classifier, faces: Tensor
) -> None:
    chain = Chain(FGSM(EPSILON), PAPER_SCHEDULE)
    links = list(chain.links(plain48, faces, (1, 4, 12)))
    neutral = torch.full((2,), EXPRESSIONS.index("neutral"))
    assert all(torch.equal(link.goal.labels, neutral) for link in links)
    plain = FGSM(EPSILON).perturb(plain48, faces, Goal(neutral, targeted=True))
    assert torch.equal(links[0].pictures, plain)
    seen = faces
    for target in PAPER_SCHEDULE:
        labels = torch.full((2,), EXPRESSIONS.index(target))
        seen = FGSM(EPSILON).perturb(plain48, seen, Goal(labels, targeted=True))
    assert torch.equal(links[1].pictures, seen)
    assert torch.equal(labels_of(plain48, links[2].pictures), neutral)


@pytest.mark.parametrize("name", ["pgd", "mi-fgsm", "deepfool"])
def test_any_attack_is_chained(plain48: Classifier, faces: Tensor, name: str) -> None:
    attack = with_epsilon(ATTACKS.named(name), 0.001)
    one, three = (ends(Chain(attack), plain48, faces, 3)[place] for place in (0, 2))
    reached = Goal(labels_of(plain48, faces)).reached(plain48.read(three))
    if name == "deepfool":
        assert torch.equal(one, three)  # what is fooled is left alone
        assert reached.all()
    else:
        assert float((one - faces).abs().max()) <= 0.001 + 1e-6
        assert 0.001 < float((three - faces).abs().max()) <= 0.003 + 1e-6


def test_epsilon_is_set_where_there_is_one() -> None:
    assert with_epsilon(FGSM(0.1), 0.2) == FGSM(0.2)
    assert with_epsilon(FGSM(0.1), None) == FGSM(0.1)
    deepfool = ATTACKS.named("deepfool")
    assert with_epsilon(deepfool, 0.2) is deepfool


# The measures


def test_entropy_is_in_bits() -> None:
    certain = torch.tensor([[200.0] + [0.0] * 7])
    logits = torch.randn(20, 8, generator=torch.Generator().manual_seed(0)) * 3
    assert float(entropy_bits(torch.zeros(1, 8))) == pytest.approx(3)
    assert float(entropy_bits(certain)) == pytest.approx(0, abs=1e-6)
    wanted = stats.entropy(torch.softmax(logits, dim=1).numpy(), base=2, axis=1)
    np.testing.assert_allclose(entropy_bits(logits).numpy(), wanted, rtol=1e-5)


def test_norms_and_rates_are_those_of_numpy() -> None:
    random = np.random.default_rng(1)
    clean = (random.integers(0, 256, (6, 1, 5, 5)) / 255).astype(np.float32)
    change = random.choice([0, 0, 0.01, -0.02, 3e-7], (6, 1, 5, 5)).astype(np.float32)
    logits = random.normal(size=(6, 3)).astype(np.float32)
    read, true = random.integers(0, 3, 6), random.integers(0, 3, 6)
    changed = clean + change
    found = summary(
        PerFace.of(
            torch.from_numpy(clean), torch.from_numpy(changed), torch.from_numpy(logits),
            Goal(torch.from_numpy(read)), torch.from_numpy(read), torch.from_numpy(true),
        ),
        pixels=25,
    )  # fmt: skip
    exact = (changed.astype(float) - clean).reshape(6, -1)
    now, right = logits.argmax(axis=1), read == true
    wanted = {
        "l0_px": (np.abs(change) > 1e-3).sum() / 6,
        "l0_share": (np.abs(change) > 1e-3).mean(),
        "l0_exact_share": (exact != 0).mean(),
        "l2": np.linalg.norm(exact, axis=1).mean(),
        "linf": np.abs(exact).max(axis=1).mean(),
        "fool_rate": (now != read).mean(),
        "fool_rate_correct": (now != read)[right].mean(),
        "left_rate": (now != read).mean(),
        "wrong_rate": (now != true).mean(),
    }
    assert wanted["l0_exact_share"] > wanted["l0_share"]
    assert {name: found[name] for name in wanted} == pytest.approx(wanted)


def test_how_well_entropy_tells_who_is_fooled() -> None:
    logits = torch.tensor([[9.0, 0, 0], [0, 0.1, 0], [0, 3.0, 0], [0.3, 0, 0]])
    pictures, zeros = torch.zeros(4, 1, 1, 1), torch.zeros(4, dtype=torch.int64)
    faces = PerFace.of(pictures, pictures, logits, Goal(zeros), zeros, zeros)
    # Fooled are the 2nd and 3rd; three of the four pairs with the 1st and 4th are ordered rightly,
    # only the 3rd is read with more certainty than the 4th, which is not fooled.
    assert summary(faces, 1)["entropy_auc"] == pytest.approx(3 / 4)
    assert faces.values["correct"].all()
    wrong = PerFace.of(pictures, pictures, logits, Goal(zeros), zeros, zeros + 1)
    assert summary(wrong, 1)["fool_rate_correct"] is None


def test_rounding_is_to_the_nearest_level() -> None:
    levels = torch.tensor([10.49, 10.51, 11.5, 12.5, 0.0, 255.0]) / 255
    assert (rounded(levels) * 255).round().tolist() == [10, 11, 12, 12, 0, 255]


def test_increments_in_three_forms() -> None:
    found = increments([0.2, 0.3, 0.6])
    assert found == pytest.approx(
        {"relative": (0.5 + 1.0) / 2, "difference": 0.2, "over_first": 1.0}
    )
    assert increments([0.0, 0.1, 0.2]) == pytest.approx(
        {"relative": 1.0, "difference": 0.1, "over_first": None}
    )
    nothing = {"relative": None, "difference": None, "over_first": None}
    assert increments([0.5]) == increments([0.5, None]) == nothing
    linf = [0.001 * length for length in range(1, 11)]
    assert increments(linf)["over_first"] == pytest.approx(1)  # the paper's 100 %
    assert increments(linf)["relative"] == pytest.approx(sum(1 / n for n in range(1, 10)) / 9)


def test_rank_correlation_is_spearmans() -> None:
    assert rank_correlation([1, 2, 3, 9], [0.1, 0.2, 0.5, 0.6]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    # Ranks 1 2 3 4 and 1.5 1.5 4 3: 1 - 6 (0.25 + 0.25 + 1 + 1) / 60, corrected for the tie.
    assert rank_correlation([1, 2, 3, 4], [5, 5, 9, 8]) == pytest.approx(0.7378647873726218)
    assert rank_correlation([1, 2, 3], [0, 0, 0]) is None


def test_a_sample_has_the_proportions_of_the_whole() -> None:
    labels = np.repeat([0, 1, 2, 4], [600, 290, 100, 10]).astype(np.int64)
    chosen = sample(labels, 100, seed=1)
    assert np.bincount(labels[chosen]).tolist() == [60, 29, 10, 0, 1]
    assert len(set(chosen.tolist())) == 100
    assert np.array_equal(chosen, sample(labels, 100, seed=1))
    assert not np.array_equal(chosen, sample(labels, 100, seed=2))
    assert len(sample(labels, 33, seed=0)) == 33
    assert sample(labels, 5000, seed=0).tolist() == list(range(1000))


def test_epsilon_is_written_as_people_write_it() -> None:
    shown = [shown_epsilon(value) for value in (2 / 255, 0.001, 0.0001, 1e-9, None)]
    assert shown == ["2/255", "0.001", "0.0001", "1e-09", "–"]  # noqa: RUF001


# The options


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"targets": ("joy",)}, "There is no expression 'joy'"),
        ({"epsilons": ("2 apples",)}, "apples"),
        ({"chain_length": 1}, "chain_length"),
        ({"projection": "sphere"}, "projection"),
        ({"length": 3}, "length"),
    ],
)
def test_an_option_that_cannot_be_used_is_one_line(values: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingError, match=says) as caught:
        ChainingOptions.of(values)
    assert "\n" not in str(caught.value)


def test_epsilons_are_read_as_people_write_them() -> None:
    options = ChainingOptions.of({"epsilons": ("2/255", "0.001", "1 level")})
    assert options.epsilons == pytest.approx((2 / 255, 0.001, 1 / 255))


# What is said


def curve(entropy: list[float], fool: list[float], l0: list[float], **plan: Any) -> Curve:
    """A chain with some figures, the others made up."""
    lengths = list(range(1, len(fool) + 1))
    values: dict[str, list[Any]] = {measure: [0.5] * len(fool) for measure in MEASURES}
    values |= {"entropy_bits": entropy, "fool_rate": fool, "left_rate": fool, "l0_share": l0,
               "linf": [0.001 * length for length in lengths], "l2": fool}  # fmt: skip
    rounded_away = dict.fromkeys(("fool_rate", "l0_px"), [0.0] * len(fool))
    figures = {"faces": 100, "accuracy": 0.9, "entropy_bits": 0.5, "float": values,
               "rint": values | rounded_away}  # fmt: skip
    kept = {"targets": [], "epsilon": 0.001} | plan
    return Curve(Plan("ferplus", "plain48", "fgsm", lengths=lengths, **kept), figures)


def test_sentences_follow_the_figures() -> None:
    up_and_down = [0.9, 0.8, 0.9, 0.8]
    agreeing = curve([0.6, 0.7, 0.8, 0.9], [0.1, 0.2, 0.4, 0.6], up_and_down)
    behind = curve([0.6, 0.7, 0.8, 0.9], [0.0, 0.1, 0.2, 0.3], up_and_down, targets=["fear"])
    text = " ".join(said([agreeing, behind], [], ChainingOptions(chain_length=4)))
    assert "the fool rate goes from 10 % to 60 %, never falling" in text
    assert "in 1 of 1 pairs of a set and an epsilon (as in the paper)" in text
    assert "Spearman's rho with the fool rate 1.00" in text
    assert "So entropy follows the fool rate, as the paper says." in text
    assert "in 2 of 2 chains, the paper's up and down" in text
    assert "after rint no pixel differs at any length up to 4, and 0 % are fooled" in text
    disagreeing = curve([0.9, 0.8, 0.3, 0.2], [0.3, 0.2, 0.4, 0.6], [0.9, 0.9, 0.8, 0.9])
    ahead = curve([0.6, 0.7, 0.8, 0.9], [0.4, 0.4, 0.5, 0.7], up_and_down, targets=["fear"])
    text = " ".join(said([disagreeing, ahead], [], ChainingOptions(chain_length=4)))
    assert "the fool rate goes from 30 % to 60 %, falling at 1 of 3 steps" in text
    assert "in 0 of 1 pairs of a set and an epsilon (the paper has it always)" in text
    assert "So entropy follows the fool rate only while" in text
    assert "in 1 of 2 chains, the paper's up and down" in text
    assert "below that of the clean faces (0.50 bits on FER+) in 1 of 2 chains" in text


def test_sentences_on_other_forms_follow_the_figures() -> None:
    def form(name: str, last: float) -> Curve:
        return curve([0.5] * 3, [0.1, 0.2, last], [0.9] * 3, form=name)

    text = said([form("", 0.6)], [form("paper's", 0.6), form("relabelled", 0.3),
                                  form("in the ball", 0.1)], ChainingOptions())  # fmt: skip
    assert "fools 30 % after the last stage, a frozen one 60 %, as the chain walks back" in text[-2]
    assert "fools 10 % with changes of up to 0.77 levels, without the ball 60 %" in text[-1]
    text = said([form("", 0.6)], [form("paper's", 0.6), form("relabelled", 0.6)], ChainingOptions())
    assert "walks back" not in text[-1]
