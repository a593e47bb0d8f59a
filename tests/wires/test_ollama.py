"""Ollama's API of a mock, by its own client and as it goes over the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import ollama
import pytest

from tests.providers.started import CONFIG, TOKEN, Answer, serving
from tests.wires.asked import MIDWAY, PNG, TWO_CALLS, WEATHER
from tests.wires.conftest import Instance, scripted
from theoryctl_providers import run
from theoryctl_providers.contract.wire import ServerConfig

ASK: dict[str, Any] = {"model": "llama3.2", "messages": [{"role": "user", "content": "Say hello."}]}

streamed_or_not = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@contextmanager
def client_of(config: ServerConfig = CONFIG) -> Iterator[ollama.Client]:
    with serving(config) as (port, _):
        client = ollama.Client(host=f"http://127.0.0.1:{port}", headers={"authorization": f"Bearer {TOKEN}"})
        with closing(client._client):
            yield client


@pytest.fixture(scope="module")
def client() -> Iterator[ollama.Client]:
    with client_of() as client:
        yield client


def chat(client: ollama.Client, streamed: bool = False, **more: Any) -> list[Any]:
    asked: dict[str, Any] = {**ASK, **more}
    return list(client.chat(**asked, stream=True)) if streamed else [client.chat(**asked)]


def text_of(answers: list[Any]) -> str:
    return "".join(answer.message.content or "" for answer in answers)


def post(instance: Instance, body: Any = ASK, path: str = "/api/chat", method: str = "POST", **headers: str) -> Answer:
    return instance.ask(path, body, method, **{"authorization": f"Bearer {TOKEN}", **headers})


def error_of(answer: Answer) -> str:
    document = json.loads(answer.body)
    assert list(document) == ["error"]
    return str(document["error"])


@streamed_or_not
def test_a_chat_has_text_its_reason_and_its_counts(client: ollama.Client, streamed: bool) -> None:
    answers = chat(client, streamed)
    last = answers[-1]
    assert text_of(answers).startswith("Mock answer") and "ollama/llama3.2" in text_of(answers)
    assert (last.model, last.done, last.done_reason, last.created_at) == (
        "llama3.2",
        True,
        "stop",
        "2000-01-01T00:00:00Z",
    )
    assert (last.prompt_eval_count, last.eval_count) == (14, 10)
    assert (last.total_duration, len(answers) > 5) == (None, streamed)


@streamed_or_not
def test_a_completion_is_a_chat_of_one_message(client: ollama.Client, streamed: bool) -> None:
    asked: dict[str, Any] = {"model": "llama3.2", "prompt": "Say hello.", "system": "Be brief."}
    found = list(client.generate(**asked, stream=True)) if streamed else [client.generate(**asked)]
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hello."}]
    assert "".join(answer.response or "" for answer in found) == text_of(chat(client, messages=messages))


def test_a_stream_is_lines_of_json_and_is_what_a_client_gets_that_says_nothing(client: ollama.Client) -> None:
    with serving() as (port, _):
        answer = post(Instance(port))
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.body.splitlines()]
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]


@streamed_or_not
def test_tools_are_called_and_their_results_find_their_calls(streamed: bool) -> None:
    with client_of(scripted(TWO_CALLS)) as client:
        answers = chat(client, streamed, tools=[WEATHER])
        message = next(answer.message for answer in answers if answer.message.tool_calls)
        assert [call.function.arguments["city"] for call in message.tool_calls] == ["Forlì", "Turin"]
        assert "".join(answer.message.thinking or "" for answer in answers) == "Hm."
        assert answers[-1].done_reason == "stop"
        results = [{"role": "tool", "tool_name": "get_weather", "content": "sun"}] * 2
        again = chat(client, streamed, messages=[*ASK["messages"], message, *results], tools=[WEATHER])
    assert text_of(again) == "Sunny in both."


def test_a_picture_is_part_of_what_is_asked(client: ollama.Client) -> None:
    image = PNG.partition(",")[2]
    seen = chat(client, messages=[{"role": "user", "content": "Look.", "images": [image]}])
    assert text_of(seen) != text_of(chat(client, messages=[{"role": "user", "content": "Look."}]))


def test_an_answer_fits_the_schema_that_is_its_format(client: ollama.Client) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    assert isinstance(json.loads(text_of(chat(client, format=schema)))["n"], int)
    assert "answer" in json.loads(text_of(chat(client, format="json")))


def test_embeddings_are_those_of_a_run(client: ollama.Client) -> None:
    two = client.embed(model="nomic-embed-text", input=["a", "b"], dimensions=8)
    assert [len(vector) for vector in two.embeddings] == [8, 8]
    assert two.prompt_eval_count is not None
    one = client.embeddings(model="nomic-embed-text", prompt="a")
    assert list(one.embedding) == list(client.embed(model="nomic-embed-text", input="a").embeddings[0])


def test_models_are_listed_and_shown_and_the_version_is_told(client: ollama.Client) -> None:
    (model,) = client.list().models
    assert model.model == "openai/gpt-4o-mini"
    assert "tools" in (client.show("llama3.2").capabilities or ())
    with serving() as (port, _):
        assert "version" in post(Instance(port), None, "/api/version", "GET").document


@streamed_or_not
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"messges": []}, "unknown key 'messges', did you mean 'messages'?"),
        ({"tool_choice": "auto"}, "unknown key 'tool_choice'"),
        ({"messages": [{"role": "usr", "content": "x"}]}, "$.messages[0].role"),
        ({"messages": [{"role": "user", "content": "x", "images": "y"}]}, "$.messages[0].images"),
        ({"messages": [{"role": "assistant", "tool_calls": [{}]}]}, "$.messages[0].tool_calls[0].function"),
        ({"options": {"temperature": 9}}, "$.options.temperature"),
        ({"options": {"num_predict": 0}}, "$.options.num_predict"),
        ({"options": 5}, "$.options: expected an object"),
        ({"format": "xml"}, "$.format"),
        ({"stream": "yes"}, "$.stream: expected boolean"),
    ],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else "",
)
def test_a_bad_request_is_a_400_in_the_words_of_the_request(
    instance: Instance, change: dict[str, Any], said: str, streamed: bool
) -> None:
    answer = post(instance, {**ASK, "stream": streamed, **change})
    assert answer.status == 400
    assert said in error_of(answer)


def test_no_stop_sequences_are_none(instance: Instance) -> None:
    assert post(instance, {**ASK, "options": {"stop": []}}).body == post(instance).body


def test_other_refusals_have_ollamas_shape_too(instance: Instance) -> None:
    assert post(instance, b"{").status == 400
    wrong = post(instance, authorization="Bearer of-somebody-else")
    assert (wrong.status, "bearer token" in error_of(wrong)) == (401, True)
    unknown = post(instance, {}, "/api/nothing")
    assert (unknown.status, "POST /api/chat (Ollama)" in error_of(unknown)) == (404, True)
    raw = post(instance, {"model": "x", "prompt": "y", "raw": True}, "/api/generate")
    assert (raw.status, raw.headers["x-theoryctl-code"]) == (400, "ERR_UNSUPPORTED_PARAM")


def test_a_failure_in_the_middle_is_what_the_client_raises() -> None:
    with client_of(scripted(MIDWAY)) as client:
        came: list[str] = []
        with pytest.raises(ollama.ResponseError):
            for answer in client.chat(**ASK, stream=True):
                came.append(answer.message.content or "")
        assert came == ["one "]


def test_a_run_and_a_chat_count_the_same_tokens(client: ollama.Client) -> None:
    usage = run({**ASK, "model": "ollama/llama3.2"}, provider="litellm", mode="mock")["usage"]
    assert chat(client)[0].eval_count == usage["output_tokens"]
