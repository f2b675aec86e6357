from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from camfilter.atomic import AtomicFile
from camfilter.errors import SinkError
from sinks_support import names_in


def interrupted(*_: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("at", ["Path.write_bytes", "os.fsync"])
def test_an_interruption_while_it_is_written_leaves_nothing_beside_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    (tmp_path / "a.txt").write_text("old")
    file = AtomicFile(tmp_path / "a.txt")
    owner, name = (Path, "write_bytes") if at.startswith("Path") else (os, "fsync")
    monkeypatch.setattr(owner, name, interrupted)
    with pytest.raises(KeyboardInterrupt):
        file.write(b"new")
    monkeypatch.undo()
    assert names_in(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_name_that_is_too_long_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="name too long") as caught:
        AtomicFile(tmp_path / ("a" * 300))
    assert caught.value.hint == "Choose a shorter name."


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="is a folder"):
        AtomicFile(tmp_path)
