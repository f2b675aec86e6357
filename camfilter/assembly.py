"""Put the real parts together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from camfilter.chain import Chain, FaceChain
from camfilter.errors import GraphRefused
from camfilter.faces.between import BetweenFrames
from camfilter.faces.hold import HeldFaces
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.filter import FaceFilter
from camfilter.meter import Meter
from camfilter.over_time import ChainOverTime
from camfilter.settings import ChainSettings
from camfilter.surrogate.base import Recogniser, Surrogate
from camfilter.surrogate.ensemble import Ensemble
from camfilter.surrogate.manifest import Manifest, graphs_folder
from camfilter.surrogate.onnx import OnnxRecogniser, OnnxSurrogate
from camfilter.surrogate.provider import Provider

__all__ = ["build_chain", "build_filter", "open_held_out", "open_surrogate"]


def open_surrogate(
    name: str | None = None,
    provider: Provider = Provider.AUTO,
    threads: int = 1,
    folder: Path | None = None,
) -> Surrogate:
    """Load the recogniser to attack, its hashes proved.

    Args:
        name: of a surrogate in the manifest, or of several joined by +; None takes all.
        provider: hardware to run on.
        threads: CPU threads; small networks run fastest on one.
        folder: where graphs and manifest are; None takes the shipped ones.

    Raises:
        UnknownSurrogate: the manifest has no such name.
        GraphRefused: a graph is missing, damaged or not the manifest's.
        ProviderUnavailable: a named provider does not run here.
    """
    names = name.split("+") if name else Manifest.load(folder or graphs_folder()).attackable
    if not names:
        raise GraphRefused("The manifest lists no graph.", "Install camfilter again.")
    members = [OnnxSurrogate(member, provider, threads, folder) for member in names]
    return members[0] if len(members) == 1 else Ensemble(members)


def open_held_out(
    provider: Provider = Provider.CPU, threads: int = 1, folder: Path | None = None
) -> Recogniser | None:
    """Load the recogniser that is never attacked, its hashes proved; None where none is shipped.

    Raises:
        GraphRefused: its graph is missing, damaged or not the manifest's.
        ProviderUnavailable: a named provider does not run here.
    """
    names = Manifest.load(folder or graphs_folder()).held_out
    return OnnxRecogniser(names[0], provider, threads, folder) if names else None


def build_chain(
    settings: ChainSettings, surrogate: Surrogate, *, stills: bool, seed: int = 0
) -> FaceChain:
    """The chain that the settings ask for; unrelated pictures have no time to spread it over."""
    if stills or not settings.over_time:
        return Chain(surrogate, settings)
    return ChainOverTime(surrogate, settings, seed=seed)


def build_filter(
    settings: ChainSettings,
    surrogate: Surrogate,
    *,
    stills: bool,
    seed: int = 0,
    meter: Meter | None = None,
    find_every: Callable[[], int] | None = None,
) -> FaceFilter:
    """The filter with MediaPipe's faces.

    Args:
        settings: of the chain.
        surrogate: the recogniser to attack.
        stills: True for unrelated pictures, False for a moving scene.
        seed: of what the chain over time draws at random.
        meter: says what recognisers read; None asks the surrogate alone.
        find_every: frames from one that the finder sees to the next, asked for each frame.
    """
    finder = MediaPipeFaces(stills=stills)
    chain = build_chain(settings, surrogate, stills=stills, seed=seed)
    return FaceFilter(
        finder if stills else HeldFaces(BetweenFrames(finder, find_every)),
        chain,
        meter=meter,
    )
