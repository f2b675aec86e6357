"""Chromium without a window, driven over the DevTools protocol through a pair of pipes."""

from __future__ import annotations

import base64
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from call.browser import _SILENT, _STEADY

__all__ = ["Chromium", "DriveError"]

_PATIENCE_S: Final = 30.0
_POLL_S: Final = 0.1


class DriveError(Exception):
    """The browser did not do what it was asked to."""


class Chromium:
    """A browser with one tab. Leave the ``with`` block to end it.

    Args:
        program: Chromium.
        folder: an empty folder; everything that the browser writes goes there.

    Attributes:
        addresses: everything that the page asked for, in order.
        complaints: what the page wrote to its console as an error, and errors of its script.
        downloads: where downloads go.
        session: id of the session that all its processes belong to.
    """

    def __init__(self, program: str, folder: Path) -> None:
        folder.mkdir()
        self.addresses: list[str] = []
        self.complaints: list[str] = []
        self.downloads = folder / "downloads"
        self.downloads.mkdir()
        self._number = 0
        self._unread = b""
        told, self._tell = os.pipe()
        self._hear, heard = os.pipe()
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        keep = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
        words = [
            program, *_STEADY, *_SILENT, *sandbox, "--remote-debugging-pipe",
            f"--user-data-dir={folder / 'profile'}", "about:blank",
        ]  # fmt: skip
        # The protocol speaks on the descriptors 3 and 4, whatever numbers the pipes have here.
        shell = f'exec "$@" 3<&{told} 4>&{heard}'
        self._process = subprocess.Popen(
            ["bash", "-c", shell, "bash", *words],
            env={**keep, "HOME": str(folder), "TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=(told, heard), start_new_session=True,
        )  # fmt: skip
        os.close(told)
        os.close(heard)
        self.session = self._process.pid
        self._tab = ""
        try:
            self._attach()
        except BaseException:
            self.close()
            raise

    def _attach(self) -> None:
        targets = self.ask("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        attached = self.ask("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._tab = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "DOM", "Log"):
            self.ask(f"{domain}.enable")
        self.ask("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads))

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and wait for its result.

        Raises:
            DriveError: it failed, or took too long.
        """
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._tab:
            message["sessionId"] = self._tab
        os.write(self._tell, json.dumps(message).encode() + b"\0")
        deadline_s = time.monotonic() + _PATIENCE_S
        while True:
            answer = self._read(deadline_s)
            if answer is None:
                raise DriveError(f"{method} took longer than {_PATIENCE_S:.0f} s.")
            if answer.get("id") == number:
                if "error" in answer:
                    raise DriveError(f"{method}: {answer['error']['message']}")
                return dict(answer["result"])

    def value(self, script: str) -> Any:
        """What a script evaluates to in the page.

        Raises:
            DriveError: it threw.
        """
        result = self.ask(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in result:
            raise DriveError(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait(self, what: str, script: str, seconds: float = 60.0) -> Any:
        """Wait until a script evaluates to something true, and give that.

        Raises:
            DriveError: it did not in time.
        """
        return self.wait_for(what, lambda: self.value(script), seconds)

    def wait_for(self, what: str, probe: Callable[[], Any], seconds: float = 60.0) -> Any:
        """Wait until something is true, and give it.

        Raises:
            DriveError: it did not become true in time.
        """
        deadline_s = time.monotonic() + seconds
        while time.monotonic() < deadline_s:
            if found := probe():
                return found
            time.sleep(_POLL_S)
        raise DriveError(f"{what} did not come within {seconds:.0f} s.")

    def give_file(self, selector: str, file: Path) -> None:
        """Choose a file in an input, as a person would in the dialogue."""
        self.ask("DOM.setFileInputFiles", files=[str(file)], objectId=self._object(selector))

    def drop(self, selector: str, file: Path) -> None:
        """Drop a file on an element, as from a file manager."""
        x, y = self.value(
            f"(r => [r.x + r.width / 2, r.y + 20])"
            f"(document.querySelector({json.dumps(selector)}).getBoundingClientRect())"
        )
        data = {"items": [], "files": [str(file)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.ask("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def addresses_asked(self) -> list[str]:
        """Those of the addresses that masks were asked of."""
        return [address for address in self.addresses if "/mask" in address]

    def press(self, key: str, times: int = 1) -> None:
        """Press a key that has a name, some times."""
        codes = {"ArrowRight": 39, "ArrowLeft": 37, "Tab": 9, "Enter": 13, "Space": 32}
        text = {"Enter": "\r", "Space": " "}.get(key)
        named = {"key": " " if key == "Space" else key, "windowsVirtualKeyCode": codes[key]}
        for _ in range(times):
            self.ask(
                "Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", code=key,
                **named, **({"text": text} if text else {}),
            )  # fmt: skip
            self.ask("Input.dispatchKeyEvent", type="keyUp", code=key, **named)

    def look_like(self, width: int, height: int, scheme: str) -> None:
        """Give the page a size, in pixels, and a colour scheme, light or dark."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        self.ask(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )

    def screenshot(self, file: Path) -> None:
        """Save a picture of the whole page as PNG."""
        shot = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot["data"]))

    def processes(self) -> list[int]:
        """Its processes that live, for those who watch their sockets."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    if os.getsid(int(entry.name)) == self.session:
                        found.append(int(entry.name))
                except OSError:
                    continue
        return found

    def close(self) -> None:
        """End all its processes: asked first, forced after three seconds."""
        for which, patience_s in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 10.0)):
            deadline_s = time.monotonic() + patience_s
            for pid in self.processes():
                try:
                    os.kill(pid, which)
                except ProcessLookupError:
                    continue
            while time.monotonic() < deadline_s and self._alive():
                time.sleep(_POLL_S)
        for descriptor in (self._tell, self._hear):
            try:
                os.close(descriptor)
            except OSError:
                continue

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _alive(self) -> bool:
        self._process.poll()
        return bool(self.processes())

    def _object(self, selector: str) -> str:
        found = self.ask(
            "Runtime.evaluate", expression=f"document.querySelector({json.dumps(selector)})"
        )
        return str(found["result"]["objectId"])

    def _read(self, deadline_s: float) -> dict[str, Any] | None:
        """The next message; None when none comes in time."""
        while b"\0" not in self._unread:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or not select.select([self._hear], [], [], left_s)[0]:
                return None
            piece = os.read(self._hear, 1 << 20)
            if not piece:
                raise DriveError("The browser ended.")
            self._unread += piece
        line, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        self._note(message)
        return message

    def _note(self, message: dict[str, Any]) -> None:
        """Remember what the page asks for and complains of."""
        told = message.get("params", {})
        match message.get("method"):
            case "Network.requestWillBeSent":
                self.addresses.append(told["request"]["url"])
            case "Runtime.exceptionThrown":
                self.complaints.append(told["exceptionDetails"]["text"])
            case "Log.entryAdded" if told["entry"]["level"] == "error":
                self.complaints.append(told["entry"]["text"])
