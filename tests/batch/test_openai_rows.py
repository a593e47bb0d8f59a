"""Rows in the form of OpenAI's batches."""

from __future__ import annotations

from typing import Any

from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion

from tests.batch.rows import Files, ask

TOOL = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}
FORCED = {"type": "function", "function": {"name": "now"}}


def line(name: str, url: str = "/v1/chat/completions", **body: Any) -> dict[str, Any]:
    return {"custom_id": name, "method": "POST", "url": url, "body": body}


def openai(files: Files, *lines: Any, flags: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    ran = files.run("--format", "openai", *flags, lines=lines)
    assert ran.status in (0, 1), ran.err
    return files.rows


def test_a_row_holds_a_completion_as_openais_client_reads_it(files: Files) -> None:
    (row,) = openai(files, line("a", **ask("one"), n=2))
    assert (row["custom_id"], row["error"], row["response"]["status_code"]) == ("a", None, 200)
    completion = ChatCompletion.model_validate(row["response"]["body"], strict=True)
    assert [choice.index for choice in completion.choices] == [0, 1]
    assert completion.choices[0].message.content is not None
    assert completion.usage is not None
    assert completion.usage.total_tokens > 0
    assert row["metadata"]["request_digest"].startswith("sha256:")


def test_a_call_of_a_tool_has_its_arguments_as_text(files: Files) -> None:
    (row,) = openai(files, line("a", **ask("one"), tools=[TOOL], tool_choice=FORCED))
    (call,) = row["response"]["body"]["choices"][0]["message"]["tool_calls"]
    assert (call["type"], call["function"]) == ("function", {"name": "now", "arguments": "{}"})


def test_embeddings_are_a_list(files: Files) -> None:
    (row,) = openai(files, line("e", "/v1/embeddings", model="text-embedding-3-small", input=["a", "b"], dimensions=2))
    found = CreateEmbeddingResponse.model_validate(row["response"]["body"])
    assert [len(each.embedding) for each in found.data] == [2, 2]


def test_a_failure_has_an_error_in_place_of_a_response(files: Files) -> None:
    rule = "rules:\n- when: {user: {contains: bad}}\n  answers: [{fault: {status: 400}}]\n"
    (files.lines.parent / "answers.yaml").write_text(rule)
    (row,) = openai(files, line("a", **ask("bad")), flags=("--script", "answers.yaml"))
    assert row["response"] is None
    assert row["error"]["code"].startswith("ERR_")


def test_such_rows_are_resumed_as_well(files: Files) -> None:
    lines = [line(name, **ask(name)) for name in "abc"]
    openai(files, *lines)
    assert files.run("--format", "openai").document["resumed"] == 3
    other = files.run()
    assert (other.status, other.document["error"]["code"]) == (2, "ERR_USAGE")
