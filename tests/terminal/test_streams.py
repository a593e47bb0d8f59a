"""The standard streams as they can be: closed, full, left by their reader, or a terminal that obeys what it is sent."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import REF, THEORYCTL, Cli, Ran, messages
from theoryctl.terminal.text import json_text, printable, printable_cell
from theoryctl_providers.contract import VERSION

RUN = f"local run --ref {REF}"
ANSWER = 'Mock answer c5aef81c from openai/gpt-4o-mini to: "Say hello in one word."\n'
#: What a terminal obeys: C0 but for line feed and tab, DEL, C1.
OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
#: What rich itself writes: styles, ways to what is drawn anew, and links to addresses without control characters.
STYLE = re.compile(r"\r?\x1b\[(?:2K|1A)|\x1b\[[0-9;?]*[A-Za-z]|\x1b\]8;[^\x00-\x1f\x7f-\x9f]*\x1b\\")

Shell = Callable[[str], Ran]
Show = Callable[..., str]

full_device = pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")


@pytest.fixture
def shell(environment: dict[str, str], tmp_path: Path) -> Shell:
    """Run a line of bash in which `theoryctl` is the command."""

    def run(line: str) -> Ran:
        path = f"{THEORYCTL.parent}:{environment['PATH']}"
        done = subprocess.run(
            ["bash", "-c", line], capture_output=True, text=True, env={**environment, "PATH": path}, cwd=tmp_path
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def show(environment: dict[str, str], tmp_path: Path) -> Show:
    """The output of a command at a terminal, without rich's own styles."""

    def run(*arguments: str, term: str = "xterm-256color") -> str:
        master, slave = pty.openpty()
        env = {**environment, "TERM": term, "COLUMNS": "200"}
        with subprocess.Popen([THEORYCTL, *arguments], stdout=slave, stderr=slave, env=env, cwd=tmp_path):
            os.close(slave)
            text = b"".join(iter(lambda: _read(master), b"")).decode()
        os.close(master)
        return STYLE.sub("", text.replace("\r\n", "\n"))

    return run


def _read(master: int) -> bytes:
    try:
        return os.read(master, 65536)
    except OSError:  # the other end was closed
        return b""


