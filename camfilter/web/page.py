"""The page itself: one file with its own style and script, which nothing from outside may enter."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from importlib import resources
from typing import Final

__all__ = ["CLOSED", "MOST_BYTES", "Page", "fresh_page"]

MOST_BYTES: Final = 25_000_000
"""Of a picture that is taken."""

CLOSED: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""Content-Security-Policy under which nothing loads."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a browser gets.

    Attributes:
        body: the page, UTF-8.
        policy: its Content-Security-Policy; only its own script and style run.
        token: that the page knows and other pages do not.
    """

    body: bytes = field(repr=False)
    policy: str
    token: str = field(repr=False)


def fresh_page() -> Page:
    """A page with a token and a nonce of its own."""
    token, nonce = secrets.token_urlsafe(32), secrets.token_urlsafe(16)
    text = resources.files(__package__).joinpath("page.html").read_text("utf-8")
    for name, value in (("NONCE", nonce), ("TOKEN", token), ("MOST_BYTES", str(MOST_BYTES))):
        text = text.replace(f"{{{{{name}}}}}", value)
    policy = (
        f"{CLOSED}; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
        "img-src blob:; connect-src 'self'"
    )
    return Page(text.encode(), policy, token)
