"""The main job: `theoryctl local run`, as a process, the way a newcomer or a script meets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from tests.conftest import REF, ROOT, THEORYCTL, Cli, messages
from theoryctl_providers.contract import canonical, sha256

SCHEMA = json.loads((ROOT / "docs" / "envelope.schema.json").read_text())
RUN = ("local", "run", "--ref", REF)


def answer(envelope: dict[str, Any]) -> Any:
    (found,) = [output for output in envelope["outputs"] if output["name"] == "answer"]
    return found.get("text", found.get("json"))


def error(envelope: dict[str, Any], schema: Any = SCHEMA) -> dict[str, Any]:
    """The error of an envelope that says failure in every way it has to."""
    jsonschema_rs.validate(schema, envelope)
    assert envelope["status"] == "error"
    found = envelope["error"]
    assert found["message"] and found["hint"]
    return dict(found)


def test_a_newcomers_first_run_answers_the_example(cli: Cli) -> None:
    ran = cli(*RUN, "--mode", "mock")
    assert ran.status == 0
    assert ran.out == 'Mock answer c5aef81c from openai/gpt-4o-mini to: "Say hello in one word."\n'
    assert "embedded: no instance of llm/litellm@1 is started" in ran.err
    assert "success · 17 tokens in, 14 out · $0" in ran.err


def test_json_is_exactly_the_envelope_on_one_line(cli: Cli) -> None:
    ran = cli(*RUN, "--mode", "mock", "--json")
    jsonschema_rs.validate(SCHEMA, ran.document)
    found = ran.document
    assert (found["schema"], found["status"], found["ref"]) == ("theoryctl.run/v1", "success", REF)
    assert (found["mode"], found["runtime"], found["model"]) == ("mock", "embedded", "openai/gpt-4o-mini")
    assert found["meta"]["secrets_present"] == []


def test_the_size_and_digest_of_an_output_are_those_of_its_bytes(cli: Cli) -> None:
    schema = {
        "type": "json_schema",
        "json_schema": {
            "name": "a",
            "schema": {"type": "object", "required": ["é"], "properties": {"é": {"type": "number"}}},
        },
    }
    envelopes = [
        cli(*RUN, "--json", "--inputs-json", messages("ü")).document,
        cli(*RUN, "--json", "--inputs-json", messages("ü", response_format=schema)).document,
    ]
    for output in (output for envelope in envelopes for output in envelope["outputs"]):
        data = output["text"].encode() if "text" in output else canonical(output["json"])
        assert (output["size"], output["digest"]) == (len(data), sha256(data))


def test_the_inputs_come_from_a_flag_a_file_or_standard_input_alike(cli: Cli, tmp_path: Path) -> None:
    text = messages("grüße")
    (tmp_path / "in.json").write_text(text)
    flag = cli(*RUN, "--inputs-json", text)
    file = cli(*RUN, "--inputs-file", str(tmp_path / "in.json"))
    stdin = cli(*RUN, "--inputs", "-", stdin=text)
    prompt = cli(*RUN, "--prompt", "grüße")
    assert flag.status == 0
    assert flag.out == file.out == stdin.out == prompt.out


def test_a_prompt_comes_with_a_model_and_a_system_message(cli: Cli) -> None:
    text = json.dumps(
        {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "p"}], "model": "a/b"}
    )
    assert cli(*RUN, "--prompt", "p", "--system", "s", "--model", "a/b").out == cli(*RUN, "--inputs-json", text).out


@pytest.mark.parametrize(
    ("flags", "status", "code", "says"),
    [
        (("--inputs-json", "{}", "--prompt", "x"), 2, "ERR_USAGE", "--inputs-json and --prompt exclude each other"),
        (("--inputs-json", "{}", "--inputs", "-"), 2, "ERR_USAGE", "exclude each other"),
        (("--model", "a/b"), 2, "ERR_USAGE", "--model goes with --prompt"),
        (("--inputs", "file.json"), 2, "ERR_USAGE", "--inputs: expected '-'"),
        (("--inputs-json", "{"), 3, "ERR_INPUTS", "not JSON"),
        (("--inputs-json", "[]"), 3, "ERR_INPUTS", "expected a JSON object, got a JSON array"),
        (("--inputs-file", "/no/such"), 3, "ERR_INPUTS", "No such file"),
        (("--inputs-json", '{"mesages": []}'), 3, "ERR_INPUTS", "did you mean 'messages'?"),
        (("--mode", "real"), 3, "ERR_INPUTS", "real mode needs inputs"),
        (("--mode", "fake"), 2, "ERR_USAGE", "'fake'"),
        (("--mode", "moc"), 2, "ERR_USAGE", "theoryctl local run --ref llm/litellm@1 --mode mock --json"),
        (("--inputs-file", "/dev/zero"), 3, "ERR_INPUTS", "more than"),
        (("--mode", "real", "--prompt", "x"), 4, "ERR_MISSING_SECRET", "OPENAI_API_KEY"),
        (("--timeout", "0"), 2, "ERR_USAGE", "--timeout"),
        (("--timeout", "soon"), 2, "ERR_USAGE", "soon"),
        (("--timeout", "nan"), 2, "ERR_USAGE", "--timeout"),
        (("--max-attachment", "big"), 2, "ERR_USAGE", "--max-attachment: expected a size, as 100MiB, 5MB"),
        (("--manifests", "/no/such"), 2, "ERR_USAGE", "/no/such"),
        (("--env-file", "/no/such", "--mode", "real", "--prompt", "x"), 2, "ERR_USAGE", "No such file"),
        (("--env-file", "", "--prompt", "x"), 2, "ERR_USAGE", "No such file"),
        (("--save-dir", "/dev/null/x"), 2, "ERR_USAGE", "--save-dir"),
        (("--attach", "image"), 3, "ERR_ATTACHMENT", "is not NAME=PATH"),
        (("--promt", "x"), 2, "ERR_USAGE", "--promt"),
        (("--inputs-json", "{}", "extra"), 2, "ERR_USAGE", "exclude each other"),
        (("--ref", "nonsense"), 2, "ERR_REF", "'nonsense' is not a provider ref"),
        (("--ref", "llm/litelm@1"), 3, "ERR_REF_NOT_FOUND", "llm/litelm@1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_mistake_is_an_envelope_with_a_code_and_a_documented_exit_status(
    cli: Cli, flags: tuple[str, ...], status: int, code: str, says: str
) -> None:
    ran = cli(*RUN, *flags, "--json")
    found = error(ran.document)
    assert (ran.status, found["code"]) == (status, code)
    assert says in f"{found['message']} {found['hint']}"
    assert "Traceback" not in ran.err
    plain = cli(*RUN, *flags)
    assert (plain.status, plain.out) == (status, "")
    assert plain.err.splitlines()[-1].startswith((" hint: ", "error ·")) and code in plain.err


def test_a_real_run_refuses_an_empty_key_without_loading_anything(cli: Cli) -> None:
    ran = cli(*RUN, "--mode", "real", "--prompt", "x", "--json", env={"OPENAI_API_KEY": " "})
    assert (ran.status, error(ran.document)["code"]) == (4, "ERR_MISSING_SECRET")
    assert "loading" not in ran.err


def test_the_mode_in_the_inputs_counts_unless_the_flag_says_otherwise(cli: Cli) -> None:
    real = messages("x", mode="real")
    assert cli(*RUN, "--inputs-json", real, "--json").document["error"]["code"] == "ERR_MISSING_SECRET"
    assert cli(*RUN, "--inputs-json", real, "--mode", "mock", "--json").document["mode"] == "mock"


def test_a_mock_answers_where_a_key_is_missing_only_if_that_is_wanted(cli: Cli) -> None:
    real = (*RUN, "hi", "--mode", "real", "--json")
    assert cli(*real).document["error"]["code"] == "ERR_MISSING_SECRET"
    ran = cli(*real, "--mock-missing-secrets")
    assert (ran.status, ran.document["mode"]) == (0, "mock")
    assert ran.document["outputs"] == cli(*RUN, "hi", "--json").document["outputs"]
    assert "a mock answers instead" in ran.err and "OPENAI_API_KEY" in ran.err
    assert ran.err.count("embedded: ") == 1


def test_streaming_shows_the_same_text_once(cli: Cli) -> None:
    assert cli(*RUN, "--stream").out == cli(*RUN).out
    assert cli(*RUN, "--stream", "--json").document["status"] == "success"


def test_several_choices_are_shown_in_their_order(cli: Cli) -> None:
    ran = cli(*RUN, "--inputs-json", messages("x", n=12))
    assert [line for line in ran.out.splitlines() if line.startswith("---")] == [
        f"--- choice {i} ---" for i in range(2, 13)
    ]


def test_tool_calls_through_a_pipe_are_a_line_each(cli: Cli) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    assert cli(*RUN, "--inputs-json", messages("x", tools=[tool], tool_choice="required")).out == "f {}\n"


def test_an_answer_cut_short_is_said(cli: Cli) -> None:
    assert "token limit" in cli(*RUN, "--inputs-json", messages("x", max_tokens=1)).err


def test_the_reader_of_a_pipe_may_go_away(environment: dict[str, str]) -> None:
    command = f"{THEORYCTL} manifest schema | head -c 1; echo ${{PIPESTATUS[0]}}"
    for _ in range(3):
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment)
        assert done.stderr == ""


def test_output_that_nobody_reads_at_all_is_status_141_and_no_noise(environment: dict[str, str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([THEORYCTL, *RUN], stdout=writer, stderr=subprocess.PIPE, env=environment, text=True)
    os.close(writer)
    assert (done.returncode, "Traceback" in done.stderr, "BrokenPipe" in done.stderr) == (141, False, False)


def test_ctrl_c_while_reading_standard_input_is_an_envelope_and_status_130(environment: dict[str, str]) -> None:
    command = [THEORYCTL, *RUN, "--inputs", "-", "--json"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, env=environment, text=True, **pipes)  # type: ignore[call-overload]
    with process:
        assert any("standard input is still open" in line for line in process.stderr)  # it says so once it reads
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, error(json.loads(out))["code"]) == (130, "ERR_INTERRUPTED")
    assert "Traceback" not in err


@pytest.mark.parametrize(("flags", "traced"), [((), False), (("--debug",), True)])
def test_what_nobody_expected_is_status_70_with_a_traceback_only_for_debug(
    theoryctl: Cli, tmp_path: Path, flags: tuple[str, ...], traced: bool
) -> None:
    (tmp_path / "yaml.py").write_text("1 / 0")  # a broken installation
    env = {"PYTHONPATH": str(tmp_path), "THEORYCTL_CACHE_DIR": str(tmp_path / "empty")}
    ran = theoryctl(*RUN, "--json", *flags, env=env)
    assert (ran.status, error(ran.document)["code"]) == (70, "ERR_INTERNAL")
    assert "ZeroDivisionError" in ran.document["error"]["message"]
    assert ("Traceback" in ran.err) is traced


def test_other_commands_fail_with_the_error_document(cli: Cli) -> None:
    for arguments, status, code in (
        (("manifest", "show", "llm/litelm@1"), 3, "ERR_REF_NOT_FOUND"),
        (("manifest", "shw"), 2, "ERR_USAGE"),
        (("manifst",), 2, "ERR_USAGE"),
        (("manifest",), 2, "ERR_USAGE"),
        ((), 2, "ERR_USAGE"),
        (("--nonsense",), 2, "ERR_USAGE"),
    ):
        ran = cli(*arguments, "--json")
        assert (ran.status, ran.document["schema"], ran.document["status"]) == (status, "theoryctl.error/v1", "error")
        assert ran.document["error"]["code"] == code


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (("lcoal",), "local"),
        (("local", "rnu"), "run"),
        (("local", "run", "--rfe", REF), "--ref"),
        (("manifest", "lst"), "list"),
    ],
)
def test_a_misspelt_command_or_flag_gets_the_near_miss(cli: Cli, arguments: tuple[str, ...], near: str) -> None:
    ran = cli(*arguments)
    assert ran.status == 2
    assert near in ran.err


def test_json_after_a_double_dash_is_an_argument_like_any_other(cli: Cli) -> None:
    ran = cli("manifest", "show", "--", "--json")
    assert (ran.status, ran.out) == (2, "")
    assert "'--json' is not a provider ref" in ran.err


JSON = "--json"


@pytest.mark.parametrize(
    ("arguments", "is_json"),
    [
        ((*RUN, "--prompt", JSON), False),
        ((*RUN, "--prompt", JSON, JSON), True),
        ((*RUN, f"--prompt={JSON}"), False),
        ((JSON, *RUN), True),
        (("local", JSON, *RUN[1:]), True),
        ((*RUN, "--prompt", JSON, "--mode", "odd"), False),
        ((*RUN, "--prompt", JSON, "--nonsense"), False),
        ((*RUN, "--nonsense", JSON), True),
        ((*RUN, "--prompt", "x", "--max-attachment", JSON), False),
        (("local", "run", "--prompt", "x", JSON), True),
        (("--version", JSON), True),
        ((JSON, "-V"), True),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_json_is_printed_where_the_flag_is_given_and_not_where_a_value_looks_like_it(
    cli: Cli, arguments: tuple[str, ...], is_json: bool
) -> None:
    assert cli(*arguments).out.startswith('{"') is is_json


def test_the_envelope_of_a_failure_takes_no_value_for_a_flag(cli: Cli) -> None:
    ran = cli(
        "local", "run", "--prompt", "--ref", "--ref", REF, "--runtime", "docker", "--model", "--runtime", "--json"
    )
    assert (ran.document["ref"], ran.document["runtime"]) == (REF, "docker")


REALLY = ("local", "run", "--ref", REF, "--runtime", "embedded", "--json")


@pytest.mark.parametrize(
    "said",
    [("--mode", "real", "--prompt", "Hi"), ("--inputs-json", messages("Hi", mode="real"))],
    ids=["flag", "inputs"],
)
def test_a_run_that_said_so_is_real_without_a_word(cli: Cli, said: tuple[str, ...]) -> None:
    ran = cli(*REALLY, *said, env={"THEORYCTL_MODE": "mock"})
    assert (ran.document["mode"], ran.document["error"]["code"]) == ("real", "ERR_MISSING_SECRET")
    assert "real mode" not in ran.err


def test_a_run_that_is_real_by_the_environment_says_so_first(cli: Cli) -> None:
    ran = cli(*REALLY, "--prompt", "Hi", env={"THEORYCTL_MODE": "real"})
    assert (ran.document["mode"], ran.document["error"]["code"]) == ("real", "ERR_MISSING_SECRET")
    assert "real mode, as THEORYCTL_MODE says" in ran.err
    assert cli(*REALLY, "--prompt", "Hi", "--mode", "mock", env={"THEORYCTL_MODE": "real"}).document["mode"] == "mock"
    ran = cli(*REALLY, "--prompt", "Hi", env={"THEORYCTL_MODE": "reel"})
    assert (ran.status, "THEORYCTL_MODE" in ran.document["error"]["message"]) == (2, True)
