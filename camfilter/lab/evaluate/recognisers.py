"""Who reads: the project's own networks, and any foreign one in an ONNX file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import cv2
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

import onnx
from camfilter.errors import SettingError
from camfilter.frames import Pixels
from camfilter.lab.evaluate.cropping import CropRule
from camfilter.lab.evaluate.description import Colour, Description, Kind, Layout, Output
from camfilter.lab.evaluate.filtering import family_of
from camfilter.surrogate.manifest import GraphKind, GraphSpec, Manifest, graphs_folder, read_graph
from camfilter.surrogate.provider import Provider, open_session
from camfilter.surrogate.reading import softmax

__all__ = ["ForeignRecogniser", "OwnRecogniser", "Recogniser", "load_recognisers"]

Probabilities = NDArray[np.float32]

_LARGEST_FILE_BYTES: Final = 512 * 2**20
_WORKING_PX: Final = 128
"""Crops are cut at this size at least, so that counter-measures work on what the spy received."""


class Recogniser(Protocol):
    """Reads expressions in crops of faces."""

    @property
    def name(self) -> str:
        """In options and reports; unique in an evaluation."""

    @property
    def family(self) -> str:
        """Networks of one family are unseen together."""

    @property
    def kind(self) -> Kind | None:
        """Whose it is; None for the project's own."""

    @property
    def classes(self) -> tuple[str, ...]:
        """What each column of the answer means."""

    @property
    def rule(self) -> CropRule:
        """How its crops are cut."""

    @property
    def key(self) -> str:
        """Hash of all that decides its answers."""

    def read(self, crops: Sequence[Pixels]) -> Probabilities:
        """Probabilities (n, classes) of crops (size, size, 3) uint8, BGR, one or more."""


class OwnRecogniser:
    """One of the project's networks, as a spy would use it.

    Args:
        spec: its graph for one face that reads.
        folder: of the graphs.
        family: of the network.
        threads: CPU threads.

    Raises:
        GraphRefused: the graph is missing, damaged or not the manifest's.
    """

    kind = None

    def __init__(self, spec: GraphSpec, folder: Path, family: str, threads: int = 1) -> None:
        self._session, _ = open_session(read_graph(folder, spec), Provider.CPU, threads)
        self._size_px = spec.size_px
        self.name, self.family, self.key = spec.surrogate, family, spec.sha256
        self.classes = spec.classes
        self.rule = CropRule(max(_WORKING_PX, spec.size_px))

    def read(self, crops: Sequence[Pixels]) -> Probabilities:
        """Probabilities (n, 8) of crops (size, size, 3) uint8, BGR, one or more."""
        rows = []
        for crop in crops:
            luma = cv2.cvtColor(_scaled(crop, self._size_px), cv2.COLOR_BGR2GRAY)
            picture = luma[None, None].astype(np.float32) / np.float32(255)
            rows.append(self._session.run(["logits"], {"picture": picture})[0])
        return softmax(np.concatenate(rows))


