"""What to do where there is no v4l2loopback: other systems bring their own virtual camera."""

from __future__ import annotations

__all__ = ["instructions"]


def instructions(platform: str) -> tuple[str, ...]:
    """What a person does once, in order.

    Args:
        platform: as `sys.platform`.
    """
    if platform == "darwin":
        return (
            "Install OBS Studio 30 or newer.",
            "Open OBS, choose Start Virtual Camera, and allow its extension in "
            "System Settings (Privacy & Security) when macOS asks.",
            "Choose Stop Virtual Camera and close OBS: camfilter writes to the same camera.",
            "Allow your terminal to use the camera (Privacy & Security, Camera).",
            "Run camfilter run, and in the call choose OBS Virtual Camera.",
        )
    if platform == "win32":
        return (
            "Install OBS Studio (26 or newer), which brings a virtual camera; "
            "or install UnityCapture and run its Install.bat.",
            "Close OBS while camfilter runs: only one program can write to its camera.",
            "Run camfilter run, and in the call choose OBS Virtual Camera; "
            'for UnityCapture: camfilter run --sink "virtual:Unity Video Capture".',
        )
    return (f"camfilter knows no virtual camera on {platform}.",)
