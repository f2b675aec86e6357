"""Face-Off: its losses, its attacks on real faces, and the whole experiment once."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra lab is not installed")
pytest.importorskip("foolbox", reason="the extra lab is not installed")

from torch import Tensor, nn  # noqa: E402

from camfilter.errors import SettingError, SourceError, SurrogateError, UnknownSurrogate  # noqa: E402
from camfilter.lab.attacks.through_foolbox import foolbox_attacks  # noqa: E402
from camfilter.lab.experiment.made import Made  # noqa: E402
from camfilter.lab.experiment.running import experiment_named, run_experiment  # noqa: E402
from camfilter.lab.experiment.workbench import Progress  # noqa: E402
from camfilter.lab.faceoff.cards import with_figures  # noqa: E402
from camfilter.lab.faceoff.cast import Cast, place_cast  # noqa: E402
from camfilter.lab.faceoff.learning import EmbeddingRecipe, learn  # noqa: E402
from camfilter.lab.faceoff.losses import Loss, Member, Objective, mean_distances  # noqa: E402
from camfilter.lab.faceoff.masks import control_of, jpeg, on_crop, put_back, rounded  # noqa: E402
from camfilter.lab.faceoff.metric_losses import CentreLoss, MarginLoss, TripletLoss  # noqa: E402
from camfilter.lab.faceoff.networks import (  # noqa: E402
    EmbeddingFolder,
    embedded_by,
    embedding_names,
)
from camfilter.lab.faceoff.optimisers import Norm, Optimiser, Plan, perturbed  # noqa: E402
from camfilter.lab.faceoff.options import FaceOffOptions  # noqa: E402
from camfilter.lab.faceoff.people import FRAME_PX, Part, Placed, crop_of, load_part, part_of  # noqa: E402
from camfilter.lab.faceoff.tasks import anchors_of  # noqa: E402
from camfilter.lab.faceoff.verification import (  # noqa: E402
    Pairs,
    centroids_of,
    gallery_split,
    pairs_of,
    rank_of,
)
from camfilter.lab.networks import size_of  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("CAMFILTER_DATA", REPOSITORY.parent / "shared" / "data"))

needs_lfw = pytest.mark.skipif(
    not (DATA / "lfw_expressions.zip").is_file(), reason="the LFW data is absent"
)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def faces() -> Made:
    """A small cast of unseen people."""
    if not (DATA / "lfw_expressions.zip").is_file():
        pytest.skip("the LFW data is absent")
    order = {"data": str(DATA), "seed": 0, "people": 5, "gallery": 3, "anchors": 2, "probes": 1}
    return place_cast(order, {})


@pytest.fixture(scope="module")
def cast(faces: Made) -> Cast:
    return Cast.of(faces)


def objective_of(name: str, cast: Cast, loss: Loss, kappa: float = 0.5) -> tuple[Objective, Tensor]:
    network = EmbeddingFolder.named(name).load()
    member = Member(network, anchors_of(network, cast))
    people, targets = torch.from_numpy(cast.probes.people), torch.from_numpy(cast.targets)
    crops = torch.from_numpy(cast.probes.crops(size_of(network)))[:, None]
    return Objective([member], people, targets, loss, kappa), crops


# Losses


class Still(nn.Module):
    """Takes the first two pixels for an embedding."""

    size_px = 16

    def forward(self, picture: Tensor) -> Tensor:
        return picture[:, 0, 0, :2]


def pictures_at(*points: tuple[float, float]) -> Tensor:
    pictures = torch.zeros(len(points), 1, 16, 16)
    pictures[:, 0, 0, :2] = torch.tensor(points)
    return pictures


ANCHORS = torch.tensor([[[0.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]], [[4.0, 3.0]] * 2])


def test_mean_distances_by_hand() -> None:
    distances = mean_distances(torch.tensor([[0.0, 0.0]]), ANCHORS)
    np.testing.assert_allclose(distances, [[0.5, 1.0, 5.0]], atol=1e-5)


@pytest.mark.parametrize(
    ("loss", "kappa", "expected"),
    [
        (Loss.TARGET, 0.0, 1.0),
        (Loss.UNTARGETED, 0.0, -0.5),
        (Loss.HINGE, 0.0, 0.5),  # 1 - 0.5
        (Loss.HINGE, 0.25, 0.75),
        (Loss.HINGE_FARTHEST, 0.0, 0.0),  # 1 - 5 is below 0
        (Loss.HINGE_FARTHEST, 4.5, 0.5),
    ],
)
def test_losses_by_hand(loss: Loss, kappa: float, expected: float) -> None:
    source, target = torch.tensor([0]), torch.tensor([1])
    objective = Objective([Member(Still(), ANCHORS)], source, target, loss, kappa)
    assert objective(pictures_at((0, 0))).item() == pytest.approx(expected, abs=1e-5)


def test_a_loss_is_reached_where_it_should_be() -> None:
    places = pictures_at((0, 0), (1, 0), (4, 3))
    source, target = torch.tensor([0, 0, 0]), torch.tensor([1, 1, 1])
    for loss, expected in (
        (Loss.TARGET, [False, True, False]),
        (Loss.UNTARGETED, [False, True, True]),
        (Loss.HINGE, [False, True, True]),
    ):
        objective = Objective([Member(Still(), ANCHORS)], source, target, loss)
        assert objective.judged(places)[1].tolist() == expected


def test_an_ensemble_is_the_mean_and_all_must_be_reached() -> None:
    one, other = Member(Still(), ANCHORS), Member(Still(), ANCHORS.flip(0))
    source, target = torch.tensor([0]), torch.tensor([1])
    place = pictures_at((1, 0))
    both = Objective([one, other], source, target, Loss.HINGE, 0.3)
    alone = [Objective([m], source, target, Loss.HINGE, 0.3) for m in (one, other)]
    assert both(place).item() == pytest.approx(sum(a(place).item() for a in alone) / 2)
    expected = all(bool(a.judged(place)[1]) for a in alone)
    assert bool(both.judged(place)[1]) is expected


def test_the_triplet_loss_is_that_of_all_triplets() -> None:
    random = np.random.default_rng(0)
    points = random.normal(size=(6, 4))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    people = np.array([0, 0, 1, 1, 2, 2])
    wrong = []
    for a in range(6):
        for p in range(6):
            for n in range(6):
                if a != p and people[a] == people[p] and people[a] != people[n]:
                    near = ((points[a] - points[p]) ** 2).sum()
                    wrong.append(max(0, near - ((points[a] - points[n]) ** 2).sum() + 0.3))
    expected = np.mean([value for value in wrong if value > 0])
    loss = TripletLoss(0.3)(torch.from_numpy(points), torch.from_numpy(people))
    assert loss.item() == pytest.approx(expected)


def test_centre_and_margin_loss_by_hand() -> None:
    points, people = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1])
    margin = MarginLoss(2, 2, margin=0.2, scale=5.0)
    with torch.no_grad():
        margin.classes.copy_(torch.tensor([[2.0, 0.0], [0.0, 3.0]]))
    right, wrong = np.exp(5 * (1 - 0.2)), np.exp(0.0)
    assert margin(points, people).item() == pytest.approx(
        -np.log(right / (right + wrong)), rel=1e-4
    )
    centre = CentreLoss(2, 2, weight=0.5, scale=3.0)
    with torch.no_grad():
        centre.centres.copy_(torch.tensor([[0.0, 0.0], [0.0, 1.0]]))
        centre.classes.weight.copy_(torch.eye(2))
        centre.classes.bias.zero_()
    softmax = -np.log(np.exp(3) / (np.exp(3) + 1))
    assert centre(points, people).item() == pytest.approx(softmax + 0.5 / 2 * (1 + 0) / 2)


# Masks


def a_frame() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    frame = random.integers(60, 190, (FRAME_PX, FRAME_PX)).astype(np.uint8)
    angle, scale = 0.2, 1 / 150
    linear = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    shift = np.array([0.5, 0.5]) - linear @ np.array([128.0, 128.0])
    return frame, np.column_stack([linear, shift])


def test_a_mask_is_amplified_once_and_lies_where_its_crop_was() -> None:
    frame, place = a_frame()
    random = np.random.default_rng(0)
    smooth = np.kron(random.normal(0, 0.01, (8, 8)), np.ones((8, 8))).astype(np.float32)
    once = put_back(frame, place, smooth, 1) - frame
    thrice = put_back(frame, place, smooth, 3) - frame
    np.testing.assert_allclose(thrice, 3 * once, atol=1e-3)
    assert np.array_equal(put_back(frame, place, np.zeros_like(smooth), 8), frame)
    before = crop_of(frame, place, 64)
    after = crop_of(put_back(frame, place, smooth, 3), place, 64)
    inside = np.s_[4:-4, 4:-4]
    change = (after - before)[inside].ravel()
    assert np.corrcoef(change, smooth[inside].ravel())[0, 1] > 0.85
    assert np.polyfit(smooth[inside].ravel(), change, 1)[0] == pytest.approx(3, rel=0.25)


def test_cropped_pictures_are_amplified_and_stay_in_range() -> None:
    crop = np.full((4, 4), 0.9, np.float32)
    delta = np.full((4, 4), 0.02, np.float32)
    np.testing.assert_allclose(on_crop(crop, delta, 3), 0.96, atol=1e-6)
    assert on_crop(crop, delta, 8).max() == 1


def test_the_control_has_the_energy_and_spectrum_of_the_mask() -> None:
    random = np.random.default_rng(0)
    delta = np.cumsum(random.normal(0, 0.01, (48, 48)), axis=1).astype(np.float32)
    control = control_of(delta, random)
    assert np.linalg.norm(control) == pytest.approx(np.linalg.norm(delta), rel=1e-4)
    spectra = [np.abs(np.fft.rfft2(each)) for each in (delta, control)]
    assert np.corrcoef(spectra[0].ravel(), spectra[1].ravel())[0, 1] > 0.99
    assert abs(np.corrcoef(delta.ravel(), control.ravel())[0, 1]) < 0.5
    assert not control_of(np.zeros((8, 8), np.float32), random).any()


def test_rounding_and_jpeg() -> None:
    assert rounded(np.array([[0.49, 0.51, 254.6, -3, 300]], np.float32)).tolist() == [
        [0, 1, 255, 0, 255]
    ]
    frame, _ = a_frame()
    errors = [np.abs(jpeg(frame, q).astype(int) - frame).mean() for q in (95, 50, 10)]
    assert 0 < errors[0] < errors[1] < errors[2]


# Attacks


@needs_lfw
@pytest.mark.parametrize("name", embedding_names())
@pytest.mark.parametrize("norm", list(Norm))
def test_pgd_brings_the_target_near_and_stays_in_its_ball(
    name: str, norm: Norm, cast: Cast
) -> None:
    objective, crops = objective_of(name, cast, Loss.TARGET)
    epsilon = 1.5 if norm is Norm.L2 else 6 / 255
    masked = perturbed(objective, crops, Plan(norm=norm, steps=10, epsilon=epsilon))
    assert (objective(masked) < 0.8 * objective(crops)).all()
    change = (masked - crops).flatten(1)
    size = change.norm(dim=1) if norm is Norm.L2 else change.abs().amax(dim=1)
    assert (size <= epsilon * 1.001).all()
    assert (size > epsilon / 2).all()
    assert masked.min() >= 0
    assert masked.max() <= 1


@needs_lfw
def test_without_a_target_the_source_goes_far(cast: Cast) -> None:
    objective, crops = objective_of("embed-plain48", cast, Loss.UNTARGETED)
    masked = perturbed(objective, crops, Plan(steps=10, epsilon=1.5))
    assert (objective(masked) < objective(crops) - 0.2).all()


@needs_lfw
@pytest.mark.parametrize("norm", list(Norm))
def test_cw_reaches_the_hinge_loss_with_less_than_pgd(norm: Norm, cast: Cast) -> None:
    objective, crops = objective_of("embed-plain48", cast.some(3), Loss.HINGE, 0.2)
    plan = Plan(Optimiser.CW, norm, steps=25, searches=4, learning_rate=0.03)
    masked = perturbed(objective, crops, plan)
    assert objective.judged(masked)[1].all()
    change = (masked - crops).flatten(1)
    size = change.norm(dim=1).mean() if norm is Norm.L2 else change.abs().amax(dim=1).mean()
    assert 0 < size < (1.5 if norm is Norm.L2 else 8 / 255)
    # A greater margin costs more.
    wider = Objective(objective.members, objective.sources, objective.targets, Loss.HINGE, 0.5)
    more = (perturbed(wider, crops, plan) - crops).flatten(1)
    assert (more.norm(dim=1) > change.norm(dim=1)).float().mean() > 0.7


@needs_lfw
def test_cw_in_l2_finds_what_foolbox_finds_on_the_same_margin(cast: Cast) -> None:
    """Two logits, the distances from source and target, make foolbox's margin the hinge loss."""
    objective, crops = objective_of("embed-plain48", cast.some(3), Loss.HINGE, 0.1)
    member, (source, target) = objective.members[0], (objective.sources, objective.targets)

    class TwoLogits(nn.Module):
        def forward(self, pictures: Tensor) -> Tensor:
            distances = member.distances(pictures)
            rows = torch.arange(len(pictures))
            return -torch.stack([distances[rows, source], distances[rows, target]], dim=1)

    attacks = foolbox_attacks()
    from foolbox.criteria import TargetedMisclassification  # noqa: PLC0415
    from foolbox.models.pytorch import PyTorchModel  # noqa: PLC0415

    attack = attacks.L2CarliniWagnerAttack(
        binary_search_steps=5, steps=40, stepsize=0.02, confidence=0.1, initial_const=0.3
    )
    model = PyTorchModel(TwoLogits().eval(), bounds=(0, 1), device="cpu")
    goal = TargetedMisclassification(torch.ones(len(crops), dtype=torch.int64))
    theirs = (attack.run(model, crops, goal) - crops).flatten(1).norm(dim=1)
    plan = Plan(Optimiser.CW, Norm.L2, steps=40, searches=5, learning_rate=0.02)
    ours = (perturbed(objective, crops, plan) - crops).flatten(1).norm(dim=1)
    np.testing.assert_allclose(ours, theirs, rtol=0.25)


