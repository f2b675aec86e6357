"""What may be asked of a running camfilter: one line of JSON in, one line of JSON out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from camfilter.app.controller import Controller
from camfilter.errors import CamfilterError

__all__ = ["REQUESTS", "Refused", "decode", "encode", "fulfil", "refusal"]

REQUESTS: Final = ("on", "off", "toggle", "status", "set", "watch", "stop")
_LONGEST_ERROR: Final = 400
_MOST_VALUES: Final = 64


class Refused(CamfilterError, ValueError):
    """A request that cannot be understood."""


def encode(answer: Mapping[str, Any]) -> bytes:
    """One line of ASCII, without its end."""
    return json.dumps(answer, allow_nan=False, separators=(",", ":")).encode("ascii")


def decode(line: bytes) -> dict[str, Any]:
    """Read one line.

    Raises:
        Refused: it is not an object in JSON.
    """
    try:
        value = json.loads(line.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Refused("That is not JSON.", 'Send {"request": "status"}.') from error
    if not isinstance(value, dict):
        raise Refused("A request is an object.", 'Send {"request": "status"}.')
    return value


def fulfil(controller: Controller, line: bytes) -> tuple[str, dict[str, Any]]:
    """Do what a line asks for.

    `watch` is answered with one status, `stop` with a yes; going on and
    stopping are up to whoever holds the connection.

    Args:
        controller: whose settings and state are asked for or changed.
        line: one request.

    Returns:
        What was asked for, empty where it could not be understood, and the answer.
    """
    try:
        asked = decode(line)
        request = asked.get("request")
        if request not in REQUESTS:
            raise Refused("There is no such request.", f"Choose one of: {', '.join(REQUESTS)}.")
        surplus = asked.keys() - {"request", *(("values",) if request == "set" else ())}
        if surplus:
            raise Refused(f"The request {request} holds more than is understood.")
        return str(request), {"ok": True, **_answer(controller, str(request), asked)}
    except CamfilterError as error:
        return "", refusal(error)


def refusal(error: CamfilterError) -> dict[str, Any]:
    """The answer that says what was wrong, however long the wrong value was."""
    return {"ok": False, "error": _short(error.what), "hint": _short(error.hint)}


def _answer(controller: Controller, request: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    if request in ("status", "watch"):
        return {"status": controller.status().as_json()}
    if request == "toggle":
        return {"on": controller.toggle()}
    if request in ("on", "off"):
        return {"on": controller.change({"on": request == "on"}).on}
    if request == "set":
        settings = controller.change(_values(asked))
        return {"settings": settings.model_dump(mode="json"), "warning": settings.vanishes}
    return {}


def _values(asked: Mapping[str, Any]) -> dict[str, Any]:
    values = asked.get("values")
    if not isinstance(values, dict) or not 1 <= len(values) <= _MOST_VALUES:
        raise Refused("Nothing is given to set.", 'Send {"values": {"epsilon": "6/255"}} with it.')
    return values


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_ERROR else f"{line[:_LONGEST_ERROR]}..."


def _no_number(_text: str) -> NoReturn:
    raise ValueError
