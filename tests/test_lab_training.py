from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from camfilter.errors import SettingError
from camfilter.lab.data import Faces, LabelledFaces
from camfilter.lab.metrics import Confusion, confusion_of
from camfilter.lab.networks import load_weights
from camfilter.lab.recipe import Recipe
from camfilter.lab.training import Training

REPOSITORY = Path(__file__).resolve().parents[1]

SIZE = 12

pytestmark = pytest.mark.usefixtures("one_thread")


def build() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ELU(),
        nn.AvgPool2d(3),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(128, 8),
    )


def faces(count: int, seed: int) -> Faces:
    """Pictures whose expression is which of eight columns is bright."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 8, count)
    pictures = random.integers(0, 80, (count, SIZE, SIZE), np.uint8)
    pictures[np.arange(count), :, labels + 2] = 250
    return Faces(pictures, np.eye(8, dtype=np.float32)[labels])


@pytest.fixture(scope="module")
def data() -> LabelledFaces:
    return LabelledFaces(faces(400, 0), faces(80, 1), faces(80, 2))


@pytest.fixture
def recipe() -> Recipe:
    base = Recipe.load(REPOSITORY / "models" / "plain48" / "recipe.toml").model_dump()
    base |= {"epochs": 4, "batch": 32, "ema_decay": 0.9}
    base["loss"] = {"label_smoothing": 0.05, "mixup": 0.2}
    base["augment"] |= {"flip": 0, "shift": 0, "rotate_deg": 3, "erase_min_px": 1}
    base["augment"] |= {"erase_max_px": 3, "log_scale": 0.02}
    return Recipe.model_validate(base)


def weights(training: Training) -> dict[str, torch.Tensor]:
    return training.average.state_dict()


def test_a_resumed_run_equals_an_uninterrupted_one(
    recipe: Recipe, data: LabelledFaces, tmp_path: Path
) -> None:
    whole = Training(build, recipe, data, tmp_path / "whole")
    while not whole.done:
        whole.run_epoch()
    first = Training(build, recipe, data, tmp_path / "parts")
    first.run_epoch()
    first.run_epoch()
    torch.rand(17)
    second = Training(build, recipe, data, tmp_path / "parts")
    second.resume()
    assert second.epoch == 2
    while not second.done:
        second.run_epoch()
    for key, value in weights(whole).items():
        assert torch.equal(value, weights(second)[key]), key
    figures = ("epoch", "loss", "valid", "valid_average")
    assert [[row[key] for key in figures] for row in second.history] == [
        [row[key] for key in figures] for row in whole.history
    ]


def test_another_seed_gives_other_weights(
    recipe: Recipe, data: LabelledFaces, tmp_path: Path
) -> None:
    runs = []
    for seed in (0, 1):
        run = Training(build, recipe.model_copy(update={"seed": seed}), data, tmp_path / str(seed))
        run.run_epoch()
        runs.append(weights(run))
    assert not torch.equal(runs[0]["0.weight"], runs[1]["0.weight"])


def test_it_learns_and_writes_its_results(
    recipe: Recipe, data: LabelledFaces, tmp_path: Path
) -> None:
    ticks = iter(range(100))
    run = Training(build, recipe, data, tmp_path, clock=lambda: float(next(ticks)))
    batches = []
    while not run.done:
        run.run_epoch(on_batch=lambda: batches.append(1))
    test = run.finish()
    assert len(batches) == 4 * (400 // 32)
    assert test["accuracy"] > 0.9
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["test"] == test
    assert [row["epoch"] for row in metrics["epochs"]] == [1, 2, 3, 4]
    assert {row["seconds"] for row in metrics["epochs"]} == {1.0}
    assert metrics["recipe"] == recipe.model_dump()
    assert (tmp_path / "confusion.png").read_bytes().startswith(b"\x89PNG")
    loaded = build()
    load_weights(loaded, tmp_path / "checkpoint.safetensors")
    assert confusion_of(loaded, data.test).accuracy == pytest.approx(test["accuracy"], abs=1e-6)


def test_the_test_and_valid_parts_teach_nothing(
    recipe: Recipe, data: LabelledFaces, tmp_path: Path
) -> None:
    other = LabelledFaces(data.train, faces(80, 8), faces(80, 9))
    runs = []
    for index, parts in enumerate((data, other)):
        run = Training(build, recipe, parts, tmp_path / str(index))
        run.run_epoch()
        runs.append(weights(run))
    assert all(torch.equal(value, runs[1][key]) for key, value in runs[0].items())


def test_the_dropout_of_the_recipe_is_used(
    recipe: Recipe, data: LabelledFaces, tmp_path: Path
) -> None:
    run = Training(build, recipe.model_copy(update={"dropout": 0.125}), data, tmp_path)
    assert [m.p for m in run.average.modules() if isinstance(m, nn.Dropout)] == [0.125]


def test_resuming_another_recipe_is_refused(
    recipe: Recipe, data: LabelledFaces, tmp_path: Path
) -> None:
    Training(build, recipe, data, tmp_path).run_epoch()
    longer = Training(build, recipe.model_copy(update={"epochs": 9}), data, tmp_path)
    with pytest.raises(SettingError, match="another recipe"):
        longer.resume()


def damage_nothing(path: Path) -> None:
    path.unlink(missing_ok=True)


def damage_bytes(path: Path) -> None:
    path.write_bytes(b"no state at all")


@pytest.mark.parametrize(
    ("damage", "message"),
    [(damage_nothing, "nothing to resume"), (damage_bytes, "damaged")],
)
def test_resuming_without_a_state_is_refused(
    damage: Callable[[Path], None],
    message: str,
    recipe: Recipe,
    data: LabelledFaces,
    tmp_path: Path,
) -> None:
    run = Training(build, recipe, data, tmp_path)
    damage(run.state_file)
    with pytest.raises(SettingError, match=message):
        run.resume()


def test_a_batch_greater_than_the_data_is_refused(
    recipe: Recipe, data: LabelledFaces, tmp_path: Path
) -> None:
    with pytest.raises(SettingError, match="greater than the 400"):
        Training(build, recipe.model_copy(update={"batch": 500}), data, tmp_path)


def test_confusion_counts_rows_as_labels() -> None:
    counts = np.zeros((8, 8), np.int64)
    counts[0, 0], counts[0, 1], counts[1, 1] = 3, 1, 4
    confusion = Confusion(counts)
    assert confusion.accuracy == pytest.approx(7 / 8)
    assert confusion.recall["neutral"] == pytest.approx(3 / 4)
    assert confusion.precision["happiness"] == pytest.approx(4 / 5)
    assert confusion.recall["fear"] == 0


RECIPES = sorted(
    network.parent / "recipe.toml" for network in (REPOSITORY / "models").glob("*/network.py")
)
"""Those of surrogates; embeddings have recipes of another kind."""


@pytest.mark.parametrize("file", RECIPES, ids=str)
def test_every_shipped_recipe_is_valid(file: Path) -> None:
    assert Recipe.load(file).epochs >= 1


@pytest.mark.parametrize(
    ("text", "message"),
    [("seed = ", "cannot be read"), ("seed = -1\n", "wrong at"), ("sede = 1\n", "wrong at")],
)
def test_a_wrong_recipe_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(SettingError, match=message):
        Recipe.load(tmp_path / "recipe.toml")
