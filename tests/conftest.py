"""Things that take long to make, made once."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import numpy as np
import pytest
from skimage import data

from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.frames import Pixels
from camfilter.sources.demo import portrait_path
from camfilter.sources.pictures import read_picture
from camfilter.surrogate.onnx import OnnxSurrogate
from camfilter.surrogate.provider import Provider


@pytest.fixture(scope="session")
def astronaut() -> Pixels:
    """A colour photograph of one face, 512x512."""
    pixels = np.ascontiguousarray(data.astronaut()[:, :, ::-1])
    pixels.flags.writeable = False
    return pixels


@pytest.fixture(scope="session")
def hopper() -> Pixels:
    """Another one, 512x600."""
    pixels = read_picture(portrait_path())
    pixels.flags.writeable = False
    return pixels


@pytest.fixture(scope="session")
def still_faces() -> Iterator[MediaPipeFaces]:
    """The real finder, for unrelated pictures."""
    finder = MediaPipeFaces(stills=True)
    yield finder
    finder.close()


@pytest.fixture(scope="session")
def surrogate() -> OnnxSurrogate:
    """The first shipped surrogate on the CPU."""
    return OnnxSurrogate(provider=Provider.CPU)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """torch on one thread: the same sums in the same order, and no neighbour is starved."""
    import torch  # noqa: PLC0415 - tests of the core do without it

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """A run started in the background ignores SIGINT, and so would the programs under test."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
