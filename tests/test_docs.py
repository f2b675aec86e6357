"""What README and docs name exists: files behind links, commands and their options, scripts."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from camfilter.cli.app import app

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = [*sorted(REPOSITORY.glob("*.md")), *sorted(REPOSITORY.glob("docs/*.md"))]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)#\s]+)[^)]*\)")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?:^    .+\n)+", re.MULTILINE)


def code_blocks(page: Path) -> Iterator[tuple[str, str]]:
    """Language and text of each block of code."""
    text = page.read_text()
    yield from FENCED.findall(text)
    for block in INDENTED.findall(FENCED.sub("", text)):
        yield "", block


def commands(page: Path) -> Iterator[list[str]]:
    """The words of each command line that starts with camfilter or a script."""
    for language, block in code_blocks(page):
        if language not in ("", "sh", "bash", "console"):
            continue
        for line in block.splitlines():
            shown = line.strip().removeprefix("$ ").removeprefix(".venv/bin/")
            if shown.startswith(("camfilter ", "scripts/")):
                plain = re.split(r"\s{2,}|\s#", shown)[0].replace("[", "").replace("]", "")
                yield shlex.split(plain)


def listed(what: str) -> list[tuple[Path, list[str]]]:
    return [
        (page, words) for page in PAGES for words in commands(page) if words[0].startswith(what)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize(("page", "words"), listed("camfilter"), ids=lambda part: str(part)[-60:])
def test_a_command_and_its_options_exist(page: Path, words: list[str]) -> None:
    command = get_command(app)
    for word in words[1:]:
        inner = getattr(command, "commands", {})
        if word in inner:
            command = inner[word]
        elif word.startswith("--"):
            known = {name for option in command.params for name in option.opts} | {"--help"}
            assert word.split("=")[0] in known, f"{page.name}: {word}"
        elif inner and command.name != "ctl" and "|" not in words:
            pytest.fail(f"{page.name}: no command {word}")


@pytest.mark.parametrize(("page", "words"), listed("scripts/"), ids=lambda part: str(part)[-60:])
def test_a_script_exists(page: Path, words: list[str]) -> None:
    assert (REPOSITORY / words[0]).is_file(), page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_of_data_can_be_read(page: Path) -> None:
    for language, block in code_blocks(page):
        if language == "toml":
            tomllib.loads(block)
        if language == "json":
            json.loads(block)


def test_there_is_something_to_check() -> None:
    assert len(listed("camfilter")) > 10
    assert len(listed("scripts/")) > 4
