from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest

from camfilter.errors import SettingError
from camfilter.faces.solutions import load_solutions
from camfilter.frames import Size
from camfilter.sources import DemoSource, frames_of, open_source


def test_it_says_what_it_is() -> None:
    info = open_source("demo").info
    assert info.size == Size(640, 480)
    assert info.rate_hz == 30
    assert info.frame_count == 150
    assert not info.live
    assert not info.stills


def test_it_delivers_as_many_frames_as_asked_for() -> None:
    with open_source("demo", size=Size(321, 241), rate_hz=15, frame_count=7) as source:
        frames = list(frames_of(source))
    assert [f.time_s for f in frames] == pytest.approx([i / 15 for i in range(7)])
    assert {f.size for f in frames} == {Size(321, 241)}


def test_it_is_the_same_every_time_and_moves_smoothly() -> None:
    first = [f.pixels for f in frames_of(DemoSource(frame_count=20))]
    second = [f.pixels for f in frames_of(DemoSource(frame_count=20))]
    steps = []
    for index, (a, b) in enumerate(zip(first, second, strict=True)):
        assert np.array_equal(a, b)
        if index:
            steps.append(float(cv2.absdiff(a, first[index - 1]).mean()))
    assert min(steps) > 0.2
    assert max(steps) < 8


@pytest.mark.parametrize("size", [Size(640, 480), Size(1280, 720), Size(360, 640)], ids=str)
def test_the_whole_face_stays_in_view(size: Size) -> None:
    found = 0
    with load_solutions().face_detection.FaceDetection(min_detection_confidence=0.5) as faces:
        for frame in list(frames_of(DemoSource(size)))[::15]:
            rgb = cv2.cvtColor(frame.pixels, cv2.COLOR_BGR2RGB)
            (face,) = faces.process(rgb).detections
            box = face.location_data.relative_bounding_box
            assert 0.1 < box.xmin < box.xmin + box.width < 0.9
            assert 0.1 < box.ymin < box.ymin + box.height < 0.95
            found += 1
    assert found == 10


@pytest.mark.parametrize(
    "settings", [{"frame_count": 0}, {"rate_hz": -1.0}, {"size": Size(0, 480)}], ids=str
)
def test_settings_that_cannot_be_used(settings: dict[str, object]) -> None:
    with pytest.raises(SettingError):
        DemoSource(**settings)  # type: ignore[arg-type]


def test_a_tiny_demo_is_drawn() -> None:
    frame = DemoSource(Size(1, 1)).read()
    assert frame is not None
    assert frame.pixels.shape == (1, 1, 3)


def test_pyplot_is_not_imported() -> None:
    code = (
        "import sys; from camfilter.sources.demo import DemoSource; DemoSource(); "
        "sys.exit('matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
