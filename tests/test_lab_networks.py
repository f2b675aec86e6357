from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from camfilter.errors import SurrogateError, UnknownSurrogate
from camfilter.lab.networks import SurrogateFolder, load_weights, save_weights, size_of

REPOSITORY = Path(__file__).resolve().parents[1]

NAMES = sorted(path.parent.name for path in (REPOSITORY / "models").glob("*/network.py"))

HEAD = "from torch import nn\nclass Tiny(nn.Sequential):\n    size_px = 16\n"
RIGHT = HEAD + "def build():\n    return Tiny(nn.Flatten(), nn.Dropout(), nn.Linear(256, 8))\n"


def folder(tmp_path: Path, code: str) -> SurrogateFolder:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "network.py").write_text(code)
    return SurrogateFolder.named("tiny", tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_network_builds_and_loads(name: str) -> None:
    surrogate = SurrogateFolder.named(name)
    network = surrogate.load()
    size = size_of(network)
    assert not network.training
    assert network(torch.zeros(1, 1, size, size)).shape == (1, 8)


def test_a_folder_is_all_that_a_surrogate_needs(tmp_path: Path) -> None:
    surrogate = folder(tmp_path, RIGHT)
    network = surrogate.build()
    assert network.training
    save_weights(network, surrogate.checkpoint)
    loaded = surrogate.load()
    picture = torch.rand(2, 1, 16, 16)
    assert torch.equal(loaded(picture), network.eval()(picture))


def test_the_same_weights_give_the_same_file(tmp_path: Path) -> None:
    network = folder(tmp_path, RIGHT).build()
    save_weights(network, tmp_path / "a")
    save_weights(network, tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("name", ["absent", "../tiny", ""])
def test_an_unknown_surrogate_names_the_known_ones(name: str, tmp_path: Path) -> None:
    folder(tmp_path, RIGHT)
    with pytest.raises(UnknownSurrogate, match="tiny"):
        SurrogateFolder.named(name, tmp_path)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = 1\n", "does not build"),
        ("import nowhere_at_all\n", "does not build"),
        ("def build():\n    return 3\n", "not a torch module"),
        ("from torch import nn\ndef build():\n    return nn.Linear(1, 8)\n", "size_px"),
        (HEAD + "def build():\n    return Tiny(nn.Flatten(), nn.Linear(256, 7))\n", "maps"),
        (HEAD + "def build():\n    return Tiny(nn.Flatten(), nn.Linear(9, 8))\n", "does not take"),
    ],
)
def test_a_wrong_network_is_refused(code: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SurrogateError, match=message):
        folder(tmp_path, code).build()


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(255, 8)), "has shape"),
        (nn.Sequential(nn.Flatten(), nn.Linear(256, 8)), "no counterpart"),
    ],
)
def test_weights_of_another_network_are_refused(
    other: nn.Module, message: str, tmp_path: Path
) -> None:
    surrogate = folder(tmp_path, RIGHT)
    save_weights(other, surrogate.checkpoint)
    with pytest.raises(SurrogateError, match=message):
        surrogate.load()


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    network = folder(tmp_path, RIGHT).build()
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    with pytest.raises(SurrogateError, match="cannot be read"):
        load_weights(network, tmp_path / "weights.pt")


def test_missing_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SurrogateError, match="cannot be read"):
        folder(tmp_path, RIGHT).load()