# People


def test_people_are_in_one_part_by_their_name_alone() -> None:
    parts = [part_of(f"Somebody_{index}") for index in range(2000)]
    assert parts == [part_of(f"Somebody_{index}") for index in range(2000)]
    shares = [parts.count(part) / 2000 for part in Part]
    np.testing.assert_allclose(shares, [0.78, 0.07, 0.15], atol=0.03)


@needs_lfw
def test_a_part_has_its_people_only_and_their_faces_are_alike_in_place() -> None:
    placed = load_part(DATA, Part.VALID, most_people=3, most_pictures=4)
    assert {part_of(name) for name in placed.names} == {Part.VALID}
    assert len(placed) + placed.missed == 12
    crops = placed.crops(48)
    assert crops.dtype == np.float32
    assert 0 <= crops.min() < crops.max() <= 1
    # Eyes are darker than cheeks where the template has them.
    eyes = crops[:, 16:21, 11:20].mean(), crops[:, 16:21, 28:37].mean()
    assert max(eyes) < crops[:, 26:31, 8:40].mean()


@needs_lfw
def test_each_picture_has_one_role(faces: Made, cast: Cast) -> None:
    assert len(cast.probes) == len(faces.figures["names"])
    assert {part_of(name) for name in faces.figures["names"]} == {Part.TEST}
    assert (cast.targets != cast.probes.people).all()
    frames = [part.frames for part in (cast.gallery, cast.anchors, cast.probes)]
    seen = {frame.tobytes() for part in frames for frame in part}
    assert len(seen) == sum(map(len, frames))
    assert len(cast.some(2).probes) == 2


