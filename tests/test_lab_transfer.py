"""The experiment on transfer: its parts by another way, and a tiny run of the whole."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra lab is not installed")

import torch.nn.functional as F  # noqa: E402, N812
from torch import Tensor, nn  # noqa: E402

from camfilter.errors import SettingError, SourceNotFound  # noqa: E402
from camfilter.lab.data import Faces  # noqa: E402
from camfilter.lab.experiment.findings import Record  # noqa: E402
from camfilter.lab.experiment.made import Made  # noqa: E402
from camfilter.lab.experiment.running import experiment_named, run_experiment  # noqa: E402
from camfilter.lab.networks import SurrogateFolder  # noqa: E402
from camfilter.lab.transfer.arms import AS_IT_IS, CONTROL, TRAINED, TRICKS, Trick  # noqa: E402
from camfilter.lab.transfer.chain import chained, control  # noqa: E402
from camfilter.lab.transfer.changes import lit_from_a_side, resized, through_jpeg  # noqa: E402
from camfilter.lab.transfer.collect import Measured, Row  # noqa: E402
from camfilter.lab.transfer.losses import LOSSES  # noqa: E402
from camfilter.lab.transfer.options import TransferOptions  # noqa: E402
from camfilter.lab.transfer.run import Transfer  # noqa: E402
from camfilter.lab.transfer.tasks import evenly, sets_at  # noqa: E402
from camfilter.lab.transfer.together import InTurn  # noqa: E402
from camfilter.lab.transfer.tricks import has_trick, with_trick  # noqa: E402
from camfilter.lab.transfer.verdict import figures_of, text_of, wins  # noqa: E402

DATA = Path(os.environ.get("CAMFILTER_DATA", Path(__file__).parents[2] / "shared" / "data"))
needs_faces = pytest.mark.skipif(
    not (DATA / "ferplus_test.npz").is_file(), reason="FER+ is not here"
)
ARMS = {arm.name: arm for arm in TRAINED}
LAST = "fooled-20"

pytestmark = pytest.mark.usefixtures("one_thread")


def network(name: str) -> nn.Module:
    return SurrogateFolder.named(name).load()


def gradient(of: nn.Module, pictures: Tensor) -> Tensor:
    tried = pictures.clone().requires_grad_()
    (found,) = torch.autograd.grad(of(tried)[:, 0].sum(), tried)
    return found


def faces(count: int, size_px: int = 48) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Smooth grey pictures with a border of black and white, where a change is cut."""
    random = np.random.default_rng(0)
    small = torch.from_numpy(random.uniform(0, 255, (count, 1, 6, 6)))
    large = F.interpolate(small, (size_px, size_px), mode="bilinear")[:, 0].numpy()
    large[:, :4], large[:, -4:] = 0, 255
    return large.astype(np.uint8)


@pytest.mark.parametrize("trick", [trick for trick in TRICKS if trick != AS_IT_IS])
def test_a_trick_keeps_the_answers_and_changes_what_stages_do(trick: Trick) -> None:
    plain = network("residual48")
    other = with_trick(plain, trick)
    pictures = torch.from_numpy(faces(3))[:, None].float() / 255
    torch.testing.assert_close(other(pictures), plain(pictures), atol=1e-5, rtol=1e-5)
    told: dict[str, Any] = {"stages": [2], "epsilon_levels": 6.0, "seed": 0}
    ends = [
        chained(some, faces(3), trick=way, **told)[0]
        for some, way in ((plain, AS_IT_IS), (other, trick))
    ]
    assert (ends[0] != ends[1]).mean() > 0.01


