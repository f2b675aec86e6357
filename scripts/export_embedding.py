"""Export embedding networks with their gradient as ONNX graphs and enter them into a manifest."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from camfilter.errors import CamfilterError
from camfilter.lab.faceoff.embedding_graph import publish_embedding
from camfilter.lab.faceoff.networks import EmbeddingFolder

GRAPHS = Path(__file__).resolve().parents[1] / "onnx"


def main(
    names: Annotated[list[str], typer.Argument(help="Networks: folders models/embed-*.")],
    *,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Ask them about masked pictures, never attack them.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder of the graphs and the manifest.")] = GRAPHS,
) -> None:
    """Export networks; onnx/embeddings.json lists what was exported."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        for name in names:
            spec = publish_embedding(EmbeddingFolder.named(name), out, held_out=held_out)
            Console().print(f"{spec.file}  opset {spec.opset}  {spec.sha256}", highlight=False)
    except CamfilterError as error:
        Console(stderr=True).print(str(error), style="red", highlight=False)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(main)