class ForeignRecogniser:
    """A recogniser in an ONNX file that somebody else made, with its description.

    The file is not trusted: too large a file, weights outside the file, other inputs than one
    batch of pictures and an answer that does not fit the classes are refused.

    Args:
        path: of the ONNX file; the description lies beside it, with the suffix .toml.
        threads: CPU threads.

    Raises:
        SettingError: the file or its description cannot be used.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        self.description = Description.load(path.with_suffix(".toml"))
        content = _trusted_enough(path)
        self._session, self._input, fixed = _opened(content, path, threads)
        self._batch = fixed
        told = self.description
        self.name, self.family, self.classes = told.name, told.family, told.classes
        self.kind: Kind | None = told.kind
        self.rule = CropRule(max(_WORKING_PX, told.size_px), told.margin)
        self.key = hashlib.sha256(content + told.model_dump_json().encode()).hexdigest()
        self._scale = np.broadcast_to(np.asarray(told.scale, np.float32), (told.channels,))
        self._offset = np.broadcast_to(np.asarray(told.offset, np.float32), (told.channels,))
        self._prove(path)

    def read(self, crops: Sequence[Pixels]) -> Probabilities:
        """Probabilities (n, classes) of crops (size, size, 3) uint8, BGR, one or more."""
        batch = np.stack([self._prepared(crop) for crop in crops])
        size = self._batch or len(batch)
        parts = []
        for start in range(0, len(batch), size):
            part = batch[start : start + size]
            missing = size - len(part) if self._batch else 0
            if missing:
                part = np.concatenate([part, np.repeat(part[-1:], missing, axis=0)])
            (answer, *_) = self._session.run(None, {self._input: np.ascontiguousarray(part)})
            parts.append(np.asarray(answer, np.float32)[: size - missing])
        answers = np.concatenate(parts).reshape(len(batch), -1)
        if self.description.output is Output.LOGITS:
            return softmax(answers)
        total = answers.sum(axis=1, keepdims=True)
        return np.asarray(answers / np.where(total > 0, total, 1), np.float32)

    def _prepared(self, crop: Pixels) -> NDArray[np.float32]:
        crop = _scaled(crop, self.description.size_px)
        if self.description.colour is Colour.GRAY:
            levels = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)[:, :, None]
        elif self.description.colour is Colour.RGB:
            levels = crop[:, :, ::-1]
        else:
            levels = crop
        values = levels.astype(np.float32) * self._scale + self._offset
        return values if self.description.layout is Layout.NHWC else values.transpose(2, 0, 1)

    def _prove(self, path: Path) -> None:
        size_px, classes = self.description.size_px, len(self.classes)
        blank = np.full((size_px, size_px, 3), 127, np.uint8)
        try:
            answer = self.read([blank, blank])
        except Exception as error:
            reason = " ".join(str(error).split())[:160]
            raise SettingError(
                f"{path} cannot read pictures of {size_px} px as described: {reason}.",
                f"Check size_px, colour and layout in {path.with_suffix('.toml').name}.",
            ) from error
        if answer.shape != (2, classes) or not np.isfinite(answer).all():
            raise SettingError(
                f"{path} gives {answer.shape[-1]} numbers for a picture, not {classes}.",
                f"Check the classes in {path.with_suffix('.toml').name}.",
            )


def load_recognisers(files: Sequence[Path], threads: int = 1) -> list[Recogniser]:
    """All own networks in the manifest's order, then the foreign ones.

    Raises:
        SettingError: a foreign one cannot be used, or two have the same name.
        SurrogateError: an own network's graph cannot be used.
    """
    folder = graphs_folder()
    manifest = Manifest.load(folder)
    found: list[Recogniser] = [
        OwnRecogniser(manifest.graphs_of(name, GraphKind.READ)[0], folder, family_of(name), threads)
        for name in manifest.surrogates
    ]
    found += [ForeignRecogniser(file, threads) for file in files]
    names = [recogniser.name for recogniser in found]
    for name in names:
        if names.count(name) > 1:
            raise SettingError(f"Two recognisers are called {name!r}.", "Give one another name.")
    return found


def _scaled(crop: Pixels, size_px: int) -> Pixels:
    if crop.shape[0] == size_px:
        return crop
    how = cv2.INTER_AREA if crop.shape[0] > size_px else cv2.INTER_LINEAR
    return cv2.resize(crop, (size_px, size_px), interpolation=how).view(np.uint8)


def _trusted_enough(path: Path) -> bytes:
    """The bytes of an ONNX file that keeps all its weights inside.

    Raises:
        SettingError: it cannot be read, is too large, is no ONNX, or points at other files.
    """
    try:
        size = path.stat().st_size
        if size > _LARGEST_FILE_BYTES:
            raise SettingError(f"{path} is larger than {_LARGEST_FILE_BYTES >> 20} MiB.")
        content = path.read_bytes()
    except OSError as error:
        raise SettingError(f"The recogniser {path} cannot be read.", "Name a file.") from error
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:
        raise SettingError(f"{path} is no ONNX file.") from error
    if any(_tells_of_files(message) for message in _tensors(model)):
        raise SettingError(
            f"{path} keeps weights in other files.", "Save it again with its weights inside."
        )
    return content


def _tensors(message: Any) -> list[onnx.TensorProto]:
    """All tensors in a message, however deep: of graphs, of functions and of attributes."""
    found: list[onnx.TensorProto] = []
    waiting = [message]
    while waiting:
        current = waiting.pop()
        if isinstance(current, onnx.TensorProto):
            found.append(current)
            continue
        for descriptor, value in current.ListFields():
            if descriptor.message_type is not None:
                waiting += [value] if hasattr(value, "ListFields") else list(value)
    return found


def _tells_of_files(tensor: onnx.TensorProto) -> bool:
    return tensor.data_location == onnx.TensorProto.EXTERNAL or len(tensor.external_data) > 0


def _opened(content: bytes, path: Path, threads: int) -> tuple[Any, str, int]:
    """A session, its input's name, and its fixed number of pictures; 0 takes any number.

    Raises:
        SettingError: ONNX Runtime cannot run it, or it does not take one batch of pictures.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        reason = " ".join(str(error).split())[:160]
        raise SettingError(f"ONNX Runtime cannot run {path}: {reason}.") from error
    inputs = session.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type != "tensor(float)":
        raise SettingError(
            f"{path} does not take one float batch of pictures with four axes.",
            "Export it with one input of shape (pictures, channels, height, width).",
        )
    first = inputs[0].shape[0]
    return session, inputs[0].name, first if isinstance(first, int) else 0