def test_gradients_by_hand() -> None:
    class Residual(nn.Module):
        size_px = 4

        def __init__(self) -> None:
            super().__init__()
            self.shortcut = nn.Identity()
            self.body = nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Linear(16, 16), nn.ELU())

        def forward(self, pictures: Tensor) -> Tensor:
            result: Tensor = self.shortcut(pictures).flatten(1) + self.body(pictures)
            return result

    torch.manual_seed(0)
    plain = Residual().eval()
    pictures = torch.randn(5, 1, 4, 4)
    shortcut = torch.zeros(5, 16)
    shortcut[:, 0] = 1
    body = gradient(plain, pictures).flatten(1) - shortcut
    skipped = gradient(with_trick(plain, "skip gradients"), pictures).flatten(1)
    torch.testing.assert_close(skipped, shortcut + body / 2)
    flat = pictures.flatten(1)
    weight = plain.body[2].weight.data[0]
    linear = gradient(with_trick(plain, "linear backward"), pictures).flatten(1)
    torch.testing.assert_close(linear, shortcut + weight * (flat > 0))
    before = plain.body[2](flat.relu())[:, :1]
    soft = gradient(with_trick(plain, "softened backward"), pictures).flatten(1)
    slopes = torch.sigmoid(5 * before) * weight * torch.sigmoid(5 * flat)
    torch.testing.assert_close(soft, shortcut + slopes)


def test_skip_gradients_need_residual_bodies() -> None:
    plain = network("plain48")
    assert not has_trick(plain, "skip gradients")
    with pytest.raises(SettingError, match="residual"):
        with_trick(plain, "skip gradients")


def test_the_chain_keeps_its_budget_fools_and_is_the_beginning_of_a_longer_one() -> None:
    plain, clean = network("plain48"), faces(4)
    short, long = chained(
        plain, clean, stages=[3, 12], epsilon_levels=4, trick=AS_IT_IS, seed=1
    )  # fmt: skip
    (again,) = chained(plain, clean, stages=[3], epsilon_levels=4, trick=AS_IT_IS, seed=1)
    np.testing.assert_array_equal(short, again)
    assert np.abs(long.astype(int) - clean).max() == 4
    assert np.abs(short.astype(int) - clean).max() <= 3

    def truth(pictures: Any) -> Tensor:
        read = plain(torch.from_numpy(pictures)[:, None].float() / 255).softmax(1)
        first = plain(torch.from_numpy(clean)[:, None].float() / 255).argmax(1)
        return read.gather(1, first[:, None]).mean()

    assert truth(long) < truth(short) < truth(clean)


def test_several_networks_take_turns() -> None:
    networks = [network("plain48"), network("branches40")]
    pictures = torch.from_numpy(faces(3))[:, None].float() / 255
    joint = InTurn(networks)
    tried = pictures.clone().requires_grad_()
    torch.testing.assert_close(joint(tried), networks[0](pictures).log_softmax(1))
    small = F.interpolate(pictures, (40, 40), mode="bilinear", antialias=True)
    torch.testing.assert_close(joint(tried), networks[1](small).log_softmax(1))
    torch.testing.assert_close(joint(tried), networks[0](pictures).log_softmax(1))
    both = (networks[0](pictures).log_softmax(1) + networks[1](small).log_softmax(1)) / 2
    torch.testing.assert_close(joint(pictures), both)


def test_the_control_has_equal_energy_and_knows_nothing() -> None:
    clean = np.full((40, 48, 48), 128, np.uint8)
    after = clean.copy()
    after[:, 10:30, 10:30] += faces(40)[:, 10:30, 10:30] // 16
    drawn = control(clean, after, 0)
    change, random = after.astype(float) - clean, drawn.astype(float) - clean
    assert np.square(random).sum() == pytest.approx(np.square(change).sum(), rel=0.1)
    assert np.abs(random).max() <= np.abs(change).max()
    along = np.corrcoef(change.ravel(), random.ravel())[0, 1]
    assert abs(along) < 0.1
    assert (control(clean, after, 1) != drawn).any()


