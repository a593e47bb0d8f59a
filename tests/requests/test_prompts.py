"""The prompt: words, a flag, a file, and standard input, which joins it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import REF, ROOT, THEORYCTL, Cli, messages
from theoryctl.manifests.catalog import Catalog
from theoryctl.refs import ProviderRef
from theoryctl.requests.input_options import parse_options

RUN = ("local", "run", "--ref", REF)


def prompted(cli: Cli, text: str, **more: object) -> str:
    """The answer to a prompt that stands in the inputs."""
    ran = cli(*RUN, "--inputs-json", messages(text, **more))
    assert ran.status == 0
    return ran.out


def test_words_are_the_prompt_with_one_space_between_them(cli: Cli) -> None:
    assert cli(*RUN, "Say", "hello", "--mode", "mock").out == prompted(cli, "Say hello")
    assert cli(*RUN, "--", "-x", "is a flag").out == prompted(cli, "-x is a flag")


def test_a_lone_dash_is_standard_input(cli: Cli) -> None:
    piped = cli(*RUN, "-", "--mode", "mock", stdin="Say hello")
    assert (piped.status, piped.out) == (0, prompted(cli, "Say hello"))
    twice = cli(*RUN, "-", "--attach", "a=-", "--mode", "mock", stdin="Say hello")
    assert (twice.status, "both read standard input" in twice.err) == (2, True)


def test_short_flags_say_model_system_ref_and_inputs(cli: Cli) -> None:
    short = cli("local", "run", "hi", "-r", REF, "-m", "a/b", "-s", "be brief", "-o", "temperature=0.2", "--json")
    long = cli(*RUN, "hi", "--model", "a/b", "--system", "be brief", "--option", "temperature=0.2", "--json")
    assert short.document["outputs"] == long.document["outputs"]
    assert (short.document["ref"], short.document["model"]) == (REF, "a/b")


@pytest.mark.parametrize(
    ("option", "key", "value"),
    [
        ("temperature=0.2", "temperature", 0.2),
        ("stop=END", "stop", "END"),
        ("user=42", "user", "42"),
        ("seed=42", "seed", 42),
        ('response_format={"type": "json_object"}', "response_format", {"type": "json_object"}),
        ("parallel_tool_calls=true", "parallel_tool_calls", True),
        ("stop=a=b", "stop", "a=b"),
    ],
)
def test_an_option_is_json_or_text_as_the_schema_wants_it(option: str, key: str, value: object) -> None:
    schema = Catalog().find(ProviderRef.parse(REF)).load().inputs
    assert parse_options([option], schema) == {key: value}


def test_options_and_the_model_count_before_those_of_a_file(cli: Cli) -> None:
    inputs = messages("hi", model="a/b", temperature=1)
    ran = cli(*RUN, "--inputs-json", inputs, "-m", "c/d", "-o", "temperature=0.5", "--json")
    assert ran.document["model"] == "c/d"
    assert (
        ran.document["outputs"]
        == cli(*RUN, "--inputs-json", messages("hi", model="c/d", temperature=0.5), "--json").document["outputs"]
    )


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("hi", "-o", "temperature"), "expected KEY=VALUE, got 'temperature'"),
        (("hi", "-o", "seed=1", "-o", "seed=2"), "given twice"),
        (("hi", "-o", "messages=[]"), "the prompt takes their place"),
        (("hi", "-m", "a/b", "-o", "model=c/d"), "exclude each other"),
        (("-o", "seed=1"), "--option goes with --prompt"),
        (("--inputs-json", messages("x"), "-s", "y"), "--system goes with --prompt"),
        (("hi", "--prompt", "ho"), "--prompt and the words of the prompt exclude each other"),
        (("hi", "--inputs-json", "{}"), "exclude each other"),
        (("--prompt", "-", "--inputs", "-"), "exclude each other"),
        (("--prompt", "-", "--attach", "a=-"), "both read standard input"),
        (("hi", "--attach", "a=-", "--attach", "b=/dev/stdin"), "both read standard input"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_go_together_is_refused(cli: Cli, flags: Sequence[str], says: str) -> None:
    ran = cli(*RUN, *flags, "--json")
    assert (ran.status, ran.document["error"]["code"]) == (2, "ERR_USAGE")
    assert says in ran.document["error"]["message"]


def test_a_prompt_file_is_the_prompt_byte_for_byte(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "prompt.txt").write_text("two\nlines\n")
    assert cli(*RUN, "--prompt-file", str(tmp_path / "prompt.txt")).out == prompted(cli, "two\nlines\n")
    (tmp_path / "prompt.txt").write_bytes(b"a\xff")
    ran = cli(*RUN, "--prompt-file", str(tmp_path / "prompt.txt"), "--json")
    assert (ran.status, "expected UTF-8 text, got the byte 0xff at offset 1" in ran.err) == (3, True)


def test_inputs_in_the_wrapping_of_the_first_system_are_unwrapped_with_a_note(cli: Cli, tmp_path: Path) -> None:
    wrapped = json.dumps({"schema": "v1", "params": json.loads(messages("hi"))})
    ran = cli(*RUN, "--inputs-json", wrapped, "-m", "a/b")
    assert ran.out == prompted(cli, "hi", model="a/b")
    assert 'the inputs are those under "params"' in ran.err
    for other in ({"schema": "v2", "params": {}}, {"schema": "v1", "params": {}, "x": 1}):
        assert cli(*RUN, "--inputs-json", json.dumps(other)).status == 3
    manifest = (ROOT / "manifests/llm/mock@1.yaml").read_text()
    (tmp_path / "llm").mkdir()
    theirs = manifest.replace("  properties:\n    mode:", "  properties:\n    params: {type: object}\n    mode:", 1)
    (tmp_path / "llm/mock@1.yaml").write_text(theirs)
    ran = cli("local", "run", "--ref", "llm/mock@1", "--manifests", str(tmp_path), "--inputs-json", wrapped)
    assert "the inputs are those" not in ran.err


# -- standard input --


@pytest.mark.parametrize(
    ("flags", "stdin", "prompt"),
    [
        (("review this",), "a diff\n", "a diff\n\nreview this"),
        (("--prompt", "review this"), "a diff", "a diff\n\nreview this"),
        ((), "all of it", "all of it"),
        (("--prompt", "-"), "all of it", "all of it"),
        (("--prompt-file", "/dev/stdin"), "all of it", "all of it"),
        (("--no-stdin", "alone"), "a diff", "alone"),
        (("alone",), "", "alone"),
    ],
    ids=str,
)
def test_standard_input_joins_the_prompt(cli: Cli, flags: tuple[str, ...], stdin: str, prompt: str) -> None:
    ran = cli(*RUN, *flags, stdin=stdin)
    assert (ran.status, ran.out) == (0, prompted(cli, prompt))


def test_a_pipe_joins_as_a_file_does_and_its_writer_is_heard_to_the_end(cli: Cli, theoryctl: Cli) -> None:
    long = "x" * 300_000
    assert theoryctl(*RUN, "sum up", stdin=long).out == prompted(cli, f"{long}\n\nsum up")


def test_bytes_beside_inputs_are_refused_and_their_absence_is_not(cli: Cli) -> None:
    ran = cli(*RUN, "--inputs-json", messages("x"), "--json", stdin="a diff")
    assert (ran.status, ran.document["error"]["code"]) == (2, "ERR_USAGE")
    assert ran.document["error"]["message"] == "--inputs-json and standard input are both given"
    assert cli(*RUN, "--inputs-json", messages("x"), "--no-stdin", stdin="a diff").status == 0


@pytest.mark.parametrize("flags", [("--inputs-json", messages("x")), ("--prompt", "x", "--ref", "no/such@1")], ids=str)
def test_a_writer_is_not_killed_because_the_run_is_refused(environment: dict[str, str], flags: tuple[str, ...]) -> None:
    script = 'head -c 3000000 /dev/zero | tr "\\0" x | "$0" "$@"; echo "${PIPESTATUS[@]}"'
    command = ["bash", "-c", script, str(THEORYCTL), *RUN, *flags]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    head, tr, status = done.stdout.split()[-3:]
    assert (head, tr) == ("0", "0") and status in ("2", "3")


def test_more_than_a_prompt_may_hold_leads_to_an_attachment(theoryctl: Cli) -> None:
    ran = theoryctl(*RUN, "x", "--json", stdin=b"x" * (16 << 20) + b"y")
    assert (ran.status, ran.document["error"]["code"]) == (3, "ERR_INPUTS")
    assert ran.document["error"]["hint"] == "attach large files with --attach"


def test_a_pipe_that_stays_open_and_silent_is_named_and_can_be_left_alone(environment: dict[str, str]) -> None:
    reader, writer = os.pipe()
    command = [str(THEORYCTL), *RUN, "x", "--mode", "mock"]
    try:
        waiting = subprocess.Popen(
            command, stdin=reader, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        with waiting:
            assert waiting.stderr and waiting.stdout
            line = waiting.stderr.readline()
            assert "standard input is still open, and its end is awaited; --no-stdin goes on without it" in line
            os.write(writer, b"late")
            os.close(writer)
            assert '"late' in waiting.stdout.read()
    finally:
        os.close(reader)
    reader, writer = os.pipe()
    done = subprocess.run([*command, "--no-stdin"], stdin=reader, capture_output=True, env=environment, timeout=60)
    assert done.returncode == 0


def test_other_commands_leave_standard_input_alone(environment: dict[str, str]) -> None:
    script = 'printf "a\\nb\\n" | { "$0" manifest list >/dev/null; cat; }'
    done = subprocess.run(["bash", "-c", script, str(THEORYCTL)], capture_output=True, text=True, env=environment)
    assert done.stdout == "a\nb\n"


def test_a_hint_repeats_no_command_whose_input_is_gone(cli: Cli) -> None:
    for flags in (("--mode", "moc"), ("--attach", "a=-", "--mode", "moc")):
        ran = cli(*RUN, "review", *flags, "--json", stdin="a diff")
        assert ran.document["error"]["hint"] == "use --mode mock"


# -- attached --


@pytest.mark.parametrize("path", ["-", "/dev/stdin"])
def test_standard_input_can_be_attached_and_joins_nothing_then(cli: Cli, tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("a diff")
    piped = cli(*RUN, "review", "--attach", f"diff={path}", "--json", stdin="a diff")
    file = cli(*RUN, "review", "-a", f"diff={tmp_path / 'file'}", "--json")
    assert piped.document["outputs"] == file.document["outputs"]
    assert piped.document["meta"]["attachments"] == file.document["meta"]["attachments"]


def test_a_pipe_of_the_shell_can_be_attached_within_the_limit_and_nothing_of_it_stays(
    environment: dict[str, str], tmp_path: Path
) -> None:
    env = {**environment, "TMPDIR": str(tmp_path)}
    script = '"$0" local run review --mode mock --attach diff=<(printf abc) --max-attachment "$1"'
    for limit, status in (("3", 0), ("2", 3)):
        command = ["bash", "-c", script, str(THEORYCTL), limit]
        done = subprocess.run(command, capture_output=True, text=True, env=env, stdin=subprocess.DEVNULL)
        assert done.returncode == status, done.stderr
        assert ("diff: 3 bytes, sha256:" in done.stdout) is (status == 0)
    assert not list(tmp_path.glob("theoryctl-*"))
