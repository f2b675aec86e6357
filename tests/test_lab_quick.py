"""The commands as a person calls them: first looks at all experiments, an attack from outside."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the extra lab is not installed")
pytest.importorskip("foolbox", reason="the extra lab is not installed")

import camfilter  # noqa: E402
from camfilter.__main__ import main  # noqa: E402

ROOT = Path(str(camfilter.__file__)).parents[1]
DATA = Path(os.environ.get("CAMFILTER_DATA", ROOT.parent / "shared" / "data"))
NAMES = ("caa", "bench", "faceoff", "summary", "imbalance", "transfer")
LONGEST_S = 60

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(
        not all((DATA / name).is_file() for name in ("ferplus_test.npz", "lfw_expressions.zip")),
        reason=f"FER+ and LFW are not in {DATA}",
    ),
]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lab")


@pytest.mark.parametrize("name", NAMES)
def test_a_first_look_takes_less_than_a_minute_of_one_core(out: Path, name: str) -> None:
    started_s = time.process_time()
    assert main(["lab", name, "--quick", "--data", str(DATA), "--out", str(out)]) == 0
    assert time.process_time() - started_s < LONGEST_S
    results = json.loads((out / name / "results.json").read_text())
    assert results["quick"]
    assert results["text"]
    for kind, written in (("tables", "csv"), ("drawings", "png")):
        assert results[kind]
        assert all(
            (out / name / f"{one['name']}.{written}").stat().st_size for one in results[kind]
        )
    assert f'id="{name}"' in (out / "report.html").read_text()


def test_an_attack_of_another_distribution_is_benched_as_documented(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "lab.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (declared,) = re.findall(r'entry-points\."(camfilter\.attacks)"\]\nnoise = "(.*?)"', text)
    group, entry = declared
    module = entry.partition(":")[0].replace(".", "/")
    package = tmp_path / "site"
    (package / module).parent.mkdir(parents=True)
    (package / f"{module}.py").write_text(example)
    facts = package / "my_package-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[{group}]\nnoise = {entry}\n")
    config = tmp_path / "small.toml"
    config.write_text(
        'subjects = ["identity"]\npeople = 4\nmost_pictures = 40\nsize_px = 16\nepochs = 2\n'
        "probes = 16\nlessons = 16\n"
    )
    words = ["lab", "bench", "--config", str(config), "--data", str(DATA), "--attacks", "noise",
             "--detectors", "noise-reduction", "--mitigations", "blur", "--out",
             str(tmp_path / "out")]  # fmt: skip
    subprocess.run(
        [sys.executable, "-m", "camfilter", *words], check=True, capture_output=True,
        env=os.environ | {"PYTHONPATH": f"{package}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    tables = json.loads((tmp_path / "out" / "bench" / "results.json").read_text())["tables"]
    (row,) = next(table for table in tables if table["name"] == "identity-attacks")["rows"]
    assert row["attack"] == "noise"
    assert row["Linf in levels"] == pytest.approx(8, abs=0.01)
