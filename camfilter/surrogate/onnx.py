"""Recognisers, and surrogates with their gradient, as ONNX graphs run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camfilter.errors import GraphRefused
from camfilter.expressions import EXPRESSIONS
from camfilter.surrogate.base import Crops, Stage, StageResult
from camfilter.surrogate.manifest import GraphKind, Manifest, graphs_folder, read_graph
from camfilter.surrogate.provider import Provider, open_session

__all__ = ["OnnxRecogniser", "OnnxSurrogate"]


class OnnxRecogniser:
    """Loads the shipped graphs by which one recogniser reads, their hashes proved.

    Args:
        name: of a recogniser in the manifest.
        provider: hardware to run on.
        threads: CPU threads; small networks run fastest on one.
        folder: where graphs and manifest are; None takes the shipped ones.

    Raises:
        UnknownSurrogate: the manifest has no such name.
        GraphRefused: a graph is missing, damaged or not the manifest's.
        ProviderUnavailable: a named provider does not run here.
    """

    def __init__(
        self,
        name: str,
        provider: Provider = Provider.AUTO,
        threads: int = 1,
        folder: Path | None = None,
    ) -> None:
        self._name = name
        self._read = _Batches(folder or graphs_folder(), name, GraphKind.READ, provider, threads)

    @property
    def name(self) -> str:
        """Name in the manifest."""
        return self._name

    @property
    def size_px(self) -> int:
        """Width and height of the crop it sees."""
        return self._read.size_px

    def read(self, pictures: Crops) -> NDArray[np.float32]:
        """Logits (faces, 8) of faces of shape (faces, size, size), luma in [0, 1]."""
        (logits,) = self._read.run(["logits"], {"picture": pictures[:, None]}, {})
        return logits


class OnnxSurrogate(OnnxRecogniser):
    """Loads the shipped graphs of one surrogate, its gradient among them.

    Args:
        name: surrogate in the manifest; None takes the first.
        provider: hardware to run on.
        threads: CPU threads; small networks run fastest on one.
        folder: where graphs and manifest are; None takes the shipped ones.

    Raises:
        UnknownSurrogate: the manifest has no such name, or no gradient of it.
        GraphRefused: a graph is missing, damaged or not the manifest's.
        ProviderUnavailable: a named provider does not run here.
    """

    def __init__(
        self,
        name: str | None = None,
        provider: Provider = Provider.AUTO,
        threads: int = 1,
        folder: Path | None = None,
    ) -> None:
        folder = folder or graphs_folder()
        if name is None:
            attackable = Manifest.load(folder).attackable
            if not attackable:
                raise GraphRefused("The manifest lists no graph.", "Install camfilter again.")
            name = attackable[0]
        self._step = _Batches(folder, name, GraphKind.STEP, provider, threads)
        super().__init__(name, provider, threads, folder)
        if self._step.size_px != self._read.size_px:
            raise GraphRefused(
                f"The graph that reads does not fit the steps of {name}.", "Export it again."
            )

    @property
    def provider(self) -> str:
        """Hardware it truly runs on: cpu, cuda or tensorrt."""
        return str(self._step.provider)

    def take(self, stage: Stage) -> StageResult:
        """Take one stage for each face."""
        per_face = {
            "picture": stage.picture[:, None],
            "label": stage.label,
            "step": stage.step[:, None, None, None],
            "mask": stage.mask[:, None],
            "lower": stage.lower[:, None],
            "upper": stage.upper[:, None],
            "momentum": stage.momentum[:, None],
        }
        shared = {"decay": np.asarray(stage.decay, np.float32)}
        stepped, momentum, logits = self._step.run(
            ["stepped", "momentum_next", "logits"], per_face, shared
        )
        return StageResult(stepped[:, 0], momentum[:, 0], logits)


class _Batches:
    """Runs any number of faces through graphs of fixed batch sizes."""

    def __init__(
        self, folder: Path, name: str, kind: GraphKind, provider: Provider, threads: int
    ) -> None:
        specs = Manifest.load(folder).graphs_of(name, kind)
        self.size_px = specs[0].size_px
        for spec in specs:
            if spec.size_px != self.size_px or spec.classes != EXPRESSIONS:
                raise GraphRefused(
                    f"The graph {spec.file} does not fit its surrogate.", "Export it again."
                )
        if specs[0].batch != 1:
            raise GraphRefused(f"Surrogate {name} has no graph for one face.", "Export it again.")
        single, active = open_session(read_graph(folder, specs[0]), provider, threads)
        self.provider = active
        self._sessions: dict[int, Any] = {1: single}
        if active is not Provider.CPU:  # one face at a time costs a CPU nothing, a GPU much
            for spec in specs[1:]:
                session, _ = open_session(read_graph(folder, spec), active, threads)
                self._sessions[spec.batch] = session

    def run(
        self,
        outputs: list[str],
        per_face: dict[str, NDArray[np.float32]],
        shared: dict[str, NDArray[np.float32]],
    ) -> list[NDArray[np.float32]]:
        faces = len(next(iter(per_face.values())))
        parts = []
        for start, batch in self._chunks(faces):
            chosen = {
                name: np.ascontiguousarray(value[start : start + batch], np.float32)
                for name, value in per_face.items()
            }
            parts.append(self._sessions[batch].run(outputs, {**chosen, **shared}))
        if len(parts) == 1:
            return list(parts[0])
        return [np.concatenate(column) for column in zip(*parts, strict=True)]

    def _chunks(self, faces: int) -> Iterator[tuple[int, int]]:
        start = 0
        while start < faces:
            batch = max(size for size in self._sessions if size <= max(1, faces - start))
            yield start, batch
            start += batch
