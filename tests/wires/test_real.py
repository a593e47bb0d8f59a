"""Clients of Ollama and Gemini behind a real instance, whoever its vendor is; and recordings that all wires replay."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import ollama
import pytest
from google import genai
from google.genai import errors

from tests.providers.started import CONFIG, TOKEN, serving
from tests.real import said
from tests.real.conftest import CANARY, LITELLM_WARNINGS
from tests.real.said import Said
from tests.real.server import Behaviour
from tests.real.vendor import Vendor, fails, fails_midway
from tests.wires.asked import WEATHER
from tests.wires.conftest import Instance, real_config, tells
from theoryctl_providers.contract import Recordings, Tape

pytestmark = LITELLM_WARNINGS

ANSWER = Said(text=("Let me ", "look."), reasoning="Hm.", calls=[("get_weather", {"city": "Forlì"})])
GPT = "openai/gpt-4o-mini"
FUNCTION = {"name": "get_weather", "parameters_json_schema": WEATHER["function"]["parameters"]}

streamed_or_not = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


class Asked:
    """A real instance, and the vendor behind it, which says what a test tells it to."""

    def __init__(self, vendor: Vendor, instance: Instance, tape: Tape) -> None:
        self._vendor, self.instance, self.tape = vendor, instance, tape
        self.says: Behaviour = tells(ANSWER)
        self._before = 0

    def begin(self) -> None:
        """Begin another test."""
        self.says, self._before = tells(ANSWER), len(self._vendor.requests)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """Those of the requests that the vendor got in this test."""
        return [request.body for request in self._vendor.requests[self._before :]]


@pytest.fixture(scope="module")
def running(litellm: Any) -> Iterator[Asked]:
    asked: list[Asked] = []
    with Vendor(lambda talk: asked[0].says(talk)) as vendor:
        config, tape = real_config(vendor), Tape()
        with serving(replace(config, provider=replace(config.provider, tape=tape))) as (port, _):
            asked.append(Asked(vendor, Instance(port), tape))
            yield asked[0]


@pytest.fixture
def asked(running: Asked, only_loopback: set[tuple[str, int]]) -> Asked:
    running.begin()
    return running


@pytest.fixture
def ollamas(asked: Asked) -> Iterator[ollama.Client]:
    client = ollama.Client(host=asked.instance.url, headers={"authorization": f"Bearer {TOKEN}"})
    with closing(client._client):
        yield client


@pytest.fixture
def googles(asked: Asked) -> Iterator[genai.Client]:
    at: Any = {"base_url": asked.instance.url}
    with genai.Client(api_key=TOKEN, http_options=at) as client:
        yield client


@streamed_or_not
@pytest.mark.parametrize("model", ["llama3.2", GPT])
def test_an_answer_comes_whole_to_ollamas_client_and_goes_back_whole(
    asked: Asked, ollamas: ollama.Client, model: str, streamed: bool
) -> None:
    question: Any = {"role": "user", "content": "weather?"}
    told: dict[str, Any] = {"model": model, "messages": [question], "tools": [WEATHER], "options": {"num_ctx": 2048}}
    if model == GPT:
        del told["options"]
    answers = list(ollamas.chat(**told, stream=True)) if streamed else [ollamas.chat(**told)]
    messages = [answer.message for answer in answers]
    assert "".join(message.content or "" for message in messages) == "Let me look."
    assert "".join(message.thinking or "" for message in messages) == "Hm."
    (call,) = [call for message in messages for call in message.tool_calls or ()]
    assert (call.function.name, call.function.arguments) == ("get_weather", {"city": "Forlì"})
    assert (answers[-1].prompt_eval_count, answers[-1].eval_count) == (said.SENT, said.RECEIVED)
    turn = {"role": "assistant", "content": "Let me look.", "thinking": "Hm.", "tool_calls": [call]}
    result = {"role": "tool", "tool_name": "get_weather", "content": "sun"}
    ollamas.chat(**{**told, "messages": [question, turn, result]})
    first, second = asked.bodies
    if model != GPT:
        assert first["options"] == {"num_ctx": 2048}
    _, answered, told_back = second["messages"]
    assert answered["content"] == "Let me look."
    assert "Forlì" in json.dumps(answered["tool_calls"], ensure_ascii=False)
    assert told_back["content"] == "sun"


@streamed_or_not
def test_an_answer_comes_whole_to_googles_client_and_goes_back_whole(
    asked: Asked, googles: genai.Client, streamed: bool
) -> None:
    config: Any = {"tools": [{"function_declarations": [FUNCTION]}]}
    told: dict[str, Any] = {"model": GPT, "config": config}
    models = googles.models
    if streamed:
        answers: list[Any] = list(models.generate_content_stream(**told, contents="weather?"))
    else:
        answers = [models.generate_content(**told, contents="weather?")]
    parts = [part for answer in answers for part in answer.candidates[0].content.parts]
    assert "".join(part.text or "" for part in parts if not part.thought) == "Let me look."
    assert "".join(part.text or "" for part in parts if part.thought) == "Hm."
    (call,) = [part.function_call for part in parts if part.function_call]
    assert (call.name, call.args) == ("get_weather", {"city": "Forlì"})
    result = {"function_response": {"id": call.id, "name": call.name, "response": {"sky": "sun"}}}
    talk: Any = [
        {"role": "user", "parts": [{"text": "weather?"}]},
        {"role": "model", "parts": parts},
        {"role": "user", "parts": [result]},
    ]
    models.generate_content(**told, contents=talk)
    _, answered, told_back = asked.bodies[1]["messages"]
    assert (answered["reasoning_content"], answered["tool_calls"][0]["id"]) == ("Hm.", call.id)
    assert (told_back["tool_call_id"], json.loads(told_back["content"])) == (call.id, {"sky": "sun"})


def test_a_vendors_429_is_one_and_is_asked_for_once(
    asked: Asked, ollamas: ollama.Client, googles: genai.Client
) -> None:
    asked.says = fails(429, retry_after="7")
    with pytest.raises(ollama.ResponseError) as first:
        ollamas.chat(model=GPT, messages=[{"role": "user", "content": "x"}])
    with pytest.raises(errors.ClientError) as second:
        googles.models.generate_content(model=GPT, contents="x")
    assert (first.value.status_code, second.value.code, len(asked.bodies)) == (429, 429, 2)
    assert CANARY not in f"{first.value} {second.value}"


def test_a_failure_in_the_middle_is_raised_after_what_came(
    asked: Asked, ollamas: ollama.Client, googles: genai.Client
) -> None:
    asked.says, came = fails_midway, list[str]()
    with pytest.raises(ollama.ResponseError):
        for piece in ollamas.chat(model=GPT, messages=[{"role": "user", "content": "x"}], stream=True):
            came.append(piece.message.content or "")
    with pytest.raises(errors.APIError):
        for part in googles.models.generate_content_stream(model=GPT, contents="x"):
            came.append(part.text or "")
    assert came == ["Hel", "Hel"]


@pytest.mark.parametrize("model", ["gemini/gemini-2.5-flash", GPT, "llama3.2"])
def test_tokens_of_models_whose_vendor_is_not_asked_for_them_are_never_guessed(
    asked: Asked, googles: genai.Client, model: str
) -> None:
    with pytest.raises(errors.ClientError, match="of all vendors, Anthropic alone is asked to count them") as caught:
        googles.models.count_tokens(model=model, contents="Say hello.")
    assert (caught.value.code, caught.value.status, asked.bodies) == (400, "INVALID_ARGUMENT", [])


def test_what_one_wire_recorded_another_replays(asked: Asked, ollamas: ollama.Client) -> None:
    messages: Any = [{"role": "user", "content": "record this"}]
    asked.says = tells(Said(text=("It ", "is.")))
    assert ollamas.chat(model=GPT, messages=messages).message.content == "It is."
    kept = Recordings(asked.tape.kept()[0])
    with serving(replace(CONFIG, provider=replace(CONFIG.provider, replay=kept))) as (port, _):
        contents = [{"role": "user", "parts": [{"text": "record this"}]}]
        key = {"x_goog_api_key": TOKEN}
        answer = Instance(port).ask(f"/v1beta/models/{GPT}:generateContent", {"contents": contents}, **key)
        missed = Instance(port).ask(f"/v1beta/models/{GPT}:generateContent", {"contents": "other"}, **key)
    assert answer.document["candidates"][0]["content"]["parts"] == [{"text": "It is."}]
    assert (missed.status, missed.headers["x-theoryctl-code"]) == (404, "ERR_REPLAY_MISS")
