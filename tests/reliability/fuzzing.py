"""What comes from outside, damaged in every way: only the errors that are meant may come of it.

A target takes bytes and does with them what the program does with a file or a message. Each
round of a target runs in a process of its own, so that a crash of native code or a hang is a
finding like any other; the input is written down before it is used.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import hypothesis
import numpy as np
from hypothesis import strategies as st

from camfilter.app.config_file import parse_config
from camfilter.app.controller import Controller
from camfilter.app.requests import encode, fulfil
from camfilter.app.settings import AppSettings
from camfilter.assembly import open_surrogate
from camfilter.errors import CamfilterError, GraphRefused, SettingError, SourceError, SurrogateError
from camfilter.frames import Size
from camfilter.guard import Guard
from camfilter.sinks.video import VideoSink
from camfilter.sources.pictures import read_picture
from camfilter.sources.video import VideoSource
from camfilter.surrogate.manifest import Manifest, graphs_folder, read_graph
from camfilter.surrogate.provider import Provider, open_session
from fakes import filtered, noise, raw_frame

Target = Callable[[bytes, Path], None]
ROUND_S: Final = 20.0
_HANG_S: Final = 120.0
_MOST_FRAMES: Final = 40
_LONGEST_LINE: Final = 20_000


@dataclass(frozen=True)
class Finding:
    """An input that did what it must not do.

    Attributes:
        target: name of the target.
        what: an error of the wrong kind, "signal 11", or "hang".
        content: the input.
    """

    target: str
    what: str
    content: bytes


# Inputs: a good file with damage, or bytes.


def damaged(bases: list[bytes]) -> st.SearchStrategy[bytes]:
    """Good contents with some bytes changed, left out or put in, or cut short."""
    place = st.floats(0, 1, exclude_max=True)
    edit = st.tuples(st.sampled_from(("set", "cut", "put", "end")), place, st.binary(max_size=8))
    return st.builds(_edited, st.sampled_from(bases), st.lists(edit, max_size=6))


def _edited(base: bytes, edits: list[tuple[str, float, bytes]]) -> bytes:
    content = bytearray(base)
    for kind, place, new in edits:
        at = int(place * len(content))
        if kind == "set":
            content[at : at + len(new)] = new
        elif kind == "cut":
            del content[at : at + 1 + len(new) ** 2]
        elif kind == "put":
            content[at:at] = new
        else:
            del content[at:]
    return bytes(content)


def _texts(words: list[str]) -> st.SearchStrategy[bytes]:
    """Lines made of words that mean something, and some that do not."""
    word = st.one_of(
        st.sampled_from(words), st.text(max_size=8), st.integers().map(str), st.floats().map(str)
    )
    return st.lists(word, max_size=24).map(lambda parts: "".join(parts).encode("utf-8", "replace"))


# Targets.


@contextmanager
def _refusing(kind: type[CamfilterError]) -> Iterator[None]:
    """What comes of it is the error that is meant, in one line, or none."""
    try:
        yield
    except CamfilterError as error:
        if not isinstance(error, kind) or "\n" in str(error):
            raise


def graph(content: bytes, _folder: Path) -> None:
    """A graph that got past its hash: ONNX Runtime says no, or runs it."""
    try:
        open_session(content, Provider.CPU, 1)
    except GraphRefused:
        return


def graph_in_place(content: bytes, folder: Path) -> None:
    """A graph whose bytes are not the manifest's is refused whatever it holds."""
    spec = Manifest.load(graphs_folder()).graphs[0]
    (folder / spec.file).write_bytes(content)
    try:
        accepted = read_graph(folder, spec)
    except GraphRefused:
        return
    assert accepted == (graphs_folder() / spec.file).read_bytes(), "another graph was accepted"


def manifest(content: bytes, folder: Path) -> None:
    """A manifest is read or refused, and names no file outside its folder."""
    (folder / "manifest.json").write_bytes(content)
    try:
        read = Manifest.load(folder)
    except GraphRefused:
        return
    assert all((folder / one.file).resolve().parent == folder.resolve() for one in read.graphs)


def surrogate_name(content: bytes, _folder: Path) -> None:
    """A name opens a surrogate of the manifest or nothing, wherever it points."""
    name = content.decode("utf-8", "replace") or "nobody"
    try:
        opened = open_surrogate(name, Provider.CPU)
    except SurrogateError:
        return
    assert set(opened.name.split("+")) <= set(Manifest.load(graphs_folder()).surrogates)


def config(content: bytes, _folder: Path) -> None:
    """A config file is read, or refused in one line."""
    with _refusing(SettingError):
        parse_config(content, Path("config.toml"))


def request(content: bytes, _folder: Path) -> None:
    """Whatever a client says is answered in one short line."""
    controller = Controller(AppSettings(source="demo", sink="null"))
    _, answer = fulfil(controller, content)
    line = encode(answer)
    assert b"\n" not in line, "more than a line"
    assert len(line) < _LONGEST_LINE, "a long answer"


def picture(content: bytes, folder: Path) -> None:
    """A picture is read as 8-bit BGR, or refused."""
    path = folder / "picture.png"
    path.write_bytes(content)
    with _refusing(SourceError):
        pixels = read_picture(path)
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3
        assert pixels.shape[2] == 3


def video(content: bytes, folder: Path) -> None:
    """A video delivers frames until it says what is wrong."""
    path = folder / "video.mkv"
    path.write_bytes(content)
    with _refusing(SourceError), VideoSource(path) as source:
        for _ in range(_MOST_FRAMES):
            if source.read() is None:
                break