@needs_lfw
def test_too_few_people_are_refused() -> None:
    order = {"data": str(DATA), "seed": 0, "people": 3, "gallery": 90, "anchors": 90, "probes": 90}
    with pytest.raises(SourceError, match="270 pictures"):
        place_cast(order, {})


# Verification


def test_rank_and_pairs_by_hand() -> None:
    centroids = np.array([[0, 0], [1, 0], [5, 0]], np.float32)
    points = np.array([[0.1, 0], [0.9, 0], [2.9, 0]], np.float32)
    assert rank_of(points, centroids, np.array([0, 0, 0])).tolist() == [0, 1, 2]
    people = np.array([0, 0, 1, 1])
    embeddings = np.array([[0, 0], [0.2, 0], [2, 0], [2.2, 0]], np.float32)
    pairs = pairs_of(embeddings, people, seed=0)
    assert pairs.same.sum() == 2
    assert len(pairs.same) == 4
    assert pairs.auc == 1
    assert pairs.accuracy(pairs.best_threshold) == 1
    assert Pairs(np.array([1.0, 1, 1, 1]), np.array([1, 0, 1, 0], bool)).auc == 0.5
    np.testing.assert_allclose(centroids_of(embeddings, people), [[0.1, 0], [2.1, 0]], atol=1e-6)
    gallery, probes = gallery_split(people, 1, seed=0)
    assert sorted([*gallery, *probes]) == [0, 1, 2, 3]
    assert people[gallery].tolist() == [0, 1]


