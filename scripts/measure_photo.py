"""What masked pictures still tell: expressions and people, validation part of LFW, JPEG 85."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import cv2
import numpy as np
import typer
from numpy.typing import NDArray

from camfilter.assembly import open_held_out, open_surrogate
from camfilter.embedding import Embedder, open_embedders
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.frames import Pixels
from camfilter.geometry import cut_crop
from camfilter.lab.data import load_faces
from camfilter.lab.faceoff.people import Part, load_part
from camfilter.photo import Photo, PhotoMasker, PhotoSettings, decode
from camfilter.photo.decoding import Kind

QUALITY: Final = 85
STRENGTHS: Final = (6, 12, 24)
SURE: Final = 0.5


def main(
    data: Annotated[Path, typer.Option(envvar="CAMFILTER_DATA")] = Path("../shared/data"),
    each: Annotated[int, typer.Option(help="Faces of each expression.")] = 16,
    people: Annotated[int, typer.Option(help="People, six pictures each.")] = 36,
    file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Mask, save, read again; print a line for each setting."""
    zipped = data / "lfw_expressions.zip"
    finder, surrogate, held_out = MediaPipeFaces(stills=True), open_surrogate(), open_held_out()
    masker = PhotoMasker(finder, surrogate, held_out=held_out)
    figures = {"emotion": emotion(masker, finder, zipped, each), "identity": {}}
    print("emotion, 6 levels", figures["emotion"], flush=True)
    embedders = open_embedders()
    (held_out_name,) = (one.name for one in open_embedders(held_out=True))
    persons = pictures_of(finder, zipped, people)
    asked = [("nothing", 0, "identity")]
    for strength in STRENGTHS:
        asked += [(one.name, strength, "identity") for one in embedders]
        asked.append((held_out_name, strength, "both"))
    for left_out, strength, hide in asked:
        attacked, judges = (
            [one for one in embedders if (one.name == left_out) is judge] for judge in (False, True)
        )
        masker = PhotoMasker(
            finder, surrogate,
            open_embedders=lambda it=attacked: it, open_judges=lambda it=judges: it,
        )  # fmt: skip
        found = identity(masker, finder, persons, embedders, strength, hide)
        figures["identity"][f"{hide}, {strength}, all but {left_out}"] = found
        print(f"{hide}, {strength} levels, against all but {left_out}: {found}", flush=True)
    finder.close()
    if file is not None:
        file.write_text(json.dumps(figures, indent=2) + "\n")


def emotion(
    masker: PhotoMasker, finder: MediaPipeFaces, zipped: Path, each: int
) -> dict[str, dict[str, float]]:
    """Share of faces, where the reading was sure, whose reading changed."""
    faces = load_faces(zipped, 160).valid
    labels = faces.labels.argmax(axis=1)
    random = np.random.default_rng(0)
    chosen = [i for k in range(8) for i in random.permutation(np.flatnonzero(labels == k))[:each]]
    changed: dict[str, list[bool]] = {"surrogates": [], "held_out": []}
    for index in chosen:
        picture = enlarged(faces.pictures[index], 480)
        if len(finder.find(picture)) != 1:
            continue
        (read,) = masked(masker, picture, 6, "emotion")[1]["faces"]
        for who, changes in changed.items():
            if read[who]["before"]["confidence"] >= SURE:
                changes.append(read[who]["changed"])
    return {
        who: {"faces": len(changes), "changed": round(float(np.mean(changes)), 3)}
        for who, changes in changed.items()
    }


def pictures_of(finder: MediaPipeFaces, zipped: Path, people: int) -> list[list[Pixels]]:
    """Pictures of each person in which one face is found, three or more."""
    placed = load_part(zipped, Part.VALID, least_pictures=4, most_people=people, most_pictures=6)
    persons = []
    for person in range(len(placed.names)):
        frames = [enlarged(frame, 512) for frame in placed.frames[placed.people == person]]
        found = [frame for frame in frames if len(finder.find(frame)) == 1]
        if len(found) >= 3:
            persons.append(found)
    return persons


def identity(
    masker: PhotoMasker,
    finder: MediaPipeFaces,
    persons: Sequence[Sequence[Pixels]],
    embedders: Sequence[Embedder],
    strength: int,
    hide: str,
) -> dict[str, dict[str, float | None]]:
    """How often the first picture of a person is known by the others, by reader.

    `told_lost` is the share of faces of which the verdict says that the reader does not recognise
    them; `accepted_lost` and `accepted_kept` tell what it accepts of those and of the rest.
    """
    done = [masked(masker, person[0], strength, hide) if strength else None for person in persons]
    faces = [finder.find(person[0])[0] for person in persons]
    found = {}
    for reader in embedders:
        known = [embedded(reader, finder, person[1:]) for person in persons]
        nearest, lost, accepted = [], [], {True: [], False: []}
        for index, (made, person, face) in enumerate(zip(done, persons, faces, strict=True)):
            crop = cut_crop(person[0] if made is None else made[0], face, reader.size_px)
            (probe,) = reader.embed(crop[None])
            distances = [np.linalg.norm(others - probe, axis=1) for others in known]
            nearest.append(int(np.argmin([some.mean() for some in distances])) == index)
            told = made and made[1]["faces"][0]["identity"]["readers"][reader.name]
            lost.append(bool(told) and not told["recognised"])
            accepted[lost[-1]] += list(distances[index] < reader.threshold)
        found[reader.name] = {
            "nearest": mean_of(nearest),
            "accepted": mean_of(accepted[True] + accepted[False]),
            "told_lost": mean_of(lost),
            "accepted_lost": mean_of(accepted[True]),
            "accepted_kept": mean_of(accepted[False]),
        }
    return found


def mean_of(values: Sequence[bool]) -> float | None:
    return round(float(np.mean(values)), 3) if values else None


def masked(
    masker: PhotoMasker, picture: Pixels, strength: int, hide: str
) -> tuple[Pixels, dict[str, Any]]:
    """The picture as its file shows it, and what was measured."""
    settings = PhotoSettings.of({"hide": hide, "strength": strength, "quality": QUALITY})
    photo = Photo(picture, None, False, Kind.JPEG, None, None, ())
    done = masker.mask(photo, settings)
    return decode(done.data).pixels, done.figures


def embedded(
    reader: Embedder, finder: MediaPipeFaces, pictures: Sequence[Pixels]
) -> NDArray[np.float32]:
    faces = [finder.find(picture)[0] for picture in pictures]
    crops = [cut_crop(p, f, reader.size_px) for p, f in zip(pictures, faces, strict=True)]
    return reader.embed(np.stack(crops))


def enlarged(luma: NDArray[np.uint8], size_px: int) -> Pixels:
    bigger = cv2.resize(luma, (size_px, size_px), interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.cvtColor(bigger, cv2.COLOR_GRAY2BGR), np.uint8)


if __name__ == "__main__":
    typer.run(main)
