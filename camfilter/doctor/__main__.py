"""`python -m camfilter.doctor`: the same as `camfilter doctor`.

It imports nothing that a broken installation breaks, so it still answers where
`camfilter` itself does not start.
"""

from __future__ import annotations

import typer

from camfilter.cli.doctor import doctor

if __name__ == "__main__":
    typer.run(doctor)