def checkpoint(content: bytes, folder: Path) -> None:
    """Weights are read, or refused; nothing in them is run. Needs the lab."""
    import torch  # noqa: PLC0415

    from camfilter.lab.networks import load_weights  # noqa: PLC0415

    path = folder / "checkpoint.safetensors"
    path.write_bytes(content)
    with _refusing(SurrogateError):
        load_weights(torch.nn.Linear(4, 3), path)


# Good contents to begin with.


def _pictures() -> list[bytes]:
    pixels = noise(24, 18)
    kinds = (".png", ".jpg", ".bmp", ".webp", ".tiff", ".ppm")
    return [cv2.imencode(kind, pixels)[1].tobytes() for kind in kinds]


def _videos() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        return [_video(Path(folder) / name) for name in ("a.mkv", "a.mp4")]


def _video(path: Path) -> bytes:
    guard, size = Guard(), Size(64, 48)
    with VideoSink(path, size, 30) as sink:
        for index in range(6):
            raw = raw_frame(index, size=size)
            guard.admit(raw, filtered(raw).pixels, (), 6)
            sink.write(guard.frame(raw.time_s, index, size))
    return path.read_bytes()


def _graphs() -> list[bytes]:
    smallest = sorted(graphs_folder().glob("*.onnx"), key=lambda path: path.stat().st_size)
    return [path.read_bytes() for path in smallest[:2]]


def _checkpoints() -> list[bytes]:
    from safetensors.numpy import save  # noqa: PLC0415

    return [save({"weight": np.ones((3, 4), np.float32), "bias": np.zeros(3, np.float32)})]


_NAMES: Final = list(AppSettings.model_fields)
_CONFIG: Final = [*_NAMES, " = ", "\n", "[", "]", '"', "'''", "true", "1e9", "6/255", "#", "{", "."]
_REQUEST: Final = [
    *_NAMES, '{"request": "', '"}', "set", "on", "status", '"values": {', '": ', ",", "}", "{",
    "[", "]", '"', "null", "1e999", "-0", "\\ud800", '{"request": "set", "values": {"',
]  # fmt: skip


def targets() -> dict[str, tuple[Target, st.SearchStrategy[bytes]]]:
    """Every target with its inputs, by name."""
    graphs, anything = _graphs(), st.binary(max_size=400)
    manifests = [(graphs_folder() / "manifest.json").read_bytes()]
    names = ["..", "/", "+", "plain48", "residual48", "\0", "a" * 300, ".onnx", "%2e"]
    return {
        "graph": (graph, st.one_of(damaged(graphs), anything)),
        "graph in place": (graph_in_place, st.one_of(damaged(graphs), anything)),
        "manifest": (manifest, st.one_of(damaged(manifests), anything)),
        "surrogate name": (surrogate_name, _texts(names)),
        "config": (config, st.one_of(_texts(_CONFIG), anything)),
        "request": (request, st.one_of(_texts(_REQUEST), anything)),
        "picture": (picture, st.one_of(damaged(_pictures()), anything)),
        "video": (video, st.one_of(damaged(_videos()), anything)),
        "checkpoint": (checkpoint, st.one_of(damaged(_checkpoints()), anything)),
    }


# Running them.


def fuzz(
    name: str, target: Target, inputs: st.SearchStrategy[bytes], seconds: float, seed: int
) -> tuple[int, Finding | None]:
    """Feed a target for some seconds in a process of its own.

    Returns:
        How many inputs there were, and the one that was a finding.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        child = os.fork()
        if child == 0:
            _feed(target, inputs, seconds, seed, folder)
        status = _waited_for(child, seconds + _HANG_S)
        count = int((folder / "count").read_text() or 0) if (folder / "count").exists() else 0
        if status == 0:
            return count, None
        said = folder / "what"
        what = said.read_text() if said.exists() else f"{status if status else 'hang'}"
        return count, Finding(name, what, (folder / "input").read_bytes())


def _waited_for(child: int, limit_s: float) -> int | str:
    until_s = time.monotonic() + limit_s
    while time.monotonic() < until_s:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            killed = os.WIFSIGNALED(status)
            return f"signal {os.WTERMSIG(status)}" if killed else os.WEXITSTATUS(status)
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hang"


def _feed(
    target: Target, inputs: st.SearchStrategy[bytes], seconds: float, seed: int, folder: Path
) -> None:
    """In the child: inputs until the time is over or one is a finding; ends the process."""
    faulthandler.disable()  # a crash is told by who waits for this process
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    until_s, count, status = time.monotonic() + seconds, 0, 0
    here = folder / "files"
    here.mkdir()

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=1_000_000, deadline=None, database=None, print_blob=False,
        phases=[hypothesis.Phase.generate], suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    @hypothesis.given(inputs)
    def look(content: bytes) -> None:
        nonlocal count
        if time.monotonic() > until_s:
            raise KeyboardInterrupt
        (folder / "input").write_bytes(content)
        count += 1
        target(content, here)

    try:
        look()
    except KeyboardInterrupt:
        pass
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the finding
        (folder / "what").write_text(f"{type(error).__name__}: {error}"[:300])
        status = 1
    finally:
        (folder / "count").write_text(str(count))
        sys.stdout.flush()
        os._exit(status)


def again(target: Target, content: bytes) -> Any:
    """A finding once more, in this process."""
    with tempfile.TemporaryDirectory() as folder:
        return target(content, Path(folder))
