"""Start of the end-to-end call: exit status 0 passed, 77 skipped, else failed."""
# ruff: noqa: T201 - its report is what it prints

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn

from call.browser import find_chromium, version_of
from call.calls import make_calls
from call.clips import CLIPS, make_clips
from call.figures import before_the_call, figures_of_calls, silence_of
from call.loopback import bring_up
from call.pictures import write_pictures
from call.readers import Readers
from call.silence import only_loopback_here
from call.source import open_clip
from call.table import as_markdown
from call.verdicts import judge
from camfilter.assembly import open_surrogate
from camfilter.errors import CamfilterError
from camfilter.settings import ChainSettings
from camfilter.surrogate.manifest import Manifest, graphs_folder
from camfilter.surrogate.onnx import OnnxRecogniser

CODECS: Final = ("VP8", "H264")
EXTRA_S: Final = 2.0
"""The clip is longer than the call, so that it is not started again while the call connects."""
MOST_SECONDS: Final = 60

EXIT_FAILED: Final = 1
EXIT_SKIPPED: Final = 77
EXIT_INTERRUPTED: Final = 130


def main() -> int:
    """Make the calls, print the figures and judge them."""
    signal.signal(signal.SIGTERM, _stop)
    options = _options()
    program = find_chromium()
    if not sys.platform.startswith("linux"):
        return _skip("the browser is watched through Linux' /proc")
    if program is None:
        return _skip("no chromium: install your system's package of that name")
    started = time.monotonic()
    no_way_out = only_loopback_here()
    try:
        if no_way_out:
            bring_up()
        with tempfile.TemporaryDirectory(prefix="camfilter-call-") as folder:
            figures = _run(options, program, Path(folder), no_way_out)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except CamfilterError as error:
        print(f"FAILED  {error}")
        print("0 passed, 1 failed")
        return EXIT_FAILED
    figures["elapsed_s"] = round(time.monotonic() - started, 1)
    return _conclude(figures, options)


def _run(
    options: argparse.Namespace, program: str, folder: Path, no_way_out: bool
) -> dict[str, Any]:
    settings = ChainSettings()
    surrogate = open_surrogate(settings.surrogate)
    others = Manifest.load(graphs_folder()).held_out
    readers = Readers([surrogate, *(OnnxRecogniser(name) for name in others)])
    length_s = options.seconds + EXTRA_S
    _say(f"Protecting {options.source} ...")
    with open_clip(options.source, length_s) as source:
        clips = make_clips(source, settings, surrogate, readers, folder, length_s)
    calls = {}
    for clip in CLIPS:
        _say(f"Calling with the {clip} clip ...")
        plan = {"kbit": options.kbit, "seconds": options.seconds}
        calls[clip] = make_calls(program, clips, clip, CODECS, plan, folder)
    _say("Looking at the far end ...")
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        write_pictures(calls, CODECS, options.out)
    size = clips.files["protected"].size
    return {
        "source": options.source,
        "size": str(size),
        "rate_hz": round(clips.rate_hz, 3),
        "browser": version_of(program),
        "kbit_asked": options.kbit,
        "seconds_asked": options.seconds,
        "surrogate": surrogate.name,
        "provider": surrogate.provider,
        "other_readers": list(others),
        "settings": settings.model_dump(mode="json"),
        "frames_sent": len(clips.frames),
        "frames_protected": sum(frame.protected for frame in clips.frames),
        "filter_ms": clips.filter_report["latency_ms"]["total"],
        "before": before_the_call(clips, readers),
        "calls": figures_of_calls(calls, clips, CODECS, readers),
        "silence": silence_of(calls, no_way_out),
    }


def _conclude(figures: dict[str, Any], options: argparse.Namespace) -> int:
    verdicts = judge(figures)
    failed = sum(not verdict.passed for verdict in verdicts)
    figures["passed"], figures["failed"] = len(verdicts) - failed, failed
    table = as_markdown(figures)
    text = json.dumps(figures, indent=2) + "\n"
    if options.json is not None:
        options.json.write_text(text)
    if options.out is not None:
        (options.out / "call.json").write_text(text)
        (options.out / "call.md").write_text("\n".join(table) + "\n")
    print("\n".join(table))
    for clip, before in figures["before"].items():
        print(f"Change of the faces, {clip}: PSNR {before['psnr_face_db']} dB before the call.")
    for verdict in verdicts:
        print(f"{'PASSED' if verdict.passed else 'FAILED'}  {verdict.what}")
    for codec, made in figures["calls"].items():
        if made is None:
            print(f"SKIPPED  {codec}: not built in")
    print(f"{len(verdicts) - failed} passed, {failed} failed")
    return EXIT_FAILED if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="e2e_call", description="A real call without a camera.")
    parser.add_argument("--out", type=Path, help="folder for call.json, call.md and pictures")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--source", default="demo", help="demo, or a video file")
    parser.add_argument("--kbit", type=int, default=500, help="greatest bitrate, in kbit/s")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of each call")
    options = parser.parse_args()
    if options.kbit < 1 or not 0 < options.seconds <= MOST_SECONDS:
        parser.error(f"--kbit starts at 1, and --seconds goes to {MOST_SECONDS}")
    if options.json is not None and not options.json.parent.is_dir():
        parser.error(f"there is no folder {options.json.parent}")
    return options


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _skip(reason: str) -> int:
    print(f"SKIPPED  {reason}")
    return EXIT_SKIPPED


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
