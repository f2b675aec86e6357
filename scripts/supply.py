"""What camfilter is made of: exact versions with hashes, a bill of materials, licences, a wheel.

    scripts/supply.py lock        requirements-released.txt, with the hash of every file
    scripts/supply.py bom         a CycloneDX bill of materials on standard output
    scripts/supply.py licences    docs/licences.md
    scripts/supply.py audit       known vulnerabilities, by pip-audit
    scripts/supply.py wheel       the wheel of the last commit, built twice: equal?

Each but audit and lock works without a network. All speak of the program as it is released,
without the extras, for the system they run on.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from hashlib import sha256
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import unquote, urlparse

import typer
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).resolve().parent.parent
LOCKED: Final = REPOSITORY / "requirements-released.txt"
LICENCES: Final = REPOSITORY / "docs" / "licences.md"
HEAD: Final = (
    "# The released set with the hash of every file, for {system}.\n"
    "# Made by scripts/supply.py lock.\n"
    "# pip install --require-hashes -r requirements-released.txt\n"
)
CANNOT: Final = 3

app = typer.Typer(help=__doc__, no_args_is_help=True)


def wanted() -> list[str]:
    """What pyproject.toml asks for, without extras, and only what this system needs."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    asked = [Requirement(line) for line in project["dependencies"]]
    return [str(one) for one in asked if one.marker is None or one.marker.evaluate()]


def released() -> list[Distribution]:
    """The installed packages that the program needs, directly or not, by name."""
    found: dict[str, Distribution] = {}
    waiting = [Requirement(line) for line in wanted()]
    while waiting:
        asked = waiting.pop()
        if asked.marker is not None and not asked.marker.evaluate({"extra": ""}):
            continue
        name = canonical(asked.name)
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            if name.startswith("opencv-contrib-python"):  # the same without windows took its place
                found[name] = distribution("opencv-contrib-python-headless")
            else:
                raise
        waiting += [Requirement(line) for line in found[name].requires or ()]
    return [found[name] for name in sorted(found)]


def canonical(name: str) -> str:
    """A package's name as indexes write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def licence_of(package: Distribution) -> str:
    """The licence that a package names, in a word or two."""
    meta = package.metadata
    if expression := meta.get("License-Expression"):
        return str(expression)
    marked = [line for line in meta.get_all("Classifier") or () if line.startswith("License ::")]
    if marked:
        return ", ".join(line.rpartition(" :: ")[2] for line in marked)
    first = (meta.get("License") or "").strip().splitlines()
    return first[0][:60] if first else "not named"


def system() -> str:
    """The system that this is about."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return f"{os.uname().sysname} {os.uname().machine}, Python {version}"


def hashes() -> dict[str, str]:
    """SHA-256 by package, from the file that `lock` wrote."""
    pairs = re.findall(r"^(\S+?)==\S+ --hash=sha256:(\w+)$", LOCKED.read_text("utf-8"), re.M)
    return {canonical(name): value for name, value in pairs}


@app.command()
def lock() -> None:
    """Write the exact versions of the released set with the hash of every file."""
    done = subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet",
            "--disable-pip-version-check", "--only-binary=:all:", "--report", "-",
            "-c", "constraints.txt", *wanted(),
        ],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        typer.echo(f"pip found no such set: {done.stderr.strip().splitlines()[-1]}", err=True)
        raise typer.Exit(CANNOT)
    lines = sorted(locked(json.loads(done.stdout)), key=str.lower)
    LOCKED.write_text(HEAD.format(system=system()) + "\n".join(lines) + "\n", "utf-8")
    typer.echo(f"{len(lines)} packages in {LOCKED.name}.")


def locked(report: dict[str, Any]) -> Iterator[str]:
    """A line for each package of pip's report."""
    for one in report["install"]:
        told = one["download_info"]
        value = told.get("archive_info", {}).get("hashes", {}).get("sha256")
        if value is None:
            path = Path(unquote(urlparse(told["url"]).path))
            value = sha256(path.read_bytes()).hexdigest()
        meta = one["metadata"]
        yield f"{meta['name']}=={meta['version']} --hash=sha256:{value}"


