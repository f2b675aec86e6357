"""What the surrogate truly runs on, and why a GPU lies idle."""

from __future__ import annotations

from typing import Any, Final

from camfilter.doctor.child import ask_child
from camfilter.doctor.finding import Finding, ok, warn
from camfilter.doctor.system import System

__all__ = ["look_at_provider"]

_TIME_OUT_S: Final = 7.5
_NVIDIA: Final = "0x10de"
_DISPLAY_CLASS: Final = "0x03"


def look_at_provider(system: System) -> Finding:
    """Open the shipped graph as `--provider auto` does, and ask where it runs."""
    said = ask_child(system, ("provider",), _TIME_OUT_S)
    gpu = _gpu_name(system)
    runs = f"{said['active']} (ONNX Runtime {said['version']}"
    if said["active"] != "cpu":
        return ok(f"{runs}, {gpu or 'GPU'})")
    if not gpu:
        return ok(f"{runs}, no NVIDIA GPU found)")
    reason, hint = _why_idle(said, system)
    return warn(f"{runs}); {gpu} is not used: {reason}", hint)


def _why_idle(said: dict[str, Any], system: System) -> tuple[str, str]:
    """Reason and hint for a GPU that is there and not used."""
    if not said["driver_loads"]:
        return "NVIDIA's driver library does not load", (
            "Install NVIDIA's driver and restart; nvidia-smi must list the GPU."
        )
    if not said["cuda_compiled_in"]:
        return "this onnxruntime has no CUDA", (
            "Run: python -m pip uninstall onnxruntime onnxruntime-gpu; "
            "then: python -m pip install onnxruntime-gpu"
        )
    if said["missing"]:
        return str(said["missing"]), (
            "Run: python -m pip install 'onnxruntime-gpu[cuda,cudnn]', "
            "and see that the driver is as new as that CUDA."
        )
    if not _devices_open(system):
        return "the GPU's device nodes are missing or closed to this user", (
            "Try nvidia-smi as this user."
        )
    return "CUDA does not start", "camfilter run --provider cuda says more."


def _gpu_name(system: System) -> str:
    """Name of an NVIDIA GPU of this machine; empty when none is found."""
    for gpu in system.entries("/proc/driver/nvidia/gpus"):
        text = system.read(f"/proc/driver/nvidia/gpus/{gpu.name}/information") or ""
        for line in text.splitlines():
            if line.startswith("Model:"):
                return line.removeprefix("Model:").strip()
    for device in system.entries("/sys/bus/pci/devices"):
        folder = f"/sys/bus/pci/devices/{device.name}"
        kind = system.read(f"{folder}/class") or ""
        if system.read(f"{folder}/vendor") == _NVIDIA and kind.startswith(_DISPLAY_CLASS):
            return "an NVIDIA GPU"
    answer = system.run(("nvidia-smi", "-L"), 3.0)
    first = answer.output.splitlines()[0] if answer.worked and answer.output.strip() else ""
    return first.partition(": ")[2].partition(" (UUID")[0]


def _devices_open(system: System) -> bool:
    if system.platform != "linux":
        return True
    return system.nodes.usable(str(system.path("/dev/nvidiactl")))
