"""Where pictures wait for their turn: one is masked at a time, few wait, the rest is sent away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from camfilter.photo import Masked, PhotoSettings

__all__ = ["Busy", "MaskDesk", "NotWanted"]

WAITING: Final = 2
"""Pictures that may wait while one is masked."""


class Busy(Exception):
    """Too many pictures are waiting already."""


class NotWanted(Exception):
    """Whoever asked has gone, or the program ends."""


class MaskDesk:
    """Takes pictures from many threads and masks them on one.

    Args:
        mask: makes a masked picture of a file's bytes; called by one thread only.
        waiting: pictures that may wait while one is masked.
    """

    def __init__(
        self, mask: Callable[[bytes, PhotoSettings], Masked], waiting: int = WAITING
    ) -> None:
        self._mask = mask
        self._places = threading.BoundedSemaphore(1 + waiting)
        self._worker = ThreadPoolExecutor(1, "masking")

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place, from before the picture is read until it is masked.

        Raises:
            Busy: there is none.
        """
        if not self._places.acquire(blocking=False):
            raise Busy
        try:
            yield
        finally:
            self._places.release()

    def mask(
        self, data: bytes, settings: PhotoSettings, wanted: Callable[[], bool] = lambda: True
    ) -> Masked:
        """Wait for the turn of a picture, and mask it.

        Args:
            data: the whole file.
            settings: what to hide, and how strongly.
            wanted: whether it is still asked for, when its turn has come.

        Raises:
            NotWanted: it is not, or the program ends.
            CamfilterError: what `PhotoMasker.mask` and `decode` raise.
        """

        def work() -> Masked:
            if not wanted():
                raise NotWanted
            return self._mask(data, settings)

        try:
            return self._worker.submit(work).result()
        except (CancelledError, RuntimeError) as error:
            if isinstance(error, CancelledError) or "shutdown" in str(error):
                raise NotWanted from error
            raise

    def close(self) -> None:
        """Send away who waits."""
        self._worker.shutdown(wait=False, cancel_futures=True)
