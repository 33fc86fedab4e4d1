"""The ``sparse3d`` command: its table, its exit codes, and how it fails."""

import errno
import importlib
import os
import subprocess
import sys
import time

import pytest

from sparse3d import __version__
from sparse3d.cli import main as entry
from sparse3d.cli.main import COMMANDS, Command, main
from sparse3d.errors import DataError


@pytest.fixture
def broken_command(monkeypatch: pytest.MonkeyPatch):
    """Makes ``sparse3d doctor`` raise what the test asks for."""

    def arrange(error: BaseException) -> None:
        def fail(_: object) -> int:
            raise error

        monkeypatch.setattr("sparse3d.cli.doctor.main", fail)

    return arrange


def exit_code(*words: str) -> int | str | None:
    """The exit code of ``sparse3d WORDS``, also where the parser ends the process."""
    try:
        return main(words)
    except SystemExit as end:
        return end.code


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_a_main_and_the_summary_of_its_docstring(command: Command) -> None:
    module = importlib.import_module(f"sparse3d.cli.{command.module}")
    assert callable(module.main)
    assert (module.__doc__ or "").splitlines()[0] == command.summary


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_explains_itself(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(command.name, "--help") == 0
    assert f"usage: sparse3d {command.name}" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_unknown_option_is_a_usage_error(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(command.name, "--no-such-option") == 2
    assert capsys.readouterr().err


def test_no_command_is_listed_twice() -> None:
    names = [command.name for command in COMMANDS]
    assert len(set(names)) == len(names)


def test_help_lists_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(command.name in shown and command.summary in shown for command in COMMANDS)


def test_without_a_command_the_help_is_shown_and_the_exit_code_says_so() -> None:
    assert main([]) == 2


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"sparse3d {__version__}\n"


def test_unknown_command_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docter"]) == 2
    assert capsys.readouterr().err == (
        "sparse3d: error: there is no command 'docter'; did you mean 'doctor'?\n"
    )


def test_unlike_any_command_points_to_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["xyzzy"]) == 2
    assert "see sparse3d --help" in capsys.readouterr().err


def test_user_error_is_one_line_without_traceback(
    broken_command, capsys: pytest.CaptureFixture[str]
) -> None:
    broken_command(DataError("scan.bin", "16 bytes a point expected,\n  got 7 bytes"))
    assert main(["doctor"]) == 2
    assert capsys.readouterr().err == (
        "sparse3d: error: scan.bin: 16 bytes a point expected, got 7 bytes\n"
    )


@pytest.mark.parametrize("words", [["--debug", "doctor"], ["doctor", "--debug"]])
def test_debug_shows_the_traceback(
    broken_command, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    broken_command(DataError("scan.bin", "is empty"))
    assert main(words) == 2
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert shown.endswith("sparse3d: error: scan.bin: is empty\n")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_is_one_line(
    broken_command, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    broken_command(OSError(number, os.strerror(number), "out/splat.ply"))
    assert main(["doctor"]) == 2
    assert capsys.readouterr().err == (
        "sparse3d: error: out/splat.ply: no space left on the disk\n"
    )


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG])
def test_a_file_that_the_system_refuses_is_named(
    broken_command, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    broken_command(OSError(number, os.strerror(number), "secret/scene.json"))
    assert main(["doctor"]) == 2
    expected = f"sparse3d: error: secret/scene.json: {os.strerror(number)}\n"
    assert capsys.readouterr().err == expected


def test_our_own_defects_keep_their_traceback(broken_command) -> None:
    broken_command(ZeroDivisionError("defect"))
    with pytest.raises(ZeroDivisionError):
        main(["doctor"])


def test_other_system_errors_keep_their_traceback(broken_command) -> None:
    broken_command(OSError(errno.EIO, "I/O error"))
    with pytest.raises(OSError, match="I/O error"):
        main(["doctor"])


def test_interruption_has_its_exit_code(broken_command, capsys: pytest.CaptureFixture[str]) -> None:
    broken_command(KeyboardInterrupt())
    assert main(["doctor"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_closed_pipe_ends_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    program = "import sys; from sparse3d.cli.main import main; sys.exit(main(['--help']))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (entry.OUTPUT_CLOSED, "")


def test_help_comes_at_once_and_without_torch() -> None:
    program = (
        "import sys; from sparse3d.cli.main import main; main(['--help']);"
        "print([name for name in ('torch', 'tyro', 'numpy') if name in sys.modules])"
    )
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert time.monotonic() - begin < 1.5
