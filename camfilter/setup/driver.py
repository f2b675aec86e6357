"""Steps for v4l2loopback: install it, give it our options, load it now and at every start."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from camfilter.doctor.cameras import groups_to_join
from camfilter.doctor.loopback import Loopback, read_loopback
from camfilter.doctor.secure_boot import ENROL, secure_boot_on
from camfilter.doctor.system import System
from camfilter.setup.files import kept_or_written
from camfilter.setup.programs import elevation, found
from camfilter.setup.steps import Command, Note, Step, WriteFile

__all__ = ["LABEL", "driver_files", "driver_steps"]

LABEL: Final = "camfilter"
_MODULE: Final = "v4l2loopback"
_GROUP: Final = "driver"
_FIRST_NUMBER: Final = 10
_OPTION_FOLDERS: Final = (
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
)
_LOAD_FILES: Final = ("/etc/modules-load.d", "/usr/lib/modules-load.d", "/lib/modules-load.d")
_EXCLUSIVE: Final = re.compile(r"exclusive_caps=[1yY]")
_KERNEL_FLAVOURS: Final = ("lts", "zen", "hardened")


def driver_steps(system: System) -> Iterator[Step]:
    """What is left to do, given the state of the machine."""
    loopback = read_loopback(system)
    if not loopback.loaded and secure_boot_on(system):
        yield Note(f"Secure Boot is on: the kernel refuses a module that is not signed. {ENROL}")
    if not loopback.installed:
        yield _package(system)
    options, load = driver_files(system)
    others = [path for path in _naming(_OPTION_FOLDERS, "options", system) if path != options.path]
    if others:
        yield Note(_of_others(others))
    else:
        yield from kept_or_written(options)
    if loopback.loaded:
        yield _as_loaded(loopback)
    else:
        words = (*elevation(system), "modprobe", _MODULE)
        yield Command("Load the driver now", words, _GROUP)
    if not [path for path in _naming(_LOAD_FILES, "", system) if path != load.path]:
        yield from kept_or_written(load)
    yield from _access(system)


def driver_files(system: System) -> tuple[WriteFile, WriteFile]:
    """The file with the driver's options, and the one that loads it at start."""
    options = (
        f"options {_MODULE} devices=1 video_nr={_free_number(system)} "
        f'card_label="{LABEL}" exclusive_caps=1\n'
    )
    root = elevation(system)
    return (
        WriteFile.marked(
            "Options of the driver: one camera named camfilter that Chrome, Zoom and Teams list",
            system.path("/etc/modprobe.d/camfilter.conf"),
            options,
            _GROUP,
            root,
        ),
        WriteFile.marked(
            "Load the driver at every start",
            system.path("/etc/modules-load.d/camfilter.conf"),
            f"{_MODULE}\n",
            _GROUP,
            root,
        ),
    )


def _package(system: System) -> Step:
    release = system.read("/proc/sys/kernel/osrelease") or ""
    what, root = "Install the driver v4l2loopback", elevation(system)
    if found("apt-get", system):
        headers = (f"linux-headers-{release}",) if release else ()
        words = ("apt-get", "install", "v4l2loopback-dkms", *headers)
    elif found("dnf", system):
        what += " (Fedora itself has none: switch on an extra repository that has it first)"
        words = ("dnf", "install", "akmod-v4l2loopback")
    elif found("pacman", system):
        flavour = next((name for name in _KERNEL_FLAVOURS if release.endswith(f"-{name}")), "")
        headers = (f"linux-{flavour}-headers" if flavour else "linux-headers",)
        words = ("pacman", "-S", "--needed", "v4l2loopback-dkms", *headers)
    else:
        return Note(
            "Install v4l2loopback for your kernel (often the package v4l2loopback-dkms), "
            "then run camfilter setup again."
        )
    return Command(what, (*root, *words), _GROUP, always_ask=True)


def _free_number(system: System) -> int:
    """10, or the next number that no other video node has."""
    number = _FIRST_NUMBER
    while True:
        name = system.read(f"/sys/class/video4linux/video{number}/name")
        if name in (None, LABEL):
            return number
        number += 1


def _naming(places: tuple[str, ...], word: str, system: System) -> list[Path]:
    """Files in these folders with a line that begins with `word` and then names the module."""
    wanted = [*([word] if word else []), _MODULE]
    found_in: dict[Path, Path] = {}
    for place in places:
        for path in system.entries(place):
            text = system.read(f"{place}/{path.name}") or ""
            if any(line.split()[: len(wanted)] == wanted for line in text.splitlines()):
                found_in.setdefault(path.resolve(), path)  # /lib may be a link to /usr/lib
    return list(found_in.values())


def _of_others(paths: list[Path]) -> str:
    listed = ", ".join(map(str, paths))
    text = f"The driver has options in {listed} already; camfilter setup leaves them alone."
    if all(_EXCLUSIVE.search(path.read_text("utf-8", "replace")) for path in paths):
        return text
    return text + (
        " Add exclusive_caps=1 (one value for each device) to that line, "
        "or Chrome, Zoom and Teams will not list the camera."
    )


def _as_loaded(loopback: Loopback) -> Note:
    fit = [node for node in loopback.nodes if node.exclusive]
    if fit:
        return Note(f"The driver is loaded; {fit[0].path} ({fit[0].label}) will do.")
    listed = ", ".join(f"{node.path} ({node.label})" for node in loopback.nodes) or "no camera"
    return Note(
        f"The driver is loaded with other options ({listed}), and may be in use: it is left as "
        "it is. The new options apply after a restart, or close what uses it and run: "
        f"sudo modprobe -r {_MODULE}; sudo modprobe {_MODULE}"
    )


def _access(system: System) -> Iterator[Step]:
    for group in groups_to_join(system):
        yield Command(
            f"Let {system.user.name} use the video nodes (from the next login on)",
            (*elevation(system), "usermod", "-aG", group, system.user.name),
            "access",
        )
