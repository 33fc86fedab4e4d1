"""The README and the documents tell the truth: commands, options, targets and links exist."""

import contextlib
import re
import shlex
from pathlib import Path

import pytest

from sparse3d.cli.main import COMMANDS, main

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
DOCUMENTS = [README, *sorted((ROOT / "docs").glob("*.md"))]


def shell_lines(document: Path) -> list[list[str]]:
    """The words of every line in the shell blocks of a document, comments left out."""
    blocks = re.findall(r"^```sh\n(.*?)^```", document.read_text(encoding="utf-8"), re.M | re.S)
    lines = (shlex.split(line, comments=True) for block in blocks for line in block.splitlines())
    return [words for words in lines if words]


def calls_of(program: str) -> list[list[str]]:
    return [words[1:] for path in DOCUMENTS for words in shell_lines(path) if words[0] == program]


def help_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The help of a command; of those that have commands of their own, that of the inner one."""
    command = words[:2] if words[0] in ("train", "simulate") else words[:1]
    with contextlib.suppress(SystemExit):
        main([*command, "--help"])
    return capsys.readouterr().out


@pytest.mark.parametrize("words", calls_of("sparse3d"), ids=" ".join)
def test_command_and_its_options_exist(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    if words == ["--help"]:
        return
    assert words[0] in {command.name for command in COMMANDS}
    shown = help_of(words, capsys)
    options = [word for word in words if word.startswith("--")]
    assert [option for option in options if not re.search(rf"{option}\b(?!-)", shown)] == []


@pytest.mark.parametrize("words", calls_of("make"), ids=" ".join)
def test_target_exists(words: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{words[0]}:", makefile, re.M)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)|src=\"([^\"]+)\"", text)
    local = [one or other for one, other in targets if "://" not in one + other]
    assert [link for link in local if not (document.parent / link).exists()] == []


def test_the_extraction_finds_the_commands() -> None:
    assert ["demo"] in calls_of("make")
    assert any(words[0] == "reconstruct" for words in calls_of("sparse3d"))
