"""The mock provider: deterministic, offline, and true to what a request asks for."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import NO_DETAILS, ROOT
from tests.providers.mock.asking import WEATHER, ask, outputs
from theoryctl_providers import ProviderError, run
from theoryctl_providers.contract import Attachment, Delta, ProviderConfig, Request, Result, Script
from theoryctl_providers.engine.drive import drive
from theoryctl_providers.engine.execute import execute
from theoryctl_providers.mock.provider import tokens


def attachment(name: str, digest: str = "sha256:" + "a" * 64, path: str = "/nowhere") -> Attachment:
    return Attachment(name=name, path=path, digest=digest, media_type="image/png", size=3)


def test_the_same_inputs_give_the_same_outputs() -> None:
    assert run(ask())["outputs"] == run(ask())["outputs"]


def test_the_order_of_keys_in_the_inputs_does_not_matter() -> None:
    one = {"temperature": 0.5, **ask()}
    assert run(one)["outputs"] == run(ask(temperature=0.5))["outputs"]


@pytest.mark.parametrize("change", [{"temperature": 1}, {"model": "openai/other"}, {"seed": 2}])
def test_any_change_of_the_inputs_changes_the_answer(change: dict[str, Any]) -> None:
    assert run(ask(**change))["outputs"] != run(ask())["outputs"]


@pytest.mark.parametrize("transport", [{"mode": "mock"}, {"stream": True, "stream_options": {"include_usage": True}}])
def test_how_the_call_is_made_does_not_change_the_answer(transport: dict[str, Any]) -> None:
    assert run(ask(**transport))["outputs"] == run(ask())["outputs"]


def test_the_litellm_provider_answers_like_the_mock_and_never_imports_litellm() -> None:
    model = "openai/gpt-4o-mini"
    assert run(ask(model=model), provider="litellm")["outputs"] == run(ask(model=model), provider="mock")["outputs"]
    code = f"import sys, theoryctl_providers as t; t.run({ask()!r}, provider='litellm')"
    assert not _modules_after(code) & {"litellm", "openai", "httpx", "asyncio"}


def _modules_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_a_mock_run_never_opens_a_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a mock run opened a socket")

    monkeypatch.setattr(socket.socket, "__init__", refuse)
    for inputs in (ask(), ask(tools=[WEATHER], tool_choice="required"), ask(response_format={"type": "json_object"})):
        assert run(inputs, provider="litellm")["status"] == "success"


def test_an_external_schema_reference_is_refused_without_fetching_it(httpserver: Any) -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": httpserver.url_for("/schema.json")}}}
    with pytest.raises(ProviderError):
        run(ask(response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}))
    assert httpserver.log == []


GOLDEN = json.loads((ROOT / "tests/providers/golden_mock.json").read_text())


@pytest.mark.parametrize("case", GOLDEN, ids=[case["name"] for case in GOLDEN])
def test_the_answers_are_the_bytes_they_have_always_been_on_every_python_and_machine(case: dict[str, Any]) -> None:
    envelope = run(case["inputs"], provider="litellm", attachments=[Attachment(**file) for file in case["attachments"]])
    assert {"outputs": envelope["outputs"], "usage": envelope["usage"]} == case["expected"]


@pytest.mark.parametrize(("seed", "locale"), [("0", "C"), ("42", "C.UTF-8"), ("random", "POSIX")])
def test_neither_hash_seed_nor_locale_changes_a_byte(seed: str, locale: str) -> None:
    script = (
        "import json, sys\nfrom theoryctl_providers import run\n"
        "for inputs in json.load(sys.stdin): print(ascii(run(inputs)['outputs']))"
    )
    cases = [case["inputs"] for case in GOLDEN if not case["attachments"] or "$attach" not in json.dumps(case)]
    environment = {**os.environ, "PYTHONHASHSEED": seed, "LC_ALL": locale}
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    assert done.stdout == "".join(f"{run(inputs)['outputs']!a}\n" for inputs in cases)


def test_a_known_request_has_the_answer_it_always_had() -> None:
    assert outputs(ask("Say hello in one word.", model="openai/gpt-4o-mini")) == {
        "answer": 'Mock answer c5aef81c from openai/gpt-4o-mini to: "Say hello in one word."',
        "finish_reason": "stop",
    }


def test_streaming_gives_the_same_text_in_pieces() -> None:
    request = Request(config=ProviderConfig(), inputs=ask("Count to three, please."))
    events = list(drive(execute(request)))
    pieces = [event.text for event in events if isinstance(event, Delta)]
    assert len(pieces) > 3
    assert "".join(map(str, pieces)) == outputs(ask("Count to three, please."))["answer"]
    assert isinstance(events[-1], Result)


@given(st.text())
def test_tokens_joined_are_the_text_again(text: str) -> None:
    assert "".join(tokens(text)) == text


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_a_token_limit_cuts_the_answer_and_says_so(limit: str) -> None:
    found = run(ask("Hello", **{limit: 3}))
    assert found["usage"]["output_tokens"] == 3
    named = {output["name"]: output for output in found["outputs"]}
    assert named["finish_reason"]["text"] == "length"
    assert outputs(ask("Hello"))["answer"].startswith("Mock answer") and len(named["answer"]["text"]) < 25


@pytest.mark.parametrize("stop", ["from", ["nowhere", " from"]])
def test_a_stop_sequence_ends_the_answer_before_it(stop: Any) -> None:
    found = outputs(ask("Hello", stop=stop))
    assert found["answer"].startswith("Mock answer ")
    assert "from" not in found["answer"]
    assert found["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("asked", "met"),
    [
        ({"stop": "from"}, "from"),
        ({"stop": ["nowhere", " fr", " from", "Hello"]}, " from"),
        ({"stop": ["nowhere"]}, None),
        ({"stop": "from", "max_tokens": 2}, None),
        ({}, None),
    ],
    ids=str,
)
def test_an_answer_names_the_stop_sequence_that_ended_it(asked: dict[str, Any], met: str | None) -> None:
    found = outputs(ask("Hello", n=2, **asked))
    assert (found.get("stop_sequence"), found.get("stop_sequence.1")) == (met, met)


def test_the_first_version_of_the_mock_names_no_stop_sequence() -> None:
    first = Script.load({"mock_version": 1, "rules": []})
    assert "stop_sequence" not in outputs(ask("Hello", stop="from"), script=first)


def test_n_gives_that_many_different_choices() -> None:
    found = outputs(ask("Hello", n=3))
    answers = {found["answer"], found["answer.1"], found["answer.2"]}
    assert len(answers) == 3
    assert "choice 3 of 3" in found["answer.2"]


@pytest.mark.parametrize(("name", "value"), [("max_tokens", 5.0), ("n", 2.0), ("seed", 7.0), ("top_logprobs", 0.0)])
def test_an_integer_written_with_a_point_is_the_same_integer(name: str, value: float) -> None:
    assert run(ask() | {name: value})["outputs"] == run(ask() | {name: int(value)})["outputs"]


def test_json_object_gives_an_object() -> None:
    assert isinstance(outputs(ask(response_format={"type": "json_object"}))["answer"], dict)


def test_a_structured_answer_cut_short_stays_text_as_it_would_with_a_real_model() -> None:
    schema = {"name": "w", "schema": WEATHER["function"]["parameters"]}
    found = outputs(ask(response_format={"type": "json_schema", "json_schema": schema}, max_tokens=2))
    assert isinstance(found["answer"], str)
    assert found["finish_reason"] == "length"


def test_an_attachment_counts_by_its_name_and_digest_and_is_never_opened() -> None:
    one = run(ask(), attachments=[attachment("image")])["outputs"]
    assert run(ask(), attachments=[attachment("image", path="/somewhere/else")])["outputs"] == one
    assert run(ask(), attachments=[attachment("image", digest="sha256:" + "b" * 64)])["outputs"] != one
    assert run(ask(), attachments=[attachment("photo")])["outputs"] != one


def test_an_attachment_that_nobody_references_is_the_same_as_one_at_the_end_of_the_last_user_message() -> None:
    implicit = run(ask("Look"), attachments=[attachment("image")])["outputs"]
    content = [{"type": "text", "text": "Look"}, {"$attach": "image"}]
    explicit = run({"messages": [{"role": "user", "content": content}]}, attachments=[attachment("image")])["outputs"]
    assert implicit == explicit


def test_several_messages_and_content_parts_are_all_seen() -> None:
    conversation = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": "c"},
        {"role": "user", "content": "d"},
    ]
    found = outputs({"messages": conversation})
    assert found["answer"].endswith('to: "d"')
    changed = [{"role": "system", "content": "Be long."}, *conversation[1:]]
    assert outputs({"messages": changed}) != found


def test_usage_counts_depend_on_the_inputs_alone() -> None:
    usage = run(ask("Say hello in one word."))["usage"]
    assert usage == {"input_tokens": 17, "output_tokens": 12, "cost_usd": 0.0, **NO_DETAILS}


def test_the_mock_has_no_real_mode_and_says_so() -> None:
    with pytest.raises(ProviderError, match="no real mode") as caught:
        run(ask(), mode="real")
    assert caught.value.code == "ERR_UNSUPPORTED_PARAM"
