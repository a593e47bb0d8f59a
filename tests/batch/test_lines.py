"""Lines of a batch: their forms, what is wrong with them, and that nothing is asked before all are checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from tests.batch.rows import BATCH, Files, ask, write_lines
from tests.conftest import REF, ROOT, Cli
from theoryctl.batch.lines import no_inputs, read_line
from theoryctl.errors import BadInputs

SCHEMA = json.loads((ROOT / "docs" / "batch.schema.json").read_text())

OPENAIS = {"custom_id": "b", "method": "POST", "url": "/v1/chat/completions", "body": ask("two", model="gpt-4o-mini")}


def test_each_line_gets_a_row_that_is_its_envelope_and_fits_the_published_schema(files: Files) -> None:
    ran = files.run(lines=[ask("one"), {"id": "a", "inputs": ask("two")}, OPENAIS])
    assert (ran.status, ran.document["ok"], ran.document["left"]) == (0, 3, 0)
    for row in files.rows:
        jsonschema_rs.validate(SCHEMA, row)
    assert [(row["line"], row["id"], row["status"]) for row in files.rows] == [
        (1, None, "success"),
        (2, "a", "success"),
        (3, "b", "success"),
    ]


def test_a_row_holds_what_a_run_of_the_same_inputs_gives(files: Files, cli: Cli) -> None:
    files.run(lines=[ask("one", temperature=0)])
    alone = cli("local", "run", "--inputs-json", json.dumps(ask("one", temperature=0)), "--json").document
    assert files.rows[0]["outputs"] == alone["outputs"]
    assert files.rows[0]["usage"] == alone["usage"]


def test_a_line_of_openai_names_its_model_as_openai_does(files: Files) -> None:
    files.run(lines=[OPENAIS])
    assert files.rows[0]["model"] == "openai/gpt-4o-mini"


def test_a_line_of_openai_may_ask_for_embeddings(files: Files) -> None:
    body = {"model": "text-embedding-3-small", "input": "one", "dimensions": 3}
    files.run(lines=[{"custom_id": "e", "method": "POST", "url": "/v1/embeddings", "body": body}])
    (output,) = files.rows[0]["outputs"]
    assert (output["name"], len(output["json"][0])) == ("embeddings", 3)


def test_an_attachment_lies_beside_the_file_of_lines(files: Files, tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "note.txt").write_text("kept here")
    line = {"id": "n", "inputs": ask("Sum it up."), "attach": {"note": "note.txt"}}
    (folder / "lines.jsonl").write_text(json.dumps(line))
    ran = cli(*BATCH, str(folder / "lines.jsonl"), "--out", "rows.jsonl")
    assert ran.status == 0, ran.err
    (row,) = files.rows
    assert [(file["name"], file["size"]) for file in row["meta"]["attachments"]] == [("note", 9)]


def test_an_attachment_of_lines_from_standard_input_lies_in_the_working_folder(
    files: Files, working_folder: Path, cli: Cli
) -> None:
    (working_folder / "note.txt").write_text("kept here")
    line = {"inputs": ask("Sum it up."), "attach": {"note": "note.txt"}}
    assert cli(*BATCH, "-", "--out", "rows.jsonl", stdin=json.dumps(line)).status == 0
    assert files.rows[0]["meta"]["attachments"][0]["size"] == 9


def test_a_file_that_is_attached_to_many_lines_keeps_the_rules_of_names_in_each(
    files: Files, working_folder: Path
) -> None:
    (working_folder / "note.txt").write_text("kept here")
    lines = [{"inputs": ask("x"), "attach": {name: "note.txt"}} for name in ("a", "b", "../c")]
    assert "line 3: attachment name '../c' may hold only letters" in files.run(lines=lines).document["error"]["message"]
    assert files.run(lines=lines[:2]).status == 0
    assert [row["meta"]["attachments"][0]["name"] for row in files.rows] == ["a", "b"]


def test_a_line_may_attach_more_files_than_are_remembered(
    files: Files, working_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("theoryctl.batch.requests._MOST_FILES", 2)
    names = [f"note{number}.txt" for number in range(5)]
    for name in names:
        (working_folder / name).write_text(name)
    assert files.run(lines=[{"inputs": ask("x"), "attach": {name: name for name in names}}]).status == 0
    assert [each["name"] for each in files.rows[0]["meta"]["attachments"]] == names


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (ask("x", temprature=1), "line 2: $: unknown key 'temprature', did you mean 'temperature'"),
        ({"messages": [{"role": "user", "content": 5}]}, "line 2: $.messages[0].content"),
        ("[1]", "line 2: expected a JSON object, got a list"),
        ('{"messages": [', "line 2: not JSON"),
        ({"inputs": ask("x"), "atach": {}}, "line 2: unknown key 'atach', did you mean 'attach'?"),
        ({"inputs": ask("x"), "id": 5}, "line 2: id: expected a text of at most 512 characters, got 5"),
        ({"inputs": ask("x"), "attach": {"a": "none.txt"}}, "line 2: attachment a: "),
        ({"inputs": ask("x"), "attach": {"a": "."}}, "/. is not a regular file"),
        ({"inputs": ask("x"), "attach": {"a": "/dev/null"}}, "line 2: attachment a: /dev/null is not a regular file"),
        (
            {"inputs": ask("x"), "attach": {"a": "/dev/stdin"}},
            "line 2: attachment a: expected a file, got /dev/stdin, a stream of this process",
        ),
        ({"inputs": ask("x"), "attach": {"a=b": "lines.jsonl"}}, "line 2: attachment name 'a=b' may hold only letters"),
        ({"inputs": ask("x"), "attach": ["a"]}, "line 2: attach: expected an object of paths by name, got a list"),
        ({"inputs": ask("x"), "attach": {"a": None}}, "line 2: attach: expected a path for 'a', got null"),
        ({**OPENAIS, "url": "/v1/responses"}, "line 2: url: expected /v1/chat/completions or /v1/embeddings, got"),
        ({**OPENAIS, "method": "GET"}, "line 2: method: expected 'POST', got 'GET'"),
        (
            {"id": "a", "input": ask("x")},
            "line 2: unknown key 'input', did you mean 'inputs'? The keys of such a line are id",
        ),
        ({"id": "a", **ask("x")}, "line 2: 'id': expected the inputs under 'inputs', got 'messages' beside it;"),
        (
            {**ask("x"), "attach": {"a": "a.txt"}},
            "line 2: 'attach': expected the inputs under 'inputs', got 'messages'",
        ),
        (
            {"custom_id": "a", **ask("x")},
            "line 2: 'custom_id': expected the inputs under 'body', got 'messages' beside it",
        ),
        ({"custom_id": "a", "bdoy": ask("x")}, "line 2: unknown key 'bdoy', did you mean 'body'? The keys"),
        (ask("x", mode="real"), "line 2: mode: expected mock, which the batch is in, got 'real'"),
        (ask("x", api_base="http://127.0.0.1:1"), "line 2: $"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_line_that_is_wrong_is_told_with_its_number_and_nothing_is_asked(files: Files, line: Any, said: str) -> None:
    ran = files.run(lines=[ask("one"), line])
    error = ran.document["error"]
    assert (ran.status, error["code"]) == (3, "ERR_INPUTS")
    assert "lines.jsonl: 1 line is not valid, of 2; nothing was asked:" in error["message"]
    assert said in error["message"]
    assert error["hint"].startswith("theoryctl local batch lines.jsonl ")
    assert "--skip-invalid" in error["hint"]
    assert not files.out.exists()


def test_a_schema_of_ones_own_may_have_inputs_that_are_called_as_keys_of_lines() -> None:
    line = b'{"id": 5, "text": "x"}'
    for schema in ({}, {"additionalProperties": False, "properties": {"id": {}}}):
        assert read_line(1, line, (), no_inputs(schema)).inputs == {"id": 5, "text": "x"}
    with pytest.raises(BadInputs, match="'id': expected the inputs under 'inputs', got 'text'"):
        read_line(1, line, (), no_inputs({"additionalProperties": False}))


def test_twenty_problems_are_told_and_the_others_counted(files: Files) -> None:
    message = files.run(lines=[{f"x{number}": 1} for number in range(25)]).document["error"]["message"]
    assert "line 20: " in message
    assert "line 21: " not in message
    assert "and 5 more lines" in message


def test_equal_problems_are_told_once_with_their_lines(files: Files) -> None:
    wrong = ask("one", x=1)
    error = files.run(lines=[wrong, wrong, ask("two"), wrong, {"messages": 5}]).document["error"]
    assert "4 lines are not valid, of 5; nothing was asked:\n  lines 1-2, 4: $: unknown key 'x'" in error["message"]
    assert error["message"].count("unknown key") == 1
    assert "\n  line 5: $.messages: " in error["message"]


@pytest.mark.parametrize(
    ("flags", "code", "corrected"),
    [
        (("-o", "temperatur=1"), "ERR_INPUTS", "--option temperature=1"),
        (("-m", "opnai/gpt-4o-mini"), "ERR_INPUTS", "--model openai/gpt-4o-mini"),
        (("-m", "claude-sonnet-4-5", "--mode", "real"), "ERR_MODEL_NOT_FOUND", "--model anthropic/claude-sonnet-4-5"),
        (("-o", "temperature=hot"), "ERR_INPUTS", "set temperature to a number from 0 to 2"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
@pytest.mark.parametrize("lines", [[ask("one"), ask("two")], ["{"], []], ids=["valid", "invalid", "empty"])
def test_a_flag_that_is_wrong_is_told_once_with_the_corrected_command(
    files: Files, flags: tuple[str, ...], code: str, corrected: str, lines: list[Any]
) -> None:
    error = files.run(*flags, "--skip-invalid", lines=lines).document["error"]
    assert error["code"] == code
    assert "line" not in error["message"]
    assert corrected in error["hint"]
    assert not files.out.exists()


def test_flags_are_checked_as_what_the_lines_ask_for(files: Files) -> None:
    embeddings = {"url": "/v1/embeddings", "body": {"model": "text-embedding-3-small", "input": "Hello."}}
    assert files.run("-o", "dimensions=3", "-m", "openai/text-embedding-3-large", lines=[embeddings]).status == 0
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    assert files.run("-o", "tool_choice=required", lines=[ask("one", tools=[tool])]).status == 0


@pytest.mark.parametrize("flags", [(), ("--skip-invalid",)], ids=["", "skips"])
def test_a_batch_without_a_valid_line_fails_and_leaving_them_out_is_no_way_on(
    files: Files, flags: tuple[str, ...]
) -> None:
    ran = files.run(*flags, lines=[ask("one", temprature=1)] * 2)
    error = ran.document["error"]
    assert (ran.status, error["code"]) == (3, "ERR_INPUTS")
    assert error["hint"] == "write 'temperature' instead of 'temprature'"
    assert not files.out.exists()


@pytest.mark.parametrize("text", ["name,age\nAda,36\n1,2", "Tell me\nabout rivers."], ids=["csv", "text"])
def test_a_file_of_another_format_is_told_of_the_expected_one(files: Files, text: str) -> None:
    error = files.run(lines=text.splitlines()).document["error"]
    assert error["message"].startswith('lines.jsonl: expected JSON, one object a line: {"messages": [...]}; nothing')
    assert f"not JSON: expected a value, got {text[0]!r} at column 1" in error["message"]
    assert error["hint"].startswith("write each line as {")


def test_a_line_that_is_no_json_has_one_number_whatever_comes_after_it(files: Files) -> None:
    for end in ("", "\r", "\r\n\r"):
        error = files.run(lines=[ask("one"), f'{{"a":{end}']).document["error"]
        assert error["message"].splitlines()[1:] == ["  line 2: not JSON: expected a value, got the end at column 6"]


def test_a_batch_without_lines_has_a_file_without_rows(files: Files) -> None:
    ran = files.run(lines=[])
    assert (ran.status, ran.document["lines"], files.rows) == (0, 0, [])


def test_invalid_lines_can_be_left_out(files: Files) -> None:
    ran = files.run("--skip-invalid", lines=[ask("one"), "{", "", ask("two")])
    assert (ran.status, ran.document["ok"], ran.document["invalid"], ran.document["lines"]) == (0, 2, 1, 3)
    assert [row["line"] for row in files.rows] == [1, 4]


def test_an_id_is_given_once(files: Files) -> None:
    lines = [{"id": "a", "inputs": ask("one")}, {"id": "a", "inputs": ask("two")}]
    message = files.run(lines=lines).document["error"]["message"]
    assert "line 2: id: expected one of its own, got 'a', which line 1 has" in message


def test_flags_count_before_the_inputs_of_lines(files: Files) -> None:
    files.run("-m", "openai/gpt-4o", "-o", "max_tokens=2", lines=[ask("one", model="openai/gpt-4o-mini")])
    (row,) = files.rows
    assert row["model"] == "openai/gpt-4o"
    assert row["usage"]["output_tokens"] == 2


def test_lines_come_from_standard_input_and_rows_go_to_standard_output(cli: Cli) -> None:
    lines = "".join(json.dumps(ask(text)) + "\n" for text in ("one", "two"))
    ran = cli(*BATCH, "-", "--out", "-", stdin=lines)
    assert ran.status == 0, ran.err
    assert [json.loads(row)["line"] for row in ran.out.splitlines()] == [1, 2]
    assert "ok       2" in ran.err


def test_a_file_for_the_rows_is_asked_for(cli: Cli, files: Files) -> None:
    files.run(lines=[ask("one")])
    error = cli(*BATCH, "lines.jsonl", "--json").document["error"]
    assert error["hint"].endswith("batch lines.jsonl --ref llm/litellm@1 --out lines.rows.jsonl --json")


def test_the_lines_are_never_overwritten(cli: Cli, files: Files) -> None:
    files.run(lines=[ask("one")])
    before = files.lines.read_bytes()
    ran = cli(*BATCH, "lines.jsonl", "--out", "lines.jsonl")
    assert (ran.status, files.lines.read_bytes()) == (2, before)


def test_a_file_that_is_not_there_is_told_with_the_one_that_was_meant(files: Files, cli: Cli) -> None:
    write_lines(files.lines, [ask("Hi")])
    ran = cli(*BATCH, "linse.jsonl", "--out", "rows.jsonl", "--json", cwd=files.lines.parent)
    assert (ran.status, ran.document["error"]["code"]) == (3, "ERR_INPUTS")
    assert ran.document["error"]["hint"] == f"theoryctl local batch lines.jsonl --ref {REF} --out rows.jsonl --json"
