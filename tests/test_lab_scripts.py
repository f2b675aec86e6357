from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from camfilter.errors import SurrogateError
from camfilter.expressions import EXPRESSIONS
from camfilter.lab.model_card import BEGIN, END, with_accuracy

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


@pytest.fixture(autouse=True)
def _same_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def invoke(script: str, *arguments: object) -> tuple[int, str]:
    spec = importlib.util.spec_from_file_location(script, SCRIPTS / f"{script}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    app = typer.Typer()
    app.command()(module.main)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, " ".join(result.output.split())


@pytest.fixture
def own_faces(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for part, count in (("train", 66), ("valid", 4), ("test", 4)):
        for emotion in ("happiness", "fear"):
            folder = tmp_path / "faces" / part / emotion
            folder.mkdir(parents=True)
            for index in range(count):
                picture = random.integers(0, 255, (48, 48), np.uint8)
                cv2.imwrite(str(folder / f"{index}.png"), picture)
    return tmp_path / "faces"


def test_training_on_own_faces_and_resuming(own_faces: Path, tmp_path: Path) -> None:
    common = ("plain48", "--data", own_faces, "--out", tmp_path / "run", "--threads", 1)
    code, output = invoke("train_surrogate", *common, "--epochs", 1)
    assert code == 0, output
    assert "epoch 1/1" in output
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["pictures"] == {"train": 132, "valid": 8, "test": 8}
    code, output = invoke("train_surrogate", *common, "--epochs", 1, "--resume")
    assert code == 0, output
    assert "epoch" not in output
    code, output = invoke("train_surrogate", *common, "--epochs", 2, "--resume")
    assert code == 1
    assert "another recipe" in output


@pytest.mark.parametrize("script", ["train_surrogate", "export_step"])
def test_an_unknown_surrogate_is_one_line(script: str) -> None:
    code, output = invoke(script, "absent")
    assert code == 1
    assert "There is no surrogate 'absent'" in output
    assert "plain48" in output
    assert "Traceback" not in output


def test_missing_data_is_one_line(tmp_path: Path) -> None:
    code, output = invoke("train_surrogate", "plain48", "--data", tmp_path / "none")
    assert code == 1
    assert "There is no data" in output


METRICS = {
    "parameters": 1234,
    "pictures": {"train": 100, "valid": 10, "test": 16},
    "epochs": [{"epoch": 7, "valid_average": 0.75}],
    "test": {
        "pictures": 16,
        "accuracy": 0.8125,
        "recall": dict.fromkeys(EXPRESSIONS, 0.5),
        "precision": dict.fromkeys(EXPRESSIONS, 0.25),
        "confusion": (2 * np.eye(8, dtype=int)).tolist(),
    },
}


def test_the_card_holds_the_figures_and_keeps_its_text() -> None:
    card = f"# Name\n\n{BEGIN}\nold\n{END}\n\n## Limits\n"
    once = with_accuracy(card, METRICS)
    assert "**81.25 %** of 16" in once
    assert "| disgust | 2 | 50.0 % | 25.0 % |" in once
    assert "old" not in once
    assert once.startswith("# Name\n")
    assert once.endswith("## Limits\n")
    assert with_accuracy(once, METRICS) == once


def test_a_card_without_a_place_is_refused() -> None:
    with pytest.raises(SurrogateError, match="no place"):
        with_accuracy("# Name\n", METRICS)
