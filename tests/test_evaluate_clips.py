from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from zipfile import ZipFile

import cv2
import numpy as np
import pytest

from camfilter.errors import SettingError, SourceError, SourceNotFound, UnreadableSource
from camfilter.faces.base import Box
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.frames import Pixels, Size
from camfilter.lab.data import hashed_part, load_faces
from camfilter.lab.evaluate.clips import make_clip, seed_of
from camfilter.lab.evaluate.cropping import CropRule, Sighting, SpyDetector, cut
from camfilter.lab.evaluate.motion import Motion, moving_clip
from camfilter.lab.evaluate.options import EvaluateOptions
from camfilter.lab.evaluate.subjects import Subject, find_subjects, people, read_still
from camfilter.sources.demo import portrait_path

SIZE = Size(640, 360)


def options(**more: object) -> EvaluateOptions:
    return EvaluateOptions.of({"channels": ("u8",), "seconds": 0.3, **more})


def png(level: int) -> bytes:
    return cv2.imencode(".png", np.full((20, 20), level, np.uint8))[1].tobytes()


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Sixty pictures of twenty identities in a folder of a zip file: neutral ones abound."""
    lines = ["image,emotion,identity"]
    file = tmp_path / "faces.zip"
    with ZipFile(file, "w") as archive:
        for index in range(60):
            emotion = "neutral" if index % 6 else ("anger" if index % 12 else "fear")
            lines.append(f"p{index}.png,{emotion},person {index // 3}")
            archive.writestr(f"faces/p{index}.png", png(index))
        archive.writestr("labels.csv", "\n".join(lines))
    return file


def test_expressions_come_as_evenly_as_there_are_pictures(table: Path) -> None:
    found = find_subjects(options(inputs=(table,), part="all", faces=12))
    assert Counter(s.label for s in found) == {"neutral": 4, "anger": 4, "fear": 4}
    more = find_subjects(options(inputs=(table,), part="all", faces=40))
    assert Counter(s.label for s in more) == {"neutral": 30, "anger": 5, "fear": 5}


def test_the_parts_share_no_identity(table: Path) -> None:
    parts = {}
    for part in ("train", "valid", "test"):
        try:
            found = find_subjects(options(inputs=(table,), part=part, faces=60))
        except SourceError:
            found = []
        parts[part] = {int(s.name[1:-4]) // 3 for s in found}
        assert all(hashed_part(f"person {number}") == part for number in parts[part])
    assert sum(map(len, parts.values())) == 20
    assert len(set.union(*parts.values())) == 20


def test_new_identities_come_first(table: Path) -> None:
    found = find_subjects(options(inputs=(table,), part="all", faces=9))
    assert len({int(s.name[1:-4]) // 3 for s in found}) == 9


def test_people_have_their_pictures_together(table: Path) -> None:
    everybody = people(table, "all")
    alone = [subject for pictures in everybody.values() for subject in pictures]
    assert len(alone) == len({subject.name for subject in alone})
    halves = [people(table, part) for part in ("train", "valid", "test")]
    assert sum(map(len, halves)) == len(everybody)
    assert {name: pictures for half in halves for name, pictures in half.items()} == everybody


def test_subjects_are_the_same_for_the_same_seed(table: Path) -> None:
    first, second, other = (
        find_subjects(options(inputs=(table,), part="all", faces=12, seed=seed))
        for seed in (1, 1, 2)
    )
    assert first == second != other


def test_a_picture_of_a_zip_file(table: Path) -> None:
    found = find_subjects(options(inputs=(table,), part="all", faces=1))
    assert read_still(found[0])[0, 0].tolist() == [int(found[0].name[1:-4])] * 3


def test_training_reads_the_same_zip_file(table: Path) -> None:
    found = load_faces(table, 20)
    assert len(found.train) + len(found.valid) + len(found.test) == 60


def test_faces_of_an_array_file(tmp_path: Path) -> None:
    pictures = np.stack([np.full((48, 48), level, np.uint8) for level in (10, 20, 30)])
    votes = np.zeros((3, 10), np.uint8)
    votes[[0, 1, 2], [3, 9, 1]] = 10  # sadness, not a face, happiness
    np.savez(tmp_path / "ferplus_valid.npz", images=pictures, votes=votes)
    found = find_subjects(options(inputs=(tmp_path / "ferplus_valid.npz",)))
    assert {s.label: s.name for s in found} == {
        "sadness": "ferplus_valid-0",
        "happiness": "ferplus_valid-1",
    }
    stills = {s.label: read_still(s) for s in found}
    assert stills["sadness"].shape == (288, 288, 3)
    assert (stills["happiness"] == 30).all()


def test_a_folder_called_like_an_expression_labels_what_lies_in_it(tmp_path: Path) -> None:
    for name in ("anger", "holiday"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(png(9))
    (tmp_path / "notes.txt").write_text("no picture")
    found = find_subjects(options(inputs=(tmp_path,)))
    assert [(s.name, s.label) for s in found] == [("anger/a.png", "anger"), ("holiday/a.png", None)]


def test_names_are_unique(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(9))
    found = find_subjects(options(inputs=(tmp_path / "a.png", tmp_path)))
    assert [s.name for s in found] == ["a.png", "a.png (2)"]


def test_inputs_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match="There is no"):
        find_subjects(options(inputs=(tmp_path / "none.png",)))
    with pytest.raises(SourceNotFound, match="--data"):
        find_subjects(options(data=tmp_path))
    (tmp_path / "bad.zip").write_bytes(b"no zip")
    with pytest.raises(UnreadableSource, match="not a zip"):
        find_subjects(options(inputs=(tmp_path / "bad.zip",)))
    with pytest.raises(UnreadableSource, match="no picture or video"):
        find_subjects(options(inputs=(_empty(tmp_path),)))
    with ZipFile(tmp_path / "gap.zip", "w") as archive:
        archive.writestr("labels.csv", "image,emotion\nlost.png,anger\n")
    with pytest.raises(UnreadableSource, match=r"'lost.png', which is not there"):
        find_subjects(options(inputs=(tmp_path / "gap.zip",), part="all"))


def _empty(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"channels": ("u9",)}, "There is no channel 'u9'"),
        ({"motion": "frantic"}, "There is no motion 'frantic'. Choose from calm, lively, turning,"),
        ({"countermeasures": ("prayer",)}, "There is no counter-measure 'prayer'"),
        ({"part": "best"}, "--part 'best' cannot be used"),
        ({"faces": 0}, "--faces 0 cannot be used"),
    ],
)
def test_options_that_cannot_be_used(values: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        options(**values)


def test_counter_measures_take_long_and_are_tried_in_one_channel() -> None:
    usual = options(countermeasures=("blur",))
    assert usual.tries("h264-360p-500k") == ("plain", "blur")
    assert usual.tries("u8") == ("plain",)
    everywhere = options(countermeasures=("blur",), countermeasure_channels=("all",))
    assert everywhere.tries("u8") == ("plain", "blur")


def test_clips_are_as_tall_as_the_tallest_channel() -> None:
    assert options().size == Size(640, 360)
    assert options(channels=("h264-180p-150k",)).size == Size(640, 360)
    assert options(channels=("u8", "h264-720p-2500k")).size == Size(1280, 720)
    assert options(height_px=480).size == Size(854, 480)


def moved(picture: Pixels, face: Box, seed: int, motion: Motion | None = None) -> list[Pixels]:
    times_s = np.arange(0, 3, 0.25)
    return moving_clip(picture, face, SIZE, times_s, np.random.default_rng(seed), motion)


def test_a_still_begins_to_move(astronaut: Pixels, still_faces: MediaPipeFaces) -> None:
    face = still_faces.find(astronaut)[0]
    frames = moved(astronaut, face.box, 1)
    found = [still_faces.find(frame) for frame in frames]
    assert all(faces for faces in found)
    heights = [faces[0].box.bottom - faces[0].box.top for faces in found]
    centres = np.array([(f[0].box.left + f[0].box.right) / 2 for f in found])
    roll = [np.degrees(np.arctan2(f[0].to_unit[1, 0], f[0].to_unit[0, 0])) for f in found]
    assert 0.3 * SIZE.height < min(heights) < max(heights) < 0.66 * SIZE.height
    assert max(heights) > 1.02 * min(heights)
    assert np.ptp(centres) > 5
    assert np.ptp(roll) > 2


def test_the_same_seed_gives_the_same_clip(astronaut: Pixels) -> None:
    face = Box(170, 60, 280, 200)
    first, second, other = (moved(astronaut, face, seed) for seed in (4, 4, 5))
    assert all(map(np.array_equal, first, second))
    assert not np.array_equal(first[0], other[0])


def test_the_sensor_is_noisy_where_nothing_moves(astronaut: Pixels) -> None:
    frames = np.stack(moved(astronaut, Box(170, 60, 280, 200), 2, Motion(log_gain=0)))
    corner = frames[:, :40, :40].astype(float)
    assert corner.std(axis=0).mean() == pytest.approx(1.2, abs=0.25)
    noise = corner - corner.mean(axis=0)
    assert abs(np.corrcoef(noise[0].ravel(), noise[5].ravel())[0, 1]) < 0.3


def test_a_clip_of_a_subject() -> None:
    subject = Subject("hopper", portrait_path())
    first, second = (make_clip(subject, options(seed=3)) for _ in range(2))
    assert len(first.frames) == 9
    assert first.frames[0].shape == (360, 640, 3)
    assert all(map(np.array_equal, first.frames, second.frames))


def test_a_lively_head_moves_more_than_a_calm_one_and_less_than_a_fast_one(
    still_faces: MediaPipeFaces,
) -> None:
    subject = Subject("hopper", portrait_path())
    ways_px = []
    for motion in ("calm", "lively", "fast"):
        frames = make_clip(subject, options(seconds=1.5, motion=motion)).frames[::3]
        centres = [still_faces.find(pixels)[0].outline.mean(axis=0) for pixels in frames]
        ways_px.append(np.linalg.norm(np.diff(centres, axis=0), axis=1).sum())
    assert 1.3 * ways_px[0] < ways_px[1] < ways_px[2] / 1.3


def test_a_picture_without_a_face_gives_no_clip(tmp_path: Path) -> None:
    (tmp_path / "wall.png").write_bytes(png(90))
    assert make_clip(Subject("wall", tmp_path / "wall.png"), options()).frames == []


def test_seeds_depend_on_the_name_alone() -> None:
    assert seed_of(1, "a", "b") == seed_of(1, "a", "b")
    assert len({tuple(seed_of(*key)) for key in ((1, "a"), (1, "b"), (2, "a"))}) == 3


def test_the_spy_finds_the_face_by_itself(hopper: Pixels, still_faces: MediaPipeFaces) -> None:
    detector = SpyDetector()
    seen = detector.find(hopper)
    detector.close()
    box = still_faces.find(hopper)[0].box
    assert seen is not None
    assert box.left < seen.centre[0] < box.right
    assert box.top < seen.centre[1] < box.bottom
    eyes_px = seen.keypoints[1, 0] - seen.keypoints[0, 0]
    assert 0.25 * (box.right - box.left) < eyes_px < 0.7 * (box.right - box.left)


def test_a_lost_face_is_looked_for_where_it_was(hopper: Pixels) -> None:
    detector = SpyDetector()
    wall = np.full_like(hopper, 120)
    found = detector.follow([wall, hopper, wall, wall, wall], patience=2)
    detector.close()
    assert [seen is not None for seen in found] == [False, True, True, True, False]


def test_a_crop_has_its_margin_on_each_side() -> None:
    pixels = np.zeros((200, 300, 3), np.uint8)
    pixels[60:100, 120:160] = 255  # the box itself
    seen = Sighting(np.array([140.0, 80.0]), 40.0, np.zeros((4, 2), np.float32))
    tight = cut(pixels, seen, CropRule(40, margin=0.0))
    wide = cut(pixels, seen, CropRule(80, margin=0.5))
    small = cut(pixels, seen, CropRule(20, margin=0.5))
    assert tight is not None
    assert wide is not None
    assert small is not None
    assert tight.min() == 255
    assert (wide[22:58, 22:58] == 255).all()
    assert wide[:18].max() == 0
    assert wide[62:].max() == 0
    assert (small[6:14, 6:14] == 255).all()
    assert small[:4].max() == 0


def test_a_crop_over_the_edge_repeats_it() -> None:
    pixels = np.zeros((200, 300, 3), np.uint8)
    pixels[:, :20] = 90
    seen = Sighting(np.array([5.0, 100.0]), 30.0, np.zeros((4, 2), np.float32))
    crop = cut(pixels, seen, CropRule(30, margin=0.0))
    assert crop is not None
    assert (crop == 90).all()


def test_keypoints_in_one_place_give_no_crop() -> None:
    seen = Sighting(np.array([9.0, 9.0]), 5.0, np.full((4, 2), 9, np.float32))
    assert cut(np.zeros((20, 20, 3), np.uint8), seen, CropRule(16)) is None


def test_a_table_that_is_no_text(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as archive:
        archive.writestr("labels.csv", b"\xff\xfe\x00bad")
    (tmp_path / "t.zip").write_bytes(buffer.getvalue())
    with pytest.raises(UnreadableSource, match="not UTF-8"):
        find_subjects(options(inputs=(tmp_path / "t.zip",)))
