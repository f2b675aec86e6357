"""Secure Boot: does this machine refuse modules that nobody signed?"""

from __future__ import annotations

from typing import Final

from camfilter.doctor.finding import Finding, ok, warn
from camfilter.doctor.loopback import read_loopback
from camfilter.doctor.system import System

__all__ = ["ENROL", "look_at_secure_boot", "secure_boot_on"]

_VARIABLE: Final = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_ATTRIBUTE_BYTES: Final = 4

ENROL: Final = (
    "DKMS signs what it builds with a key of this machine that must be enrolled once: "
    "sudo mokutil --import /var/lib/dkms/mok.pub (Ubuntu: /var/lib/shim-signed/mok/MOK.der), "
    "choose a password, restart, and in the blue screen choose Enroll MOK. "
    "Or switch Secure Boot off in the firmware."
)


def secure_boot_on(system: System) -> bool | None:
    """True or False as the firmware says; None where that cannot be found out."""
    if not system.path("/sys/firmware/efi").is_dir():
        return False
    try:
        value = system.path(_VARIABLE).read_bytes()[_ATTRIBUTE_BYTES:]
    except OSError:
        value = b""
    if value:
        return value[0] == 1
    answer = system.run(("mokutil", "--sb-state"), 2.0)
    if "SecureBoot enabled" in answer.output:
        return True
    return False if "SecureBoot disabled" in answer.output else None


def look_at_secure_boot(system: System) -> Finding:
    """It matters only while it is on and v4l2loopback is not loaded yet."""
    on = secure_boot_on(system)
    if on is None:
        return warn("not found out: no SecureBoot variable and no mokutil")
    if not on:
        return ok("off")
    loopback = read_loopback(system)
    if loopback.loaded:
        return ok("on, and v4l2loopback is loaded all the same")
    if loopback.installed and loopback.signer:
        return warn(
            f"on; v4l2loopback is signed by {loopback.signer} and not loaded",
            'If modprobe says "Key was rejected by service": ' + ENROL,
        )
    return warn("on: the kernel refuses a v4l2loopback that is not signed", ENROL)