def test_changes_to_training_pictures() -> None:
    torch.manual_seed(0)
    pictures = torch.from_numpy(faces(6))[:, None].float() / 255
    coded = through_jpeg(pictures, 15, 60)
    assert 0.001 < float((coded - pictures).abs().mean()) < 0.05
    detail = torch.rand(4, 1, 48, 48)
    assert float(resized(detail, 16).std()) < 0.8 * float(detail.std())
    assert resized(detail, 16).shape == detail.shape
    lit = lit_from_a_side(torch.full((50, 1, 48, 48), 0.5), 0.4) - 0.5
    assert 0.1 < float(lit.abs().max()) <= 0.4 / 2**0.5
    assert abs(float(lit.mean())) < 1e-6


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_every_loss_is_learnt(name: Any) -> None:
    torch.manual_seed(0)
    learner = nn.Sequential()
    learner.add_module(
        "features", nn.Sequential(nn.Conv2d(1, 8, 5, 3), nn.BatchNorm2d(8), nn.ELU())
    )
    learner.add_module("head", nn.Sequential(nn.Flatten(), nn.Linear(8 * 15 * 15, 8)))
    pictures = torch.from_numpy(faces(16))[:, None].float() / 255
    labels = torch.eye(8)[torch.arange(16) % 8]
    strength = {"margin": 4.0, "distilled": 2.0, "adversarial": 1.0}.get(name, 0.5)
    optimiser = torch.optim.Adam(learner.parameters(), 0.01)
    losses = []
    for _ in range(25):
        loss = LOSSES[name](learner, pictures, labels, strength)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.2


def test_the_margin_is_that_of_the_worst_other_class() -> None:
    logits = torch.tensor([[3.0, 1, 0, 0, 0, 0, 0, 2], [0.0, 9, 0, 0, 0, 0, 0, 0]])
    learner = nn.Flatten()
    labels = torch.eye(8)[[0, 1]]
    loss = LOSSES["margin"](learner, logits[:, None, None], labels, 4.0)
    assert float(loss) == pytest.approx((4 - (3 - 2)) / 2)


def measured(better: bool) -> Measured:
    """Two readers, 200 faces; the arm's face by face no worse, or the same."""
    random = np.random.default_rng(0)
    sure = {f"sure-{name}": random.random(200) < 0.8 for name in ("a", "b")}
    labels = {f"label-{name}": np.zeros(200, np.int64) for name in ("a", "b")}
    told = {name: {"family": name, "own": True} for name in ("net", "a", "b")}
    clean = Made({"readers": told}, {**sure, **labels})
    base = {f"{what}-{name}": random.random(200) < 0.5
            for what in (LAST, "control") for name in ("a", "b")}  # fmt: skip
    white = {f"white-{LAST}": np.ones(200, bool), "white-control": np.zeros(200, bool)}
    gained = {key: value | (random.random(200) < 0.2) if better and LAST in key else value
              for key, value in base.items()}  # fmt: skip
    figures = {"accuracy": {"ferplus": 0.8}, "psnr": 35.0}
    taught = {key: np.zeros(200, bool) for key in base}

    def order(arm: str, teachers: list[str]) -> dict[str, Any]:
        named = replace(ARMS[arm]).order() if arm else None
        return {"network": "net", "arm": named, "teachers": teachers, "trick": AS_IT_IS}

    orders = [order(CONTROL, []), order("light", []),
              order("distillation", ["a"]), order("distillation", ["b"])]  # fmt: skip
    made = [
        Made(figures, base | white),
        Made(figures, gained | white),
        Made(figures, taught | {key: gained[key] for key in gained if key.endswith("b")} | white),
        Made(figures, taught | {key: gained[key] for key in gained if key.endswith("a")} | white),
    ]
    return Measured(orders, made, clean, [20], 0)


def test_gains_are_paired_and_no_teacher_is_asked() -> None:
    found = measured(better=True)
    arm, base = Row("net", "light", AS_IT_IS), Row("net", CONTROL, AS_IT_IS)
    shares = [found.share(row, LAST, ["a", "b"]) for row in (arm, base)]
    gain = found.gain(arm, LAST, ["a", "b"])
    assert gain is not None
    assert shares[0] is not None
    assert shares[1] is not None
    assert gain.value == pytest.approx(shares[0].value - shares[1].value)
    assert gain.low > 0.05, "no face is worse, so the interval of pairs is clear of zero"
    assert gain.high - gain.low < shares[0].high - shares[0].low
    distilled = Row("net", "distillation", AS_IT_IS)
    assert found.share(distilled, LAST, ["a", "b"]) == shares[0]
    assert found.gain(base, LAST, ["a", "b"]) == type(gain)(0.0, 0.0, 0.0)
    assert wins(found, arm)
    assert not wins(measured(better=False), arm)


