"""The experiment on chains: its findings, what it keeps and refuses, and how it is published."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="the extra lab is not installed")
pytest.importorskip("foolbox", reason="the extra lab is not installed")

import typer  # noqa: E402
from scipy import stats  # noqa: E402
from torch import nn  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

import camfilter  # noqa: E402
from camfilter.errors import SettingError, SourceNotFound, UnknownSurrogate  # noqa: E402
from camfilter.lab.attacks import Classifier  # noqa: E402
from camfilter.lab.caa import Chaining  # noqa: E402
from camfilter.lab.caa.faces import found_sets  # noqa: E402
from camfilter.lab.experiment.findings import Drawing, Findings, Record  # noqa: E402
from camfilter.lab.experiment.running import experiment_named, run_experiment  # noqa: E402
from camfilter.lab.networks import SurrogateFolder  # noqa: E402

DATA = Path(
    os.environ.get("CAMFILTER_DATA", Path(str(camfilter.__file__)).parents[2] / "shared" / "data")
)
NEEDS_FERPLUS = pytest.mark.skipif(
    not (DATA / "ferplus_test.npz").is_file(), reason=f"FER+ is not in {DATA}"
)
EPSILON = 2 / 255

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def plain48() -> Classifier:
    return Classifier(SurrogateFolder.named("plain48").load(), 8, 48)


def test_data_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match="There is no data"):
        found_sets(tmp_path / "nowhere", ())
    with pytest.raises(SettingError, match="has no set 'lfw'"):
        found_sets(tmp_path, ("lfw",))
    assert found_sets(tmp_path, ()) == {"yours": tmp_path}


def small(**options: Any) -> dict[str, Any]:
    return {
        "data": DATA, "sets": ("ferplus",), "faces": 16, "epsilons": (0.001, 0.0001, 2 / 255),
        "chain_length": 3, "sides": False,
    } | options  # fmt: skip


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run, with all its sides."""
    out = tmp_path_factory.mktemp("lab")
    sides = {"sides": True, "side_faces": 8, "side_epsilons": (EPSILON,),
             "side_attacks": ("pgd", "deepfool"), "side_networks": ("separable64",)}  # fmt: skip
    run_experiment(experiment_named("caa"), small(**sides), out)
    return out / "caa"


def opened(file: Path) -> dict[str, NDArray[Any]]:
    with np.load(file) as arrays:
        return dict(arrays)


def rows_of(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text().splitlines()))


@NEEDS_FERPLUS
def test_findings_hold_every_chain_in_both_forms(findings: Path) -> None:
    rows = rows_of(findings / "caa-all.csv")
    keys = {(row["chain"], row["epsilon"], row["length"], row["form"]) for row in rows}
    assert len(rows) == len(keys) == 2 * 3 * 3 * 2
    by_key = {(r["chain"], r["epsilon"], r["length"], r["form"]): r for r in rows}
    for chain in ("CUA", "CTA"):
        for length in ("1", "2", "3"):
            linf = float(by_key[chain, "0.001", length, "float"]["linf"])
            assert linf == pytest.approx(int(length) * 0.001, rel=1e-3)
            tiny = by_key[chain, "0.0001", length, "rint"]
            assert (float(tiny["l0_px"]), float(tiny["l2"])) == (0, 0)
            assert float(tiny["fool_rate"]) == 0
        # A quarter of a level is rounded away; two of them are just over a half.
        assert float(by_key[chain, "0.001", "1", "rint"]["l0_px"]) == 0
        assert float(by_key[chain, "0.001", "2", "rint"]["linf"]) == pytest.approx(
            1 / 255, rel=1e-4
        )
    assert float(by_key["CUA", "2/255", "3", "float"]["fool_rate"]) > 0.8
    assert (
        by_key["CUA", "2/255", "2", "rint"]["fool_rate"]
        == (by_key["CUA", "2/255", "2", "float"]["fool_rate"])
    )


