"""One body, one answer: by a command, by `/v1/run` and by chat completions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REF
from tests.openai.conftest import Variables, theoryctl
from tests.openai.test_wire import CHAT, ask
from tests.wires.everywhere import check_every_wire

#: As clients log it: a null for all that is unset, an answer sent back whole, parameters about the caller, no vendor.
LOGGED: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "messages": [
        {"role": "system", "content": "You sort tickets."},
        {"role": "user", "content": "My printer is on fire", "name": None},
        {
            "role": "assistant",
            "content": "Urgent",
            "refusal": None,
            "annotations": [],
            "tool_calls": None,
            "function_call": None,
            "audio": None,
        },
        {"role": "user", "content": [{"type": "text", "text": "And now?"}]},
    ],
    "temperature": 1,
    "max_tokens": None,
    "response_format": {"type": "text"},
    "tools": None,
    "tool_choice": None,
    "logprobs": None,
    "stop": None,
    "store": False,
    "service_tier": "auto",
    "stream": False,
}
SHORT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello."}]}
WRONG = {**SHORT, "temprature": None, "n": 0, "user": 5}


def by_command(env: Variables, folder: Path, body: Any) -> Any:
    (folder / "inputs.json").write_text(json.dumps(body))
    return theoryctl("local", "run", "--ref", REF, "--inputs-file", str(folder / "inputs.json"), env=env)["outputs"]


def by_run(instance: Variables, body: Any) -> Any:
    return json.loads(ask(instance, "/v1/run", {"inputs": body}).body)["outputs"]


def by_chat(instance: Variables, body: Any) -> str:
    (choice,) = json.loads(ask(instance, CHAT, body).body)["choices"]
    return str(choice["message"]["content"])


@pytest.mark.parametrize("body", [LOGGED, {**SHORT, "user": "me", "metadata": {"a": "b"}}], ids=["logged", "caller"])
def test_a_body_has_the_same_answer_everywhere(
    instance: Variables, home: Variables, tmp_path: Path, body: dict[str, Any]
) -> None:
    outputs = by_command(home, tmp_path, body)
    assert by_run(instance, body) == outputs
    assert by_chat(instance, body) == next(output["text"] for output in outputs if output["name"] == "answer")


def test_a_body_has_the_same_problems_everywhere(instance: Variables) -> None:
    wire, ours = ask(instance, CHAT, WRONG), ask(instance, "/v1/run", {"inputs": WRONG})
    assert (wire.status, ours.status) == (400, 400)
    message = json.loads(ours.body)["error"]["message"]
    assert message in wire.error["message"]
    assert "$.n" in message and "$.user" in message


def test_what_is_about_the_caller_changes_no_byte_of_an_answer(instance: Variables) -> None:
    caller = {"user": "me", "metadata": {"a": "b"}, "safety_identifier": "x", "store": True, "prompt_cache_options": {}}
    for body in (SHORT, {**SHORT, "stream": True}):
        assert ask(instance, CHAT, {**body, **caller}).body == ask(instance, CHAT, body).body


def test_forty_requests_have_the_answers_of_local_run_on_every_wire(instance: Variables) -> None:
    check_every_wire(instance)
