"""The running program and its config file."""

from __future__ import annotations

import json
import socket
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from camfilter.atomic import one_line
from camfilter.doctor.finding import Finding, fail, ok
from camfilter.doctor.system import System

__all__ = ["control_sockets", "look_at_config", "look_at_control"]

_TIME_OUT_S: Final = 1.0
_LONGEST_ANSWER: Final = 64 * 1024
_PATH_VARIABLE: Final = "CAMFILTER_CONFIG"


def control_sockets(system: System) -> tuple[Path, ...]:
    """Where running camfilters take requests, one for each virtual camera."""
    folders = [Path(tempfile.gettempdir()) / f"camfilter-{system.user.number}"]
    if runtime := system.env.get("XDG_RUNTIME_DIR"):
        folders.insert(0, Path(runtime) / "camfilter")
    return tuple(path for folder in folders for path in sorted(folder.glob("control*.sock")))


def look_at_control(system: System) -> Finding:
    """Does a running camfilter answer? That none runs is all right."""
    if system.platform == "win32":
        return ok("not looked at on Windows; camfilter status tells")
    running = []
    for path in control_sockets(system):
        try:
            status = _ask_status(path)
        except ConnectionRefusedError:
            continue  # left over from one that was killed; the next start replaces it
        except (OSError, ValueError) as error:
            return fail(f"{path} does not answer: {one_line(error)}", "Stop and start camfilter.")
        running.append(f"{path.name} says {status.get('state', 'no state')}")
    if not running:
        return ok("camfilter is not running")
    return ok(f"camfilter is running: {'; '.join(running)}")


def look_at_config(system: System) -> Finding:
    """Can the config file be used? That there is none is all right."""
    from camfilter.app.config_file import parse_config, read_config  # noqa: PLC0415 - heavy

    named = system.env.get(_PATH_VARIABLE)
    path = Path(named) if named else system.config_folder / "config.toml"
    content = read_config(path)
    if content is not None:
        return ok(f"{path}, {len(parse_config(content, path).values)} settings")
    if named:
        return fail(f"there is no {path}", f"It is named by {_PATH_VARIABLE}.")
    return ok(f"no {path}, the defaults apply")


def _ask_status(path: Path) -> dict[str, Any]:
    """What the camfilter behind a socket says of itself.

    Raises:
        OSError: nobody is there, or no answer comes in time.
        ValueError: the answer is none.
    """
    end_s = time.monotonic() + _TIME_OUT_S
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.settimeout(_TIME_OUT_S)
        caller.connect(str(path))
        caller.sendall(b'{"request": "status"}\n')
        answer = b""
        while not answer.endswith(b"\n"):
            if time.monotonic() > end_s or len(answer) > _LONGEST_ANSWER:
                raise TimeoutError("no whole answer in time")
            chunk = caller.recv(4096)
            if not chunk:
                break
            answer += chunk
    try:
        return dict(json.loads(answer)["status"])
    except (KeyError, TypeError) as error:
        raise ValueError("the answer holds no status") from error
