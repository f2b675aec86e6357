"""What every source does in a ``with`` block."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

__all__ = ["ClosedOnExit"]


class ClosedOnExit(ABC):
    """Closes the source when the ``with`` block ends, however it ends."""

    @abstractmethod
    def close(self) -> None:
        """Release the device or file; closing twice does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