@app.command()
def bom() -> None:
    """Print a software bill of materials, CycloneDX 1.5, JSON."""
    known = hashes() if LOCKED.exists() else {}
    components = []
    for package in released():
        name = canonical(package.metadata["Name"])
        one: dict[str, Any] = {
            "type": "library",
            "name": name,
            "version": package.version,
            "purl": f"pkg:pypi/{name}@{package.version}",
            "licenses": [{"license": {"name": licence_of(package)}}],
        }
        if name in known:
            one["hashes"] = [{"alg": "SHA-256", "content": known[name]}]
        components.append(one)
    graphs = json.loads((REPOSITORY / "onnx" / "manifest.json").read_text("utf-8"))["graphs"]
    components += [
        {
            "type": "machine-learning-model",
            "name": graph["file"],
            "version": graph["checkpoint_sha256"][:12],
            "hashes": [{"alg": "SHA-256", "content": graph["sha256"]}],
        }
        for graph in graphs
    ]
    version = re.search(r'__version__ = "(.+)"', (REPOSITORY / "camfilter/__init__.py").read_text())
    assert version is not None
    main = {"type": "application", "name": "camfilter", "version": version[1]}
    typer.echo(
        json.dumps(
            {
                "bomFormat": "CycloneDX",
                "specVersion": "1.5",
                "version": 1,
                "metadata": {"component": main},
                "components": components,
            },
            indent=2,
        )
    )


@app.command()
def licences(check: Annotated[bool, typer.Option(help="Only compare.")] = False) -> None:
    """Write the licence of every package of the released set into docs/licences.md."""
    rows = [
        f"| {canonical(one.metadata['Name'])} | {one.version} | {licence_of(one)} |"
        for one in released()
    ]
    text = (
        "# Licences of what camfilter stands on\n\n"
        "camfilter itself is under the MIT licence. It needs these packages; each is installed by\n"
        "pip from its own maker and none is part of camfilter's wheel. The licence is the one\n"
        f"that the package names. Made by `scripts/supply.py licences` for {system()}.\n\n"
        "| package | version | licence |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n"
    )
    if check and (not LICENCES.exists() or LICENCES.read_text("utf-8") != text):
        typer.echo(f"{LICENCES.name} is not up to date.", err=True)
        raise typer.Exit(1)
    if not check:
        LICENCES.write_text(text, "utf-8")
    typer.echo(f"{len(rows)} packages.")


@app.command()
def audit() -> None:
    """Ask pip-audit for known vulnerabilities of the released set; status 3 where it cannot."""
    if shutil.which("pip-audit") is None:
        typer.echo("pip-audit is not installed: pip install pip-audit", err=True)
        raise typer.Exit(CANNOT)
    done = subprocess.run(
        ["pip-audit", "--disable-pip", "--require-hashes", "-r", str(LOCKED)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    typer.echo(done.stdout + done.stderr)
    reached = "vulnerabilit" in done.stdout + done.stderr
    raise typer.Exit(done.returncode if reached else CANNOT)


@app.command()
def wheel() -> None:
    """Build the wheel of the last commit twice, in two places, and compare."""
    done = subprocess.run(
        ["git", "archive", "HEAD"], cwd=REPOSITORY, capture_output=True, check=True
    )
    stamp = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=REPOSITORY, capture_output=True, check=True
    )
    found = []
    for name in ("one", "another-place"):
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / name
            place.mkdir()
            with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
                archive.extractall(place, filter="data")
            for path in place.rglob("*"):  # a checkout has the times of its own making
                os.utime(path)
            subprocess.run(
                [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, "."],
                cwd=place, check=True,
                env={**os.environ, "SOURCE_DATE_EPOCH": stamp.stdout.decode().strip()},
            )  # fmt: skip
            (built,) = Path(folder).glob("*.whl")
            found.append((built.name, sha256(built.read_bytes()).hexdigest()))
    for name, value in found:
        typer.echo(f"{value}  {name}")
    typer.echo("Equal." if found[0] == found[1] else "They differ.")
    if found[0] != found[1]:
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