@NEEDS_FERPLUS
def test_findings_agree_with_a_computation_from_nothing(
    findings: Path, plain48: Classifier
) -> None:
    sixteen = next(
        arrays
        for arrays in map(opened, (findings / "kept").glob("faces-ferplus-*.npz"))
        if len(arrays["a-labels"]) == 16
    )
    pictures = torch.from_numpy(sixteen["a-pictures"]).float()[:, None] / 255
    labels = plain48.read(pictures).argmax(dim=1)
    seen = pictures
    for _ in range(3):
        leaf = seen.clone().requires_grad_(True)
        nn.functional.cross_entropy(plain48.logits(leaf), labels).backward()
        seen = (seen + EPSILON * leaf.grad.sign()).clamp(0, 1)  # type: ignore[union-attr]
    logits = plain48.read(seen)
    (row,) = [
        row
        for row in rows_of(findings / "caa-all.csv")
        if (row["chain"], row["epsilon"], row["length"], row["form"])
        == ("CUA", "2/255", "3", "float")
    ]
    assert float(row["fool_rate"]) == pytest.approx(
        float((logits.argmax(dim=1) != labels).double().mean())
    )
    shares = torch.softmax(logits.double(), dim=1).numpy()
    assert float(row["entropy_bits"]) == pytest.approx(
        stats.entropy(shares, base=2, axis=1).mean(), rel=1e-3
    )
    assert float(row["l2"]) == pytest.approx(
        float((seen - pictures).double().flatten(1).norm(dim=1).mean()), rel=1e-3
    )


@NEEDS_FERPLUS
def test_findings_put_the_paper_beside_ours(findings: Path) -> None:
    rows = rows_of(findings / "caa-paper.csv")
    given = {(r["measure"], r["chain"], r["epsilon"]): float(r["paper"]) for r in rows}
    assert given["fool rate", "CTA", "0.0001"] == 0.4833
    assert given["L2", "CUA", "0.001"] == 0.4001
    assert given["L0", "CTA", "0.0001"] == 0.0008
    assert given["entropy", "CTA", "0.001"] == 0.0007
    linf = next(row for row in rows if row["measure"] == "Linf" and row["epsilon"] == "0.001")
    assert float(linf["over_first"]) == pytest.approx(1, rel=1e-3)
    forms = {row["form"] for row in rows_of(findings / "caa-forms.csv")}
    assert forms == {
        "paper's", "relabelled", "in the ball", "straight to neutral", "neutral by way of three",
        "on separable64", "stages of pgd", "stages of deepfool",
    }  # fmt: skip


@NEEDS_FERPLUS
def test_the_page_tells_what_rounding_leaves(findings: Path) -> None:
    page = (findings / "caa.md").read_text()
    assert "CUA, epsilon 0.0001, FER+: after rint no pixel differs at any length up to 3" in page
    assert "first length that changes a pixel is 2" in page
    for picture in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page):
        assert (findings / picture).read_bytes()[1:4] == b"PNG"
    record = json.loads((findings / "results.json").read_text())
    assert sum(record["figures"]["classes"]["ferplus"].values()) == 16
    assert str(DATA) not in page


@NEEDS_FERPLUS
def test_a_second_run_computes_nothing_and_more_epsilons_only_themselves(tmp_path: Path) -> None:
    def kept() -> dict[str, int]:
        folder = tmp_path / "caa" / "kept"
        return {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}

    run_experiment(Chaining(), small(epsilons=(0.001,)), tmp_path)
    first = kept()
    page = rows_of(tmp_path / "caa" / "caa-all.csv")
    run_experiment(Chaining(), small(epsilons=(0.001,)), tmp_path)
    assert kept() == first
    assert rows_of(tmp_path / "caa" / "caa-all.csv") == page
    run_experiment(Chaining(), small(epsilons=(0.001, 0.01)), tmp_path)
    assert kept().items() > first.items()
    assert len(kept()) == len(first) + 2