# -- closed and full --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [RUN, f"{RUN} --json", f"{RUN} --stream", "manifest list", "--help", "--version"])
@pytest.mark.parametrize("streams", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_result_for_a_closed_standard_output_is_lost_with_an_error(shell: Shell, command: str, streams: str) -> None:
    ran = shell(f"theoryctl {command} {streams}")
    lost = ">&- " in f"{streams} ".replace("2>&-", "")
    assert (ran.status, bool(ran.out)) == ((1, False) if lost else (0, True))
    assert ran.err.count("ERR_OUTPUT") == (streams == ">&-")
    assert "Traceback" not in ran.err and "Exception" not in ran.err


def test_inputs_from_a_closed_standard_input_are_no_json(shell: Shell) -> None:
    ran = shell(f"theoryctl {RUN} --inputs - --json <&-")
    assert (ran.status, ran.document["error"]["code"]) == (3, "ERR_INPUTS")


@full_device
@pytest.mark.parametrize("colour", ["0", "1"])
@pytest.mark.parametrize(
    "command",
    [RUN, f"{RUN} --json", f"{RUN} --stream", "manifest list", "manifest show llm/mock@1", "--help", "--version"],
)
def test_a_result_that_cannot_be_written_is_err_output_said_once(shell: Shell, command: str, colour: str) -> None:
    ran = shell(f"CLICOLOR_FORCE={colour} theoryctl {command} > /dev/full")
    assert (ran.status, ran.err.count("ERR_OUTPUT"), ran.err.count("No space left on device")) == (1, 1, 1)
    assert "Traceback" not in ran.err and "Exception" not in ran.err


@full_device
def test_an_error_whose_json_cannot_be_written_is_told_as_well(shell: Shell) -> None:
    ran = shell("theoryctl manifst --json > /dev/full")
    assert ran.status == 1
    assert [line.split()[1] for line in ran.err.splitlines() if line.startswith("error")] == [
        "ERR_USAGE:",
        "ERR_OUTPUT:",
    ]


@full_device
def test_a_standard_error_that_cannot_be_written_costs_nothing(shell: Shell) -> None:
    assert shell(f"theoryctl {RUN} 2> /dev/full") == Ran(0, ANSWER, "")
    assert shell(f"CLICOLOR_FORCE=1 theoryctl {RUN} --json 2> /dev/full").document["status"] == "success"
    assert shell("theoryctl local run --ref nonsense 2> /dev/full") == Ran(2, "", "")
    assert shell(f"theoryctl {RUN} > /dev/full 2> /dev/full") == Ran(1, "", "")


@pytest.mark.parametrize("colour", ["0", "1"])
@pytest.mark.parametrize("command", [RUN, f"{RUN} --json", f"{RUN} --stream", "manifest list", "--help"])
def test_a_reader_that_went_away_is_status_141_and_nothing_said(
    environment: dict[str, str], command: str, colour: str
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    env = {**environment, "CLICOLOR_FORCE": colour}
    done = subprocess.run([THEORYCTL, *command.split()], stdout=writer, stderr=subprocess.PIPE, env=env, text=True)
    os.close(writer)
    assert done.returncode == 141
    assert not re.search("error|Traceback|Exception|BrokenPipe", done.stderr)


def test_errors_that_nobody_reads_do_not_cost_the_result(shell: Shell) -> None:
    ran = shell(f"set -o pipefail; (theoryctl {RUN}; echo $?) 2> >(exec <&-; sleep 1)")
    assert ran.out == f"{ANSWER}0\n"


# -- what a terminal would obey ---------------------------------------------------------------------------------------


def test_every_control_character_but_line_feed_and_tab_is_shown_as_an_escape() -> None:
    assert printable("a\x00\x07\x1b[31m\x7f\x9b\u2028é\n\t") == "a\\x00\\x07\\x1b[31m\\x7f\\x9b\u2028é\n\t"
    assert printable("windows\r\nand\rnot") == "windows\nand\\x0dnot"


@given(st.text())
def test_printable_text_has_nothing_to_obey_and_a_cell_is_one_field(text: str) -> None:
    assert not OBEYED.search(printable(text))
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", printable_cell(text))


@given(st.dictionaries(st.text(), st.text()))
def test_json_for_a_terminal_means_the_same(value: dict[str, str]) -> None:
    text = json_text(value, plain=False, indent=2)
    assert json.loads(text) == value and not OBEYED.search(text)


HOSTILE = "red \x1b[31m bell \x07 csi \x9b31m osc \x9d0;x\x9c del \x7f end"
#: The part of it that a mock answer quotes as it is.
QUOTED = "csi \x9b31m osc \x9d0;x\x9c del \x7f end"


@pytest.mark.parametrize("term", ["xterm-256color", "dumb"])
@pytest.mark.parametrize("flags", [(), ("--stream",)], ids=str)
def test_an_answer_cannot_speak_to_the_terminal(show: Show, flags: tuple[str, ...], term: str) -> None:
    text = show(*RUN.split(), *flags, "--inputs-json", messages(HOSTILE), term=term)
    assert not OBEYED.search(text)
    assert r"csi \x9b31m" in text and r"del \x7f" in text


def test_a_link_in_markdown_cannot_smuggle_a_control_character_in(show: Show) -> None:
    text = show(*RUN.split(), "--prompt", "<https://example.org/%1B]0;title%07%7F>")
    assert "example.org" in text and not OBEYED.search(text)


def test_an_answer_goes_through_a_pipe_as_it_is(cli: Cli) -> None:
    assert QUOTED in cli(*RUN.split(), "--inputs-json", messages(HOSTILE)).out
    assert QUOTED in cli(*RUN.split(), "--stream", "--inputs-json", messages(HOSTILE)).out
    ran = cli(*RUN.split(), "--json", "--inputs-json", messages(HOSTILE), env={"CLICOLOR_FORCE": "1"})
    assert QUOTED in ran.out and QUOTED in ran.document["outputs"][0]["text"]


def test_json_at_a_terminal_stays_json(show: Show) -> None:
    text = show(*RUN.split(), "--json", "--inputs-json", messages(HOSTILE))
    assert not OBEYED.search(text) and r"\u009b31m" in text and r"\u007f" in text
    document = json.loads(text[text.index("{\n") : text.rindex("}\n") + 1])
    assert QUOTED in document["outputs"][0]["text"]


@pytest.mark.parametrize("words", [("local", "run", "--ref", HOSTILE), ("manifest", HOSTILE), ("local", HOSTILE)])
def test_an_error_quotes_without_the_control_characters(cli: Cli, show: Show, words: tuple[str, ...]) -> None:
    assert not OBEYED.search(cli(*words).err)
    text = show(*words)
    assert "error ERR_" in text and not OBEYED.search(text)


def test_progress_names_a_model_without_its_control_characters(cli: Cli, show: Show) -> None:
    arguments = (*RUN.split(), "--prompt", "x", "--model", "a/b\x9b31m")
    for text in (cli(*arguments).err, show(*arguments)):
        assert not OBEYED.search(text) and r"a/b\x9b31m" in text


def test_a_row_through_a_pipe_is_one_line_of_as_many_cells_as_there_are_columns(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "a\tb\nc"
    (folder / "llm").mkdir(parents=True)
    (folder / "llm" / "x@1.yaml").write_text("{")
    ran = cli("manifest", "list", "--manifests", str(folder))
    assert ran.out and {line.count("\t") for line in ran.out.splitlines()} == {4}


# -- the flags that every command has ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    ["--json manifest list", "manifest --json list", "--debug manifest --json list", "--json manifest list --json"],
)
def test_json_may_stand_before_the_command(cli: Cli, line: str) -> None:
    ran = cli(*line.split())
    assert (ran.status, ran.document["schema"]) == (0, "theoryctl.manifest-list/v1")


@pytest.mark.parametrize("line", ["--json", "local --json", "--json local"])
def test_json_without_a_command_is_an_error_document(cli: Cli, line: str) -> None:
    ran = cli(*line.split())
    assert (ran.status, ran.document["error"]["code"]) == (2, "ERR_USAGE")


@pytest.mark.parametrize("line", ["--json local run", "local --json run", "--json --debug local run"])
def test_a_run_that_fails_is_an_envelope_wherever_json_stands(cli: Cli, line: str) -> None:
    assert cli(*line.split()).document["schema"] == "theoryctl.run/v1"


def test_json_as_an_options_value_stays_that_value(cli: Cli) -> None:
    ran = cli(*RUN.split(), "--prompt=--json")
    assert (ran.status, "--json" in ran.out) == (0, True)


@pytest.mark.parametrize("line", ["--version --json", "--json --version", "-V --json"])
def test_the_version_is_a_document_too(cli: Cli, line: str) -> None:
    assert cli(*line.split()).document == {"schema": "theoryctl.version/v1", "version": VERSION}


@pytest.mark.parametrize("line", ["--help --json", "--json --help", "local --json --help", "local run --json --help"])
def test_help_is_text_and_no_group_lists_the_flags_of_its_commands(cli: Cli, line: str) -> None:
    ran = cli(*line.split())
    assert (ran.status, ran.out.startswith("Usage: theoryctl")) == (0, True)
    assert ("--json  " in ran.out) is ("run" in line)
