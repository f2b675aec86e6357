"""Where the face lies in a training crop, so that live crops can be cut alike.

Runs MediaPipe over FER+ training pictures and prints the median positions of
rigid landmarks, of the detector's six keypoints and of the face oval, in units
of the crop: (0, 0) is its upper left corner, (1, 1) its lower right one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import numpy.typing as npt
import typer
from rich.progress import track

from camfilter.faces.solutions import load_solutions

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

Points = npt.NDArray[np.float64]

RIGID = (33, 133, 362, 263, 168, 6, 197, 195, 4, 1, 2, 98, 327)
"""Mesh indices: eye corners, bridge, tip of the nose, below it, nostrils."""

KEYPOINTS = ("right_eye", "left_eye", "nose_tip", "mouth_centre", "right_ear", "left_ear")
"""The detector's keypoints in its own order; right is the person's right."""


class Enlarged:
    """A crop with a border and more pixels, as MediaPipe's models want it.

    Args:
        picture: (S, S) uint8 luma.
        border: of S, added on every side by repeating the edge.
        size_px: width and height after enlarging.
    """

    def __init__(
        self, picture: npt.NDArray[np.uint8], *, border: float = 0.5, size_px: int = 384
    ) -> None:
        padded = np.pad(picture, round(border * picture.shape[0]), mode="edge")
        enlarged = cv2.resize(padded, (size_px, size_px), interpolation=cv2.INTER_CUBIC)
        self.rgb = cv2.cvtColor(enlarged, cv2.COLOR_GRAY2RGB)
        self._border = border

    def crop_units(self, points: Iterable[object]) -> Points:
        """Positions of MediaPipe points in units of the crop.

        Args:
            points: with `x` and `y` in units of the enlarged picture.

        Returns:
            (N, 2) x and y in units of the crop.
        """
        xy = np.array([(point.x, point.y) for point in points])  # type: ignore[attr-defined]
        return xy * (1 + 2 * self._border) - self._border


def oval_order(edges: Iterable[tuple[int, int]]) -> list[int]:
    """The vertices of one closed ring of edges, in the order of a walk around it.

    Starts at the top of the forehead, index 10.
    """
    after = dict(edges)
    walk = [10]
    while after[walk[-1]] != walk[0]:
        walk.append(after[walk[-1]])
    return walk


def training_pictures(data: Path, half: str, count: int, seed: int) -> npt.NDArray[np.uint8]:
    """Random FER+ training pictures that have a clear majority among the expressions.

    Returns:
        (count, 48, 48) uint8 luma.
    """
    with np.load(data / f"ferplus_train_{half}.npz") as arrays:
        votes = np.where(arrays["votes"] <= 1, 0, arrays["votes"])
        usable = np.flatnonzero((votes.argmax(axis=1) < 8) & (votes.max(axis=1) > 0))
        chosen = np.random.default_rng(seed).permutation(usable)[:count]
        return np.asarray(arrays["images"][np.sort(chosen)])


def summary(found: list[Points], pictures: int) -> tuple[Points, dict[str, float]]:
    """Medians over faces, and how much the faces scatter about them.

    Returns:
        (P, 2) medians in units of the crop; counts and the median absolute deviation.
    """
    stack = np.stack(found)
    median = np.median(stack, axis=0)
    deviation = float(np.median(np.abs(stack - median)))
    return median, {"found": len(found), "pictures": pictures, "median_deviation": deviation}


def main(
    *,
    data: Annotated[
        Path, typer.Option(envvar="CAMFILTER_DATA", help="Folder with the FER+ arrays.")
    ] = DATA,
    half: Annotated[str, typer.Option(help="Training half: a or b.")] = "b",
    count: Annotated[int, typer.Option(help="Number of pictures.", min=1)] = 2000,
    seed: Annotated[int, typer.Option(help="Which pictures.")] = 0,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures here as well.")
    ] = None,
) -> None:
    """Print the median landmark positions of FER+ training crops."""
    pictures = training_pictures(data, half, count, seed)
    meshes: list[Points] = []
    detections: list[Points] = []
    solutions = load_solutions()
    with (
        solutions.face_mesh.FaceMesh(static_image_mode=True, max_num_faces=1) as mesh,
        solutions.face_detection.FaceDetection(model_selection=1) as detector,
    ):
        for picture in track(pictures, description="faces"):
            enlarged = Enlarged(picture)
            seen = mesh.process(enlarged.rgb).multi_face_landmarks
            if seen:
                meshes.append(enlarged.crop_units(seen[0].landmark))
            boxes = detector.process(enlarged.rgb).detections
            if boxes:
                location = boxes[0].location_data
                detections.append(enlarged.crop_units(location.relative_keypoints))
    mesh_median, mesh_counts = summary(meshes, len(pictures))
    key_median, key_counts = summary(detections, len(pictures))
    oval = oval_order(solutions.face_mesh.FACEMESH_FACE_OVAL)
    xy = np.round(mesh_median, 5).tolist()
    figures = {
        "units": "of the crop, x right, y down, (0, 0) upper left",
        "mesh": mesh_counts,
        "rigid": {str(index): xy[index] for index in RIGID},
        "oval": {"index": oval, "xy": [xy[index] for index in oval]},
        "detector": key_counts,
        "keypoints": dict(zip(KEYPOINTS, np.round(key_median, 5).tolist(), strict=True)),
    }
    text = json.dumps(figures, indent=2)
    print(text)
    if json_file is not None:
        json_file.write_text(text + "\n")


if __name__ == "__main__":
    typer.run(main)