@NEEDS_FERPLUS
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"networks": ("nonsense",)}, UnknownSurrogate),
        ({"attacks": ("nonsense",)}, SettingError),
        ({"side_attacks": ("nonsense",), "sides": True}, SettingError),
    ],
)
def test_names_that_are_nobodys_are_refused_before_anything_runs(
    tmp_path: Path, options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error, match="nonsense") as caught:
        run_experiment(Chaining(), small(**options), tmp_path)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "caa" / "kept").glob("chains*"))


def test_ones_own_faces_and_an_attack_without_targets(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for part in ("train", "valid", "test"):
        for expression in ("happiness", "fear"):
            folder = tmp_path / "mine" / part / expression
            folder.mkdir(parents=True)
            for index in range(4):
                cv2.imwrite(
                    str(folder / f"{index}.png"), random.integers(0, 255, (48, 48), np.uint8)
                )
    options = small(data=tmp_path / "mine", sets=(), attacks=("deepfool",), faces=8)
    run_experiment(Chaining(), options, tmp_path / "out")
    rows = rows_of(tmp_path / "out" / "caa" / "caa-all.csv")
    assert {(row["set"], row["chain"], row["epsilon"]) for row in rows} == {
        ("your faces", "CUA", "–")  # noqa: RUF001
    }
    assert {row["fool_rate"] for row in rows if row["form"] == "float"} == {"1.0"}


# What is published


def publish(*arguments: object) -> tuple[int, str]:
    script = Path(__file__).resolve().parents[1] / "scripts" / "publish_lab.py"
    spec = importlib.util.spec_from_file_location("publish_lab", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    app = typer.Typer()
    app.command()(module.main)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output


@NEEDS_FERPLUS
def test_findings_are_published_flat_and_their_links_lead_there(
    findings: Path, tmp_path: Path
) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "caa-of-old.png").write_bytes(b"")
    (docs / "other.md").write_text("")
    code, output = publish(findings, "--docs", docs)
    assert code == 0, output
    names = {file.name for file in docs.iterdir()}
    assert {"caa.md", "caa-all.csv", "other.md"} <= names
    assert "caa-of-old.png" not in names
    links = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", (docs / "caa.md").read_text())
    assert links
    assert all((docs / link).is_file() and link.startswith("caa-") for link in links)


def test_a_first_look_is_not_published(tmp_path: Path) -> None:
    values = {"name": "x", "title": "X", "quick": True, "seconds": 1, "machine": "", "options": {},
              "text": [], "tables": [], "drawings": [], "figures": {}}  # fmt: skip
    (tmp_path / "results.json").write_text(json.dumps(values))
    (tmp_path / "x.md").write_text("# X\n")
    code, output = publish(tmp_path, "--docs", tmp_path / "docs")
    assert (code, (tmp_path / "docs").exists()) == (1, False)
    assert "first look" in output
    code, output = publish(tmp_path / "nowhere")
    assert code == 1
    assert "There are no findings" in output
    values["quick"] = False
    values["drawings"] = [{"name": "line", "title": "A line"}]
    (tmp_path / "results.json").write_text(json.dumps(values))
    (tmp_path / "line.png").write_bytes(b"\x89PNG")
    (tmp_path / "x.md").write_text("# X\n\n![A line](line.png)\n")
    assert publish(tmp_path, "--docs", tmp_path / "docs")[0] == 0
    assert "![A line](x-line.png)" in (tmp_path / "docs" / "x.md").read_text()
    assert (tmp_path / "docs" / "x-line.png").read_bytes() == b"\x89PNG"


def test_drawings_of_the_data_s_own_pictures_are_not_published(tmp_path: Path) -> None:
    shown = [Drawing("line", "A line", b"1"), Drawing("faces", "Faces", b"2", shows_data=True)]
    findings = Findings(["A text."], [], shown)
    source, docs = tmp_path / "x", tmp_path / "docs"
    Record("x", "X", {}, False, 1.0, findings, "a machine").write(source)
    assert publish(source, "--docs", docs)[0] == 0
    assert sorted(file.name for file in docs.iterdir()) == ["x-line.png", "x.md"]
    assert "faces" not in (docs / "x.md").read_text()
    assert Record.read(source).findings.drawings == findings.drawings
