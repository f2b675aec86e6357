"""Asks a running camfilter, over its control socket."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final, Self

from camfilter.app.requests import Refused, decode, encode
from camfilter.app.transport import Channel, LineTooLong
from camfilter.atomic import one_line
from camfilter.errors import ControlError, SettingError

__all__ = ["ControlClient"]

_ANSWER_S: Final = 5.0
_STOPPING_S: Final = 15.0


class ControlClient:
    """One connection to a running camfilter.

    Args:
        channel: closed with the client.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def ask(self, request: str, **more: Any) -> dict[str, Any]:
        """Send one request and return its answer.

        Raises:
            SettingError: the request was refused.
            ControlError: there was no answer.
        """
        try:
            self._channel.send(encode({"request": request, **more}), _ANSWER_S)
        except OSError as error:
            raise _silent(error) from error
        answer = self._receive(_ANSWER_S)
        if answer is None:
            raise ControlError("camfilter ended the connection.")
        return answer

    def watch(self) -> Iterator[dict[str, Any]]:
        """A status twice a second, until the other side ends.

        Raises:
            SettingError: too many watch already.
            ControlError: it stopped answering.
        """
        answer: dict[str, Any] | None = self.ask("watch")
        while answer is not None:
            yield answer["status"]
            answer = self._receive(_ANSWER_S)

    def stop(self) -> None:
        """End the other side, and wait until it has closed its camera and files.

        Raises:
            ControlError: it did not end in time.
        """
        self.ask("stop")
        while self._receive(_STOPPING_S) is not None:
            pass

    def close(self) -> None:
        """End the connection; closing twice does nothing."""
        self._channel.close()

    def _receive(self, timeout_s: float) -> dict[str, Any] | None:
        try:
            line = self._channel.receive(timeout_s)
            answer = None if line is None else decode(line)
        except ConnectionResetError:
            return None
        except (OSError, LineTooLong, Refused) as error:
            raise _silent(error) from error
        if answer is not None and answer.get("ok") is not True:
            raise SettingError(str(answer.get("error", "Refused.")), str(answer.get("hint", "")))
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _silent(error: Exception) -> ControlError:
    return ControlError(f"camfilter does not answer: {one_line(error)}.", "Is it stuck?")
