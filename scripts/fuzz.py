"""Feed damaged graphs, weights, settings, requests, pictures and videos to camfilter.

Each target in turn, twenty seconds in a process of its own with another seed, until the time is
over. A finding is printed with what came of it, and its input is kept as a file.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Annotated

import typer

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests")]

from reliability.fuzzing import ROUND_S, fuzz, targets  # noqa: E402


def main(
    minutes: Annotated[float, typer.Option(min=0.1, help="For all targets together.")] = 60,
    seed: Annotated[int, typer.Option(help="Of the first round.")] = 1,
    only: Annotated[str, typer.Option(help="One target.")] = "",
    keep: Annotated[Path, typer.Option(help="Folder for findings.")] = Path("fuzz-findings"),
) -> None:
    """Fuzz, and print how many inputs each target had; exit status 1 with a finding."""
    chosen = {name: one for name, one in targets().items() if only in ("", name)}
    inputs: Counter[str] = Counter()
    found: Counter[str] = Counter()
    until_s = time.monotonic() + 60 * minutes
    round_s = min(ROUND_S, 60 * minutes / len(chosen))
    for number in count(seed):
        for name, (target, strategy) in chosen.items():
            if time.monotonic() + round_s / 2 > until_s:
                break
            done, finding = fuzz(name, target, strategy, round_s, number)
            inputs[name] += done
            if finding is not None:
                found[name] += 1
                keep.mkdir(exist_ok=True)
                path = keep / f"{name.replace(' ', '-')}-{sha256(finding.content).hexdigest()[:12]}"
                path.write_bytes(finding.content)
                print(f"FOUND  {name}, seed {number}: {finding.what}\n       {path}", flush=True)
        else:
            continue
        break
    print("| target | inputs | findings |\n| --- | --- | --- |")
    for name in chosen:
        print(f"| {name} | {inputs[name]:,} | {found[name]} |")
    if found:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