@needs_lfw
@pytest.mark.parametrize("name", embedding_names())
def test_the_shipped_networks_know_strangers_better_than_chance(name: str, cast: Cast) -> None:
    folder = EmbeddingFolder.named(name)
    network = folder.load()
    people = np.concatenate([cast.gallery.people, cast.anchors.people])
    parts = [part.crops(size_of(network)) for part in (cast.gallery, cast.anchors)]
    embeddings = embedded_by(network, np.concatenate(parts))
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    assert pairs_of(embeddings, people, seed=0).auc > 0.6
    metrics = json.loads((folder.path / "metrics.json").read_text())
    assert metrics["parameters"] < 1_000_000
    assert f"{metrics['unseen_people']['auc']:.3f}" in (folder.path / "README.md").read_text()


def test_a_card_without_a_place_for_figures_is_refused() -> None:
    with pytest.raises(SurrogateError, match="no place"):
        with_figures("# Card\n", {})


# Training


def test_training_is_the_same_twice_and_learns() -> None:
    random = np.random.default_rng(0)
    prototypes = random.integers(40, 215, (4, 12, 12))
    people = np.repeat(np.arange(4), 6)
    crops = np.stack([np.kron(prototypes[p], np.ones((4, 4))) for p in people])
    crops = np.clip(crops + random.normal(0, 8, crops.shape), 0, 255).astype(np.uint8)
    recipe = EmbeddingRecipe.load(EmbeddingFolder.named("embed-plain48").recipe)
    recipe = recipe.model_copy(update={"steps": 12, "people": 4, "ema_decay": 0.5})
    losses: list[list[float]] = [[], []]
    weights = []
    for run in losses:
        torch.manual_seed(0)
        network = EmbeddingFolder.named("embed-plain48").build()
        average = learn(network, crops, people, recipe,
                        on_step=lambda _step, loss, run=run: run.append(loss))  # fmt: skip
        weights.append(average.state_dict())
    assert losses[0] == losses[1]
    assert np.mean(losses[0][-3:]) < np.mean(losses[0][:3])
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_an_unknown_network_and_one_that_is_no_embedding(tmp_path: Path) -> None:
    with pytest.raises(UnknownSurrogate, match="embed-plain48"):
        EmbeddingFolder.named("nobody")
    (tmp_path / "odd").mkdir()
    code = (
        "import torch\nclass Odd(torch.nn.Flatten):\n    size_px = 8\n    dimensions = 64\n"
        "def build():\n    return Odd()\n"
    )
    (tmp_path / "odd" / "embedding.py").write_text(code)
    with pytest.raises(SurrogateError, match="unit length"):
        EmbeddingFolder.named("odd", tmp_path).build()


