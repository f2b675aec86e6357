"""Python itself, and packages that get in each other's way."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from typing import Final

from camfilter.doctor.finding import Finding, fail, ok, warn
from camfilter.doctor.system import System

__all__ = ["OneProvider", "bringing", "look_at_mediapipe", "look_at_python"]

_MEDIAPIPE: Final = "0.10.21"
_FIRST_THAT_REPORTS: Final = (0, 10, 35)


def look_at_python(system: System) -> Finding:
    """MediaPipe 0.10.21 has wheels up to Python 3.12, and camfilter needs 3.11."""
    version = ".".join(map(str, system.python_version))
    if (3, 11) <= system.python_version[:2] <= (3, 12):
        return ok(version)
    return fail(
        f"{version}; camfilter needs 3.11 or 3.12, as MediaPipe {_MEDIAPIPE} has no later wheel",
        "Install camfilter with python3.11 or python3.12, in an environment of its own.",
    )


def look_at_mediapipe(system: System) -> Finding:
    """The version that holds its models, works offline and sends nothing."""
    version = _installed(system).get("mediapipe")
    hint = f"Run: python -m pip install mediapipe=={_MEDIAPIPE}"
    if version is None:
        return fail("not installed", hint + " (Python 3.11 or 3.12, 64 bit)")
    if version == _MEDIAPIPE:
        return ok(f"{version}, holds its models and sends nothing")
    if _numbers(version) >= _FIRST_THAT_REPORTS:
        return fail(f"{version} sends usage figures and holds no models", hint)
    return fail(f"{version}; camfilter is made for {_MEDIAPIPE}", hint)


@dataclass(frozen=True, slots=True)
class OneProvider:
    """Looks whether exactly one package brings a module: two overwrite each other's files.

    Attributes:
        module: name that is imported ("cv2").
        keep: the package that camfilter asks for; the first of these that is installed.
    """

    module: str
    keep: tuple[str, ...]

    def __call__(self, system: System) -> Finding:
        """Count them."""
        found = bringing(self.module, system)
        listed = ", ".join(f"{name} {version}" for name, version in sorted(found.items()))
        if not found:
            return fail(
                f"no package brings {self.module}", f"Run: python -m pip install {self.keep[0]}"
            )
        if len(found) == 1:
            return ok(listed)
        keep = next((name for name in self.keep if name in found), self.keep[0])
        others = " ".join(sorted(set(found) - {keep}))
        hint = (
            f"Run: python -m pip uninstall {others}; then: "
            f"python -m pip install --force-reinstall --no-deps {keep}=={found.get(keep, '')}"
        ).removesuffix("==")
        detail = f"{len(found)} packages bring {self.module} and overwrite each other: {listed}"
        if len(set(found.values())) == 1:
            return warn(f"{detail} (the same version)", hint)
        return fail(detail, hint)


def _installed(system: System) -> dict[str, str]:
    """Every installed package, by its name in small letters with dashes, and its version."""
    return _versions(_packages(system))


def bringing(module: str, system: System) -> dict[str, str]:
    """Packages that bring a module, by name, and their versions."""
    return _versions([package for package in _packages(system) if _brings(package, module)])


def _versions(packages: list[Distribution]) -> dict[str, str]:
    # Of two folders that hold the same package, Python imports from the first.
    return {_name(package): package.version for package in reversed(packages)}


def _packages(system: System) -> list[Distribution]:
    # A damaged entry has no name; it cannot be what somebody installed on purpose.
    found = distributions(path=list(system.python_folders))
    return [package for package in found if package.metadata["Name"]]


def _brings(package: Distribution, module: str) -> bool:
    files = package.files
    if files is None:
        return module in (package.read_text("top_level.txt") or "").split()
    return any(file.parts[0] == module and len(file.parts) > 1 for file in files)


def _name(package: Distribution) -> str:
    return str(package.metadata["Name"]).lower().replace("_", "-")


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.partition("+")[0].split(".")
    return tuple(int(part) for part in parts if part.isdecimal())
