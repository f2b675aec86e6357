"""The list of checks, quick ones first."""

from __future__ import annotations

from typing import Final

from camfilter.doctor.cameras import look_at_access, look_at_cameras, look_at_holders
from camfilter.doctor.filter_run import START_S, FilterRun
from camfilter.doctor.finding import Check
from camfilter.doctor.graphs import GraphHashes
from camfilter.doctor.packages import OneProvider, look_at_mediapipe, look_at_python
from camfilter.doctor.program import look_at_config, look_at_control
from camfilter.doctor.provider import look_at_provider
from camfilter.doctor.secure_boot import look_at_secure_boot
from camfilter.doctor.tray import look_at_tray
from camfilter.doctor.virtual_camera import look_at_driver, look_at_virtual_camera

__all__ = ["BUDGET_S", "checks_for"]

BUDGET_S: Final = 15.0
"""Longest time for all checks, in seconds, the dry run of the filter not counted."""

_OPENCV: Final = OneProvider(
    "cv2",
    (
        "opencv-contrib-python",
        "opencv-contrib-python-headless",
        "opencv-python",
        "opencv-python-headless",
    ),
)
_ONNX_RUNTIME: Final = OneProvider("onnxruntime", ("onnxruntime-gpu", "onnxruntime"))

_EVERYWHERE: Final = (
    Check("python", look_at_python),
    Check("opencv", _OPENCV),
    Check("onnxruntime", _ONNX_RUNTIME),
    Check("mediapipe", look_at_mediapipe),
    Check("graphs", GraphHashes()),
    Check("config", look_at_config, time_out_s=6.0),
    Check("control", look_at_control),
    Check("cameras", look_at_cameras, time_out_s=9.0),
)
_LINUX: Final = (
    Check("holders", look_at_holders),
    Check("access", look_at_access),
    Check("v4l2loopback", look_at_driver, time_out_s=4.0),
    Check("virtual camera", look_at_virtual_camera, time_out_s=4.0),
    Check("secure boot", look_at_secure_boot, time_out_s=4.0),
    Check("tray", look_at_tray, time_out_s=7.0),
)
_PROVIDER: Final = Check("provider", look_at_provider, time_out_s=8.0)


def checks_for(platform: str, run_s: float) -> tuple[Check, ...]:
    """The checks of a machine, in the order in which they run.

    Args:
        platform: as `sys.platform`; what only Linux has is left out elsewhere.
        run_s: length of the filter's dry run in seconds; 0 leaves it out.
    """
    run = Check("filter", FilterRun(run_s), time_out_s=START_S + run_s + 0.5)
    return (
        *_EVERYWHERE,
        *(_LINUX if platform == "linux" else ()),
        _PROVIDER,
        *((run,) if run_s > 0 else ()),
    )
