"""What runs in the other process: one look, its result as one line of JSON.

Everything heavy or native is imported inside the look that needs it.
"""

from __future__ import annotations

import ctypes
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

__all__ = ["main"]

_WARM_UP_FRAMES: Final = 5
_RATE_HZ: Final = 30.0


def main(words: Sequence[str]) -> int:
    """Take one look and print what was seen.

    Args:
        words: name of the look, then its arguments.
    """
    looks: Mapping[str, Callable[..., dict[str, Any]]] = {
        "cameras": look_at_cameras,
        "filter": look_at_filter,
        "provider": look_at_provider,
        "tray": look_at_tray,
    }
    try:
        said = looks[words[0]](*words[1:])
    except Exception as error:  # noqa: BLE001 - it goes to the person as one line
        said = {"error": f"{type(error).__name__}: {error}"}
    sys.stdout.write(json.dumps(said) + "\n")
    return 0


def look_at_cameras() -> dict[str, Any]:
    """Cameras by OpenCV's numbers, for systems that cannot be asked otherwise."""
    from camfilter.sources.devices import list_cameras  # noqa: PLC0415

    return {"cameras": [camera.name for camera in list_cameras()]}


def look_at_provider() -> dict[str, Any]:
    """What the shipped graph truly runs on, and what a GPU library complains about."""
    import onnxruntime as ort  # noqa: PLC0415

    from camfilter.assembly import open_surrogate  # noqa: PLC0415

    surrogate = open_surrogate()
    return {
        "active": surrogate.provider,
        "surrogate": surrogate.name,
        "version": ort.__version__,
        "cuda_compiled_in": "CUDAExecutionProvider" in ort.get_available_providers(),
        "driver_loads": _loads("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1") == "",
        "missing": _cuda_complaint(Path(ort.__file__).parent / "capi"),
    }


def _cuda_complaint(folder: Path) -> str:
    """Why ONNX Runtime's CUDA part does not load, in the loader's own words; else empty."""
    suffix = ".dll" if sys.platform == "win32" else ".so"
    prefix = "" if sys.platform == "win32" else "lib"
    for part in ("shared", "cuda"):
        library = folder / f"{prefix}onnxruntime_providers_{part}{suffix}"
        if library.exists() and (complaint := _loads(str(library))):
            return complaint.removesuffix(": No such file or directory")
    return ""


def _loads(library: str) -> str:
    """Empty when a native library loads, else why not."""
    try:
        ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        return str(error)
    return ""


def look_at_filter(run_s: str) -> dict[str, Any]:
    """Run the real filter on the demo for so many seconds, guard included, nothing written."""
    import numpy as np  # noqa: PLC0415

    from camfilter.assembly import build_filter, open_surrogate  # noqa: PLC0415
    from camfilter.frames import Size  # noqa: PLC0415
    from camfilter.guard import Guard, GuardState  # noqa: PLC0415
    from camfilter.protector import Protector  # noqa: PLC0415
    from camfilter.report import RunReport  # noqa: PLC0415
    from camfilter.settings import ChainSettings  # noqa: PLC0415
    from camfilter.sources.demo import DemoSource  # noqa: PLC0415

    settings, size = ChainSettings(), Size(1280, 720)
    surrogate = open_surrogate(settings.surrogate)
    guard, report = Guard(), RunReport()
    protector = Protector(
        lambda: build_filter(settings, surrogate, stills=False), guard, report, measure_every=0
    )
    protector.prepare()
    took_ms: list[float] = []
    protected = 0
    end_s = time.monotonic() + float(run_s)
    with DemoSource(size, rate_hz=_RATE_HZ, frame_count=1_000_000) as source:
        while time.monotonic() < end_s or len(took_ms) <= _WARM_UP_FRAMES:
            raw = source.read()
            assert raw is not None
            start_s = time.perf_counter()
            protector.take(raw)
            state = guard.frame(raw.time_s, raw.index, size).state
            protector.catch_up()
            took_ms.append(1e3 * (time.perf_counter() - start_s))
            protected += state is GuardState.PROTECTED
    protector.close()
    steady = took_ms[_WARM_UP_FRAMES:]
    return {
        "frames": len(took_ms),
        "protected": protected,
        "faces": report.faces,
        "fault": next(iter(report.faults), ""),
        "p50_ms": float(np.percentile(steady, 50)),
        "p95_ms": float(np.percentile(steady, 95)),
        "provider": surrogate.provider,
        "size": str(size),
    }


def look_at_tray() -> dict[str, Any]:
    """Who owns the system tray selection of the X screen (XEmbed); nobody is False."""
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XInternAtom.restype = ctypes.c_ulong
    x11.XGetSelectionOwner.restype = ctypes.c_ulong
    display = ctypes.c_void_p(x11.XOpenDisplay(None))
    if not display:
        raise OSError("the X screen cannot be opened")
    screen = x11.XDefaultScreen(display)
    atom = x11.XInternAtom(display, f"_NET_SYSTEM_TRAY_S{screen}".encode(), 0)
    return {"xembed": x11.XGetSelectionOwner(display, ctypes.c_ulong(atom)) != 0}