def test_a_face_on_which_nobody_was_sure_does_not_count() -> None:
    found = measured(better=True)
    row = Row("net", CONTROL, AS_IT_IS)
    share = found.share(row, LAST, ["a"])
    assert share is not None
    (_, made), *_ = found._folds[row]
    sure = found._clean["sure-a"]
    assert share.value == pytest.approx(made.arrays[f"{LAST}-a"][sure].mean())


def test_the_text_follows_the_figures() -> None:
    counts = {"ferplus": 200}
    better = " ".join(text_of(TransferOptions(), measured(better=True), counts))
    assert "light +" in better
    assert "win" in better
    same = " ".join(text_of(TransferOptions(), measured(better=False), counts))
    assert "none wins" in same
    assert "No difference told: light" in same
    assert figures_of(measured(better=True))["winners"] == ["net: light", "net: distillation"]


def test_labels_take_turns() -> None:
    labels = np.eye(8, dtype=np.float32)[[0] * 50 + [1] * 3 + [2] * 20]
    some = Faces(np.zeros((73, 4, 4), np.uint8), labels)
    chosen = evenly(some, 21, seed=0)
    assert np.bincount(some.majority[chosen]).tolist() == [9, 3, 9]
    assert len(set(chosen.tolist())) == 21


@pytest.mark.parametrize(
    "given", [{"arms": ["luck"]}, {"stages": [0]}, {"tuned": [], "tricked": []}, {"steps": "x"}]
)
def test_options_that_cannot_be_used_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(SettingError):
        TransferOptions.of(given)


def test_findings_do_not_tell_where_files_lie() -> None:
    options = TransferOptions.of({"recognisers": ["/home/somebody/fer.onnx"]})
    assert options.model_dump(mode="json")["recognisers"] == ["fer"]
    assert options.recognisers == (Path("/home/somebody/fer.onnx"),)


def test_data_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound):
        sets_at(tmp_path / "none")


@needs_faces
def test_a_tiny_run_and_its_resumption(tmp_path: Path) -> None:
    given = {
        "data": DATA, "arms": ["weight averaging", "distillation"], "tricked": ["branches40"],
        "faces": 12, "scored": 60, "steps": 3, "batch": 16, "stages": [2, 5],
        "together": ["separable64", "branches40"],
    }  # fmt: skip
    run_experiment(experiment_named("transfer"), given, tmp_path)
    record = Record.read(tmp_path / Transfer.name)
    tables = {table.name: table for table in record.findings.tables}
    rows = tables["transfer-trained"].rows
    assert [row["ingredient"] for row in rows] == [CONTROL, "distillation", "weight averaging"]
    assert rows[0]["unseen gain"] == 0
    assert all(0.5 < row["right on FER+"] < 1 for row in rows)
    assert all(row["unseen from"] <= row["unseen gain"] <= row["unseen to"] for row in rows)
    tricks = [row for row in tables["transfer-gradients"].rows if row["network"] == "branches40"]
    assert [row["ingredient"] for row in tricks] == [
        trick for trick in TRICKS if trick != "skip gradients"
    ]
    joint = tables["transfer-together"].rows
    assert [row["ingredient"] for row in joint] == [AS_IT_IS, CONTROL, "distillation"]
    asked = {name for name, value in tables["transfer-readers"].rows[-1].items() if value}
    assert not {"separable64", "branches40"} & asked
    readers = tables["transfer-readers"].rows[0]
    assert readers["plain48"] is None
    assert 0 <= readers["dense40"] <= 1
    assert all(row["white-box"] > row["unseen, random"] for row in rows)

    kept = tmp_path / "transfer" / "kept"
    before = {file.name: file.stat().st_mtime_ns for file in kept.glob("*.npz")}
    run_experiment(experiment_named("transfer"), given, tmp_path)
    assert {file.name: file.stat().st_mtime_ns for file in kept.glob("*.npz")} == before
    assert Record.read(tmp_path / "transfer").findings.tables == record.findings.tables
