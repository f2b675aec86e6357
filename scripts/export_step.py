"""Export a surrogate's gradient as ONNX graphs and enter them into the manifest."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from camfilter.errors import CamfilterError
from camfilter.lab.networks import SurrogateFolder
from camfilter.lab.publishing import publish_graphs
from camfilter.surrogate.manifest import GraphKind

GRAPHS = Path(__file__).resolve().parents[1] / "onnx"


def main(
    name: Annotated[str, typer.Argument(help="Surrogate: a folder of models/.")],
    *,
    batch: Annotated[
        list[int] | None, typer.Option(help="Faces per call; may be given more than once.", min=1)
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="No gradient: a recogniser that is held out.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder of the graphs and the manifest.")] = GRAPHS,
) -> None:
    """Export step and read graphs of a surrogate, for batches of 1 and 4 by default."""
    kinds = (GraphKind.READ,) if read_only else tuple(GraphKind)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        specs = publish_graphs(SurrogateFolder.named(name), out, batch or (1, 4), kinds=kinds)
    except CamfilterError as error:
        Console(stderr=True).print(str(error), style="red", highlight=False)
        raise typer.Exit(1) from error
    for spec in specs:
        Console().print(f"{spec.file}  opset {spec.opset}  {spec.sha256}", highlight=False)


if __name__ == "__main__":
    typer.run(main)
