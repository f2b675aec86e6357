from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from camfilter.expressions import EXPRESSIONS
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.frames import Pixels
from camfilter.geometry import cut_crop
from camfilter.lab.data import Faces
from camfilter.lab.evaluate.description import Kind
from camfilter.lab.evaluate.options import EvaluateOptions
from camfilter.lab.evaluate.recognisers import ForeignRecogniser
from camfilter.lab.evaluate.spies import (
    SpyTraining,
    filtered_clips,
    filtered_stills,
    joined,
    save_spy,
    train_spy,
)
from camfilter.lab.evaluate.subjects import Subject
from camfilter.lab.networks import SurrogateFolder
from camfilter.settings import ChainSettings
from camfilter.sources.demo import portrait_path
from camfilter.surrogate.onnx import OnnxSurrogate

SETTINGS = ChainSettings.of({"epsilon": "6 levels"})


@pytest.fixture(scope="module")
def faces(astronaut: Pixels, hopper: Pixels, still_faces: MediaPipeFaces) -> Faces:
    crops = [
        cut_crop(picture, still_faces.find(picture)[0], 48)
        for picture in (astronaut, hopper, astronaut[:, ::-1].copy(), hopper[:, ::-1].copy())
    ]
    pictures = np.rint(np.stack(crops) * 255).astype(np.uint8)
    return Faces(pictures, np.eye(8, dtype=np.float32)[[1, 0, 1, 0]])


def test_filtered_stills_fool_the_surrogate_within_the_budget(
    faces: Faces, surrogate: OnnxSurrogate
) -> None:
    done: list[None] = []
    filtered = filtered_stills(faces, surrogate, SETTINGS, 0, lambda: done.append(None))
    assert len(done) == len(faces)
    change = filtered.pictures.astype(int) - faces.pictures
    assert 3 <= np.abs(change).max() <= 6
    before, after = (
        surrogate.read(part.pictures.astype(np.float32) / 255).argmax(axis=1)
        for part in (faces, filtered)
    )
    assert (before != after).mean() > 0.5
    again = filtered_stills(faces, surrogate, SETTINGS, 0)
    assert np.array_equal(filtered.pictures, again.pictures)


def test_crops_of_filtered_clips(tmp_path: Path) -> None:
    options = EvaluateOptions.of({"seconds": 0.6, "channels": ("h264-360p-500k",)})
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((60, 60), 90, np.uint8))
    subjects = [
        Subject("hopper", portrait_path(), label="neutral"),
        Subject("wall", tmp_path / "wall.png", label="anger"),
        Subject("nobody knows", portrait_path()),
    ]
    found = filtered_clips(subjects, options, 48, "h264-360p-500k")
    assert found.pictures.shape == (3, 48, 48)  # each sixth of 18 frames
    assert found.majority.tolist() == [0, 0, 0]
    assert found.pictures.std() > 20
    assert len(joined(found, found)) == 6


@pytest.mark.usefixtures("one_thread")
def test_a_spy_learns_and_is_read_as_a_foreign_one(faces: Faces, tmp_path: Path) -> None:
    network = SurrogateFolder.named("plain48").load()
    wrong = Faces(np.repeat(faces.pictures, 4, axis=0), np.eye(8, dtype=np.float32)[[5] * 16])
    losses: list[float] = []
    training = SpyTraining(epochs=10, batch=16, lr=0.02, adversarial=0.5, seed=3)
    spy = train_spy(network, wrong, training, losses.append)
    assert len(losses) == 10
    assert np.mean(losses[-3:]) < 0.5 * np.mean(losses[:3])
    path = save_spy(spy, "adaptive-plain48", "adaptive", 48, tmp_path)
    foreign = ForeignRecogniser(path)
    assert foreign.kind is Kind.ADAPTIVE
    assert foreign.classes == EXPRESSIONS
    assert foreign.rule.margin is None
    crops = [np.repeat(picture[:, :, None], 3, axis=2) for picture in faces.pictures]
    with torch.no_grad():
        pictures = torch.from_numpy(faces.pictures)[:, None].float() / 255
        expected = spy(pictures).softmax(dim=1).numpy()
    assert np.allclose(foreign.read(crops), expected, atol=1e-4)
