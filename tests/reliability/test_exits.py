"""Every call that takes something out of the program is known, and none goes past the guard."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

import pytest

import camfilter
from reliability.exits import Exit, exits_in, sources_of, values_of

SOURCES: Final = sources_of(Path(camfilter.__file__).parent)

TO_A_SINK: Final = {
    ("pipeline.run_every_frame", "sink.write(frame)"),
    ("pipeline.LiveRun.write", "self._sink.write(frame)"),
    ("app.persistent.PersistentSink._write", "sink.write(frame)"),
}
"""Where a frame is handed to a sink. A sink takes nothing but what the guard made."""

IN_SINKS: Final = {
    ("sinks.deadman._put_picture", "cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420).tobytes()"),
    ("sinks.pictures._save", "cv2.imencode(suffix, pixels, _QUALITY.get(suffix, []))"),
    ("sinks.pictures._save", "path.write_bytes(data.tobytes())"),
    ("sinks.pictures._save", "data.tobytes()"),
    ("sinks.preview.OpenCvWindow.show", "cv2.imshow(self._title, pixels)"),
    ("sinks.preview.PreviewSink.write", "self._window.show(pixels)"),
    ("sinks.video.VideoSink.write", "self._container.mux(self._stream.encode(picture))"),
    ("sinks.video.VideoSink.close", "self._container.mux(self._stream.encode(None))"),
    (
        "sinks.video.VideoSink._picture",
        "VideoFrame.from_ndarray(padded_to_even(pixels) if coding.even else pixels, "
        "format='bgr24')",
    ),
    (
        "sinks.virtual_camera.VirtualCameraSink.write",
        "self._camera.send(fitted(padded_to_even(pixels), self._size))",
    ),
    (
        "sinks.virtual_camera.VirtualCameraSink.close",
        "camera.send(draw_card(self._size, STOPPED))",
    ),
}
"""Where a sink passes on what `pixels_of` gave it, or a card (see test_architecture)."""

OTHERS: Final = {
    "app.client.ControlClient.ask": "a request to the running program, text",
    "app.control.ControlServer._answer": "an answer on the control socket, text",
    "app.control.ControlServer._show": "the status on the control socket, text",
    "app.control.ControlServer._try_to_send": "a refusal on the control socket, text",
    "app.pipes.PipeChannel.send": "the control socket's own transport",
    "app.sockets.SocketChannel.send": "the control socket's own transport",
    "app.sockets.SocketListener.close": "wakes the program's own listener",
    "atomic.AtomicFile.write": "called by those below",
    "batch.local._Hand.give": "names of files, to a worker of the same program",
    "batch.local._serve": "outcomes of files, from a worker of the same program",
    "batch.manifest.DoneWork._write": "names of files that are begun or done",
    "batch.sound._mixed": "sound",
    "bench.capture.formats": "the demo's portrait, into memory, to time how it is read from there",
    "cli.comparison.write_picture": "before and after, because the person asked for the demo",
    "cli.doctor._as_json": "findings, text",
    "cli.evaluate.evaluate": "a table, text",
    "cli.lab._run": "tables of findings, text",
    "cli.photo._run": "the file that photo.encoding made of what the guard let out",
    "cli.summary.write_json": "figures, text",
    "doctor.probe.main": "findings, text",
    "doctor.program._ask_status": "asks whether the program runs, text",
    "photo.decoding._planes": "a picture that was read, to change its colours",
    "photo.encoding._image": "what the guard let out, to be encoded",
    "photo.encoding.encode": "what the guard let out, into memory",
    "pipeline.LiveRun.run": "calls LiveRun.write",
    "setup.running._do": "settings of the system, text",
    "sinks.deadman._exchanged": "the buffers of the device; filled by _put_picture",
    "sinks.loopback.LoopbackNode.__init__": "the card that the driver shows should we die",
    "sinks.v4l2.call": "controls of the device",
    "sources.v4l2._ioctl": "controls of a camera",
    "tray.app.TrayApp.show_window": "makes a window visible",
    "tray.autostart._write": "an entry of the desktop, text",
    "tray.presence.Presence._appear": "makes the icon visible",
    "tray.preview_pane.PreviewPane._draw_split": "saves the state of a painter",
    "web.handler.PageHandler._send": "the page, one line, or a masked picture, to the loopback",
    "tray.preview_pane._image": "before and after in the window on this screen, where it is asked",
}
"""Places where something else leaves, and what."""


def all_exits() -> list[Exit]:
    return [found for module, source in SOURCES.items() for found in exits_in(module, source)]


def unknown(exits: list[Exit]) -> list[Exit]:
    return [
        found
        for found in exits
        if found not in TO_A_SINK and found not in IN_SINKS and found[0] not in OTHERS
    ]


def test_every_exit_is_known() -> None:
    assert unknown(all_exits()) == [], "say here why no raw picture leaves by it"


def test_every_known_exit_is_still_there() -> None:
    found = set(all_exits())
    assert {*TO_A_SINK, *IN_SINKS} - found == set()
    assert set(OTHERS) - {place for place, _ in found} == set()


@pytest.mark.parametrize("place", ["pipeline.run_every_frame", "pipeline.LiveRun.write"])
def test_what_a_run_writes_was_made_by_the_guard(place: str) -> None:
    values = values_of("frame", place, SOURCES["pipeline"])
    assert values
    assert all(".frame(" in value and "guard" in value for value in values)


def test_what_a_masked_picture_is_made_of_was_made_by_the_guard() -> None:
    (value,) = set(values_of("frame", "photo.masking._proved", SOURCES["photo.masking"]))
    assert value.startswith("guard.frame(")
    assert "_proved(" in ast.unparse(
        next(
            node
            for node in ast.walk(ast.parse(SOURCES["photo.masking"]))
            if isinstance(node, ast.FunctionDef) and node.name == "mask"
        )
    )


@pytest.mark.parametrize("name", [name for name in SOURCES if name.startswith("sinks.")])
def test_what_a_sink_passes_on_came_through_the_one_door(name: str) -> None:
    """Whatever a sink calls `pixels` is a parameter, or comes from `pixels_of`."""
    for node in ast.walk(ast.parse(SOURCES[name])):
        if isinstance(node, ast.FunctionDef) and node.name == "write":
            assert set(values_of("pixels", "write", ast.unparse(node))) <= {"pixels_of(frame)"}


PLANTED: Final = {
    "a file beside": "def take(raw):\n    cv2.imwrite('/tmp/a.png', raw.pixels)",
    "another sink": "def take(raw):\n    self.sink.write(raw)",
    "handed on": "def take(raw):\n    self.each(raw, self.sink.write)",
    "imported by name": "from cv2 import imencode\nimencode('.png', raw)",
    "at the top": "sink.write(frame)",
    "shared memory": "class A:\n    def keep(self, raw):\n        SharedMemory('name')",
}


@pytest.mark.parametrize("source", PLANTED.values(), ids=PLANTED)
def test_a_planted_exit_is_found(source: str) -> None:
    assert unknown(list(exits_in("app.controller", source)))


def test_a_planted_raw_frame_is_found() -> None:
    planted = SOURCES["pipeline"].replace("frame = self._guard.frame(", "frame = ProtectedFrame(")
    assert planted != SOURCES["pipeline"]
    (value,) = values_of("frame", "pipeline.LiveRun.write", planted)
    assert ".frame(" not in value
