"""Things by name that one small file each adds: attacks, detectors, mitigations."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Generic, Protocol, TypeVar

from camfilter.errors import SettingError

__all__ = ["Named", "Registry"]


class Named(Protocol):
    """Something that a person chooses by its name."""

    @property
    def name(self) -> str:
        """As on the command line."""


T = TypeVar("T", bound=Named)


class Registry(Generic[T]):
    """All that a package's modules offer, and all that other distributions add.

    Each module of the package may have a function `offered()` that returns what it adds. Another
    distribution names such a function under an entry point of the group.

    Args:
        package: full name of the package, "camfilter.lab.attacks" for example.
        group: of entry points, "camfilter.attacks" for example.
        what: one such thing in words, for messages.
    """

    def __init__(self, package: str, group: str, what: str) -> None:
        self._package = package
        self._group = group
        self._what = what

    @property
    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(_found(self._package, self._group))

    def named(self, name: str) -> T:
        """One of them.

        Raises:
            SettingError: there is none of that name.
        """
        found = _found(self._package, self._group)
        if name not in found:
            raise SettingError(
                f"There is no {self._what} {name!r}.", f"Choose one of: {', '.join(sorted(found))}."
            )
        thing: T = found[name]
        return thing


@cache
def _found(package: str, group: str) -> dict[str, Any]:
    modules = pkgutil.iter_modules(import_module(package).__path__, f"{package}.")
    offers = [getattr(import_module(module.name), "offered", None) for module in modules]
    added: Iterable[Any] = (entry.load() for entry in entry_points(group=group))
    everything = [thing for offer in (*offers, *added) if offer is not None for thing in offer()]
    return {thing.name: thing for thing in everything}
