"""Gemini's API of a mock, by Google's client and as it goes over the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from google import genai
from google.genai import errors

from tests.providers.started import CONFIG, TOKEN, Answer, serving
from tests.wires.asked import MIDWAY, TWO_CALLS
from tests.wires.conftest import Instance, scripted
from theoryctl_providers.contract.wire import ServerConfig
from theoryctl_providers.wires.gemini.generate import Asked

MODEL = "gemini-x"
ASK: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "Say hello."}]}]}
WEATHER = {
    "name": "get_weather",
    "parameters": {
        "type": "OBJECT",
        "properties": {"city": {"type": "STRING"}, "days": {"type": "INTEGER", "nullable": True}},
        "required": ["city"],
    },
}

streamed_or_not = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@contextmanager
def client_of(config: ServerConfig = CONFIG) -> Iterator[genai.Client]:
    with serving(config) as (port, _), genai.Client(api_key=TOKEN, http_options=at(port)) as client:
        yield client


def at(port: int) -> Any:
    return {"base_url": f"http://127.0.0.1:{port}"}


@pytest.fixture(scope="module")
def client() -> Iterator[genai.Client]:
    with client_of() as client:
        yield client


def generate(client: genai.Client, streamed: bool = False, contents: Any = "Say hello.", **config: Any) -> list[Any]:
    asked: dict[str, Any] = {"model": MODEL, "contents": contents, "config": config}
    if streamed:
        return list(client.models.generate_content_stream(**asked))
    return [client.models.generate_content(**asked)]


def parts_of(answers: list[Any], index: int = 0) -> list[Any]:
    candidates = [each for answer in answers for each in answer.candidates if (each.index or 0) == index]
    return [part for candidate in candidates for part in candidate.content.parts]


def text_of(answers: list[Any], index: int = 0) -> str:
    return "".join(part.text or "" for part in parts_of(answers, index) if not part.thought)


def post(
    instance: Instance, body: Any = ASK, what: str = "generateContent", method: str = "POST", **headers: str
) -> Answer:
    path = what if what.startswith("/") else f"/v1beta/models/{MODEL}:{what}"
    return instance.ask(path, body, method, **{"x_goog_api_key": TOKEN, **headers})


def error_of(answer: Answer) -> dict[str, Any]:
    document = json.loads(answer.body)
    assert (list(document), set(document["error"])) == (["error"], {"code", "message", "status"})
    found: dict[str, Any] = document["error"]
    assert found["code"] == answer.status
    return found


@streamed_or_not
def test_an_answer_has_text_its_reason_and_its_usage(client: genai.Client, streamed: bool) -> None:
    answers = generate(client, streamed)
    last = answers[-1]
    assert text_of(answers).startswith("Mock answer") and "gemini/gemini-x" in text_of(answers)
    assert (last.candidates[0].finish_reason, last.model_version) == ("STOP", MODEL)
    usage = last.usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count) == (14, 10, 24)
    assert usage.thoughts_token_count is None
    assert (len(answers) > 5) == streamed


@streamed_or_not
def test_several_candidates_are_told_apart(client: genai.Client, streamed: bool) -> None:
    answers = generate(client, streamed, candidate_count=2)
    first, second = text_of(answers, 0), text_of(answers, 1)
    assert "choice 1 of 2" in first and "choice 2 of 2" in second


@streamed_or_not
def test_functions_are_called_and_the_conversation_goes_on(streamed: bool) -> None:
    tools = [{"function_declarations": [WEATHER]}]
    with client_of(scripted(TWO_CALLS)) as client:
        answers = generate(client, streamed, tools=tools)
        parts = parts_of(answers)
        calls = [part.function_call for part in parts if part.function_call]
        assert [call.args["city"] for call in calls] == ["Forlì", "Turin"]
        assert [part.text for part in parts if part.thought] == ["Hm."]
        assert answers[-1].usage_metadata.thoughts_token_count == 3
        assert answers[-1].usage_metadata.candidates_token_count == 5
        results = [
            {"function_response": {"id": call.id, "name": call.name, "response": {"sky": "sun"}}} for call in calls
        ]
        talk = [
            {"role": "user", "parts": [{"text": "x"}]},
            {"role": "model", "parts": parts},
            {"role": "user", "parts": results},
        ]
        assert text_of(generate(client, streamed, contents=talk, tools=tools)) == "Sunny in both."


def test_the_clients_own_loop_calls_a_function_and_ends(client: genai.Client) -> None:
    called: list[str] = []

    def get_weather(city: str) -> str:
        """Get the weather of a city."""
        called.append(city)
        return "sun"

    script = {"rules": [
        {"when": {"turn": 1}, "answers": [{"tool_calls": [{"name": "get_weather", "arguments": {"city": "Turin"}}]}]},
        {"answers": [{"text": "Sunny."}]},
    ]}  # fmt: skip
    with client_of(scripted(script)) as scripted_client:
        assert text_of(generate(scripted_client, tools=[get_weather])) == "Sunny."
    assert called == ["Turin"]


def test_a_schema_in_googles_words_is_met(client: genai.Client) -> None:
    schema = {"type": "OBJECT", "properties": {"n": {"type": "INTEGER"}}, "required": ["n"]}
    found = generate(client, response_mime_type="application/json", response_schema=schema)
    assert isinstance(json.loads(text_of(found))["n"], int)
    calling = {"function_calling_config": {"mode": "ANY"}}
    (part,) = parts_of(generate(client, tools=[{"function_declarations": [WEATHER]}], tool_config=calling))
    assert isinstance(part.function_call.args["city"], str)


def test_configuration_that_gemini_alone_knows_goes_to_it() -> None:
    config = {"media_resolution": "MEDIA_RESOLUTION_LOW", "thinkingConfig": {"includeThoughts": True}, "topK": 4}
    inputs = Asked("m", {"contents": "Hi.", "generationConfig": config, "labels": {"a": "b"}}).inputs
    told = {"mediaResolution": "MEDIA_RESOLUTION_LOW", "thinkingConfig": {"includeThoughts": True}}
    assert (inputs["extra_body"], inputs["top_k"]) == ({"labels": {"a": "b"}, "generationConfig": told}, 4)
    assert "thinking" not in inputs


def test_a_picture_in_the_result_of_a_function_is_part_of_what_is_asked(instance: Instance) -> None:
    def answer(**more: Any) -> Any:
        call = {"role": "model", "parts": [{"functionCall": {"name": "look", "args": {}}}]}
        result = {"role": "user", "parts": [{"functionResponse": {"name": "look", "response": {"sky": "sun"}, **more}}]}
        return post(instance, {"contents": [{"parts": [{"text": "x"}]}, call, result]}).document["candidates"]

    pictures = [[{"inlineData": {"mimeType": "image/png", "data": data}}] for data in ("iVBORw0KGgo=", "iVBORw0KGgoA")]
    answers = [answer(), *(answer(parts=parts) for parts in pictures)]
    assert [each in answers[:at] for at, each in enumerate(answers)] == [False] * 3


PICTURE = {"mimeType": "image/png", "data": "iVBORw0KGgo="}


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ({"text": "z"}, ".text"),
        ({"functionCall": {"name": "x"}}, ".functionCall"),
        ({}, ""),
        ({"inlineData": PICTURE, "text": "z"}, ".text"),
        ({"inlineData": PICTURE, "videoMetadata": {}}, ".videoMetadata"),
        ({"inlineData": {**PICTURE, "displayName": "a.png"}}, ".inlineData.displayName"),
        ({"file_data": {"file_uri": "https://a/b.pdf", "display_name": "b.pdf"}}, ".fileData.displayName"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_result_of_a_function_has_no_parts_but_files(instance: Instance, part: Any, named: str) -> None:
    result = {"functionResponse": {"name": "look", "response": {"sky": "sun"}, "parts": [part]}}
    call = {"role": "model", "parts": [{"functionCall": {"name": "look", "args": {}}}]}
    answer = post(instance, {"contents": [{"parts": [{"text": "x"}]}, call, {"role": "user", "parts": [result]}]})
    assert answer.status == 400
    assert f"$.contents[2].parts[0].functionResponse.parts[0]{named}: " in error_of(answer)["message"]


def test_a_part_is_a_text_or_a_file_and_never_both(instance: Instance) -> None:
    answer = post(instance, {"contents": [{"parts": [{"text": "x", "inlineData": PICTURE}]}]})
    assert (answer.status, "got text and inlineData" in error_of(answer)["message"]) == (400, True)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"toolConfig": {"retrievalConfig": {"languageCode": "en"}}}, "$.toolConfig.retrievalConfig"),
        (
            {"contents": [{"parts": [{"text": "x", "videoMetadata": {"fps": 1}}]}]},
            "$.contents[0].parts[0].videoMetadata",
        ),
    ],
    ids=["tools", "part"],
)
def test_nothing_that_no_provider_takes_is_passed_over(instance: Instance, change: Any, named: str) -> None:
    error = error_of(post(instance, {**ASK, **change}))
    assert (error["code"], named in error["message"]) == (400, True)


def test_no_stop_sequences_are_none(instance: Instance) -> None:
    assert post(instance, {**ASK, "generationConfig": {"stopSequences": []}}).body == post(instance).body


def test_of_several_functions_those_that_are_allowed_are_left() -> None:
    tools = [{"function_declarations": [{**WEATHER, "name": name} for name in ("first", "second", "third")]}]
    with client_of(scripted({"tools": "each"})) as client:
        for mode in ("ANY", "VALIDATED"):
            calling = {"function_calling_config": {"mode": mode, "allowed_function_names": ["second", "third"]}}
            (part,) = parts_of(generate(client, tools=tools, tool_config=calling))
            assert part.function_call.name == "second", mode


def test_tokens_are_counted_and_texts_embedded(client: genai.Client) -> None:
    count = client.models.count_tokens(model=MODEL, contents="Say hello.").total_tokens
    assert count == generate(client)[0].usage_metadata.prompt_token_count
    found = client.models.embed_content(
        model="gemini-embedding-001", contents=["a", "b"], config={"output_dimensionality": 8}
    )
    assert [len(each.values or ()) for each in found.embeddings or ()] == [8, 8]


def test_models_are_listed_and_shown(client: genai.Client, instance: Instance) -> None:
    assert [model.name for model in client.models.list()] == ["models/openai/gpt-4o-mini"]
    assert client.models.get(model=MODEL).name == f"models/{MODEL}"
    assert "models" in post(instance, None, "/v1/models", "GET").document


def test_a_key_may_stand_in_the_query(instance: Instance) -> None:
    path = f"/v1beta/models/{MODEL}:generateContent?key="
    assert instance.ask(path + TOKEN, ASK).status == 200
    assert instance.ask(path + "other", ASK).status == 401


def test_a_stream_is_events_or_one_array(instance: Instance) -> None:
    events = post(instance, what=f"/v1beta/models/{MODEL}:streamGenerateContent?alt=sse")
    assert events.headers["content-type"].startswith("text/event-stream")
    told = [json.loads(event.removeprefix("data: ")) for event in events.body.decode().strip().split("\r\n\r\n")]
    array = post(instance, what="streamGenerateContent")
    assert array.headers["content-type"] == "application/json"
    assert array.document == told


@streamed_or_not
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"content": []}, "unknown key 'content', did you mean 'contents'?"),
        ({"contents": None}, "'contents' is missing"),
        ({"contents": [{"role": "usr", "parts": []}]}, "$.contents[0].role"),
        ({"contents": [{"parts": [{"executableCode": {}}]}]}, "$.contents[0].parts[0]"),
        ({"generationConfig": {"temperature": 9}}, "$.generationConfig.temperature"),
        ({"generationConfig": {"temperatur": 1}}, "did you mean 'temperature'?"),
        ({"generationConfig": {"responseLogprobs": True}}, "$.generationConfig.responseLogprobs"),
        ({"tools": [{"googleSearch": {}}]}, "$.tools[0].googleSearch"),
        ({"generationConfig": {"thinkingConfig": {"thinkingBudge": 1}}}, "did you mean 'thinkingBudget'?"),
        ({"generationConfig": {"thinkingConfig": {"temperature": 1}}}, "$.generationConfig.thinkingConfig: unknown"),
        ({"generationConfig": {"thinkingConfig": {"includeThoughts": "yes"}}}, "expected true or false"),
        ({"generationConfig": {"thinkingConfig": {"thinkingBudget": -2}}}, "expected an integer of at least -1"),
        ({"generationConfig": {"thinkingConfig": {"thinkingLevel": "MUCH"}}}, "expected MINIMAL or LOW or"),
        ({"toolConfig": {"functionCallingConfig": {"mode": "SOME"}}}, "functionCallingConfig.mode"),
        (
            {"toolConfig": {"functionCallingConfig": {"allowedFunctions": ["f"]}}},
            "unknown key 'allowedFunctions', did you mean 'allowedFunctionNames'?",
        ),
        (
            {"tools": [{"functionDeclarations": [{"name": "f", "parameter": {}}]}]},
            "$.tools[0].functionDeclarations[0]: unknown key 'parameter', did you mean 'parameters'?",
        ),
        (
            {"toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["a", "b"]}}},
            "expected names of declared functions",
        ),
    ],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else "",
)
def test_a_bad_request_is_a_400_in_the_words_of_the_request(
    instance: Instance, change: dict[str, Any], said: str, streamed: bool
) -> None:
    what = "streamGenerateContent" if streamed else "generateContent"
    answer = post(instance, {**ASK, **change}, what)
    assert (answer.status, error_of(answer)["status"]) == (400, "INVALID_ARGUMENT")
    assert said in error_of(answer)["message"]


def test_other_refusals_have_googles_shape_too(instance: Instance) -> None:
    assert error_of(post(instance, b"{"))["status"] == "INVALID_ARGUMENT"
    assert error_of(post(instance, x_goog_api_key="other"))["status"] == "UNAUTHENTICATED"
    unknown = error_of(post(instance, what="/v1beta/nothing"))
    assert unknown["status"] == "NOT_FOUND" and "generateContent (Gemini)" in unknown["message"]


def test_a_failure_in_the_middle_is_what_the_client_raises() -> None:
    with client_of(scripted(MIDWAY)) as client:
        came: list[str] = []
        with pytest.raises(errors.ServerError) as broken:
            for answer in client.models.generate_content_stream(model=MODEL, contents="x"):
                came.append(answer.text or "")
        assert (came, broken.value.code) == (["one "], 503)
