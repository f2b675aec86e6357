"""What every sink does in a ``with`` block."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

__all__ = ["ClosedOnExit"]


class ClosedOnExit(ABC):
    """Closes the sink when the ``with`` block ends well, aborts it when it ends by an error."""

    @abstractmethod
    def close(self) -> None:
        """Finish what was written; closing twice does nothing."""

    def abort(self) -> None:
        """Leave nothing half-written behind."""
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()
