"""A live run in a process of its own: the demo as a camera that never ends, the rest is real.

Arguments: NAME=VALUE settings, given as flags. Prints the figures as JSON.
"""

from __future__ import annotations

import json
import sys

from camfilter.app.config import load_layers
from camfilter.app.controller import Parts
from camfilter.app.pacing import PacedSource
from camfilter.app.settings import AppSettings
from camfilter.cli.live import run_controller
from camfilter.errors import CamfilterError
from camfilter.frames import Size
from camfilter.sources.base import Source
from camfilter.sources.demo import DemoSource


def endless(_settings: AppSettings) -> Source:
    return PacedSource(DemoSource(Size(320, 240), 15.0, 10**9))


def main(words: list[str]) -> int:
    flags = dict(word.split("=", 1) for word in words)
    try:
        figures = run_controller(load_layers(flags), parts=Parts(open_source=endless))
    except CamfilterError as error:
        sys.stderr.write(f"camfilter: {error}\n")
        return 2
    if figures is not None:
        sys.stdout.write(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
