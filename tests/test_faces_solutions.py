from __future__ import annotations

import subprocess
import sys

import pytest

import camfilter.faces.solutions as module
from camfilter.faces.solutions import load_solutions

ALONE = """
import os, sys
from camfilter.faces.mediapipe import MediaPipeFaces
from camfilter.sources.demo import DemoSource
faces = MediaPipeFaces().find(DemoSource().read().pixels)
strangers = {"matplotlib", "sounddevice", "mediapipe.tasks"} & set(sys.modules)
assert len(faces) == 1 and not strangers, (faces, strangers)
"""
AFTER_ALL_OF_IT = """
import mediapipe
from camfilter.faces.solutions import load_solutions
solutions = load_solutions()
assert solutions.face_mesh is mediapipe.solutions.face_mesh
assert solutions.face_detection is mediapipe.solutions.face_detection
"""


@pytest.mark.parametrize("program", [ALONE, AFTER_ALL_OF_IT], ids=["alone", "after all of it"])
def test_only_what_finds_faces_is_loaded(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_same_modules_come_again() -> None:
    assert load_solutions() == load_solutions()


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PACKAGE", "no_such_package")
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        load_solutions()