# The experiment


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(SettingError, match="not one of networks"):
        FaceOffOptions.of({"main": "nobody"})
    with pytest.raises(SettingError, match="alphas must grow"):
        FaceOffOptions.of({"alphas": (2, 1)})


TINY = {
    "data": DATA, "people": 4, "gallery": 2, "anchors": 2, "probes": 1, "pairs": 3, "cw_pairs": 2,
    "steps": 3, "many_steps": 4, "cw_steps": 3, "cw_searches": 2, "cw_searches_linf": 2,
    "cw_many": (4, 2), "alphas": (1, 3), "kappas": (0, 10), "cw_kappas": (5,),
    "epsilons": (1.0,), "qualities": (50,), "networks": ("embed-branches64", "embed-plain48"),
    "ensembles": False, "training_people": 3, "training_pictures": 3, "training_steps": 2,
    "training_attack_steps": 1,
}  # fmt: skip


@needs_lfw
def test_a_tiny_run_and_its_resumption(tmp_path: Path) -> None:
    experiment = experiment_named("faceoff")
    run_experiment(experiment, TINY, tmp_path)
    folder = tmp_path / "faceoff"
    results = json.loads((folder / "results.json").read_text())
    names = {table["name"] for table in results["tables"]}
    assert names == {"networks", "transfer", "amplification", "kappa", "epsilon", "channels",
                     "attacks", "training"}  # fmt: skip
    assert {drawing["name"] for drawing in results["drawings"]} == {
        "transfer-matrix", "alpha", "kappa", "portraits"}  # fmt: skip
    assert all((folder / f"{drawing['name']}.png").stat().st_size > 5000
               for drawing in results["drawings"])  # fmt: skip
    for table in results["tables"]:
        for row in table["rows"]:
            for key, value in row.items():
                if not key.startswith(("hidden", "targeted", "top-3")) or value is None:
                    continue
                if not key.endswith("95 %"):
                    assert 0 <= value <= 1, (table["name"], key)
                    if f"{key}, 95 %" in row:
                        low, high = map(float, row[f"{key}, 95 %"].split(" to "))
                        assert low - 0.01 <= value <= high + 0.01
                        assert high - low > 0.3  # four faces say little
    text = " ".join(results["text"])
    assert "control" in text
    assert "nan" not in text
    kept = sorted((file.name, file.stat().st_mtime_ns) for file in (folder / "kept").glob("*.npz"))
    stages: list[str] = []
    run_experiment(
        experiment, TINY, tmp_path, progress=Progress(lambda name, _tasks: stages.append(name))
    )
    again = sorted((file.name, file.stat().st_mtime_ns) for file in (folder / "kept").glob("*.npz"))
    assert again == kept
    assert stages == ["faces", "matching", "attacks", "adversarial training", "portraits"]
    repeated = json.loads((folder / "results.json").read_text())
    assert repeated["tables"] == results["tables"]
    assert repeated["text"] == results["text"]
    md = (folder / "faceoff.md").read_text()
    assert "## Transfer between networks" in md


def test_placed_parts_keep_their_numbers() -> None:
    frames = np.zeros((3, 8, 8), np.uint8)
    placed = Placed(frames, np.zeros((3, 2, 3)), np.array([0, 1, 1]), ["a", "b"])
    assert placed.part([2]).people.tolist() == [1]
    assert placed.part([2]).names == ["a", "b"]
