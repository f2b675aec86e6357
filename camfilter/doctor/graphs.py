"""Are the shipped graphs those of the manifest?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from camfilter.doctor.finding import Finding, fail, ok
from camfilter.doctor.system import System
from camfilter.surrogate.manifest import Manifest, graphs_folder, read_graph

__all__ = ["GraphHashes"]


@dataclass(frozen=True, slots=True)
class GraphHashes:
    """Proves the hash of every graph.

    Attributes:
        folder: where the graphs and their manifest are; None for the shipped ones.
    """

    folder: Path | None = None

    def __call__(self, _system: System) -> Finding:
        """Read them all.

        Raises:
            GraphRefused: the first one that is missing or has another hash.
        """
        folder = self.folder or graphs_folder()
        manifest = Manifest.load(folder)
        if not manifest.graphs:
            return fail("the manifest lists no graph", "Install camfilter again.")
        for spec in manifest.graphs:
            read_graph(folder, spec)
        return ok(f"{len(manifest.graphs)} graphs have the hashes of the manifest")
