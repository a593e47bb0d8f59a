"""All that a script can say, on every wire and by that vendor's own client; and the header that calls each tool."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import ollama
import openai
import pytest
from google import genai

from tests.providers.started import TOKEN, serving
from tests.wires.conftest import Instance, scripted

TOKENS = [{"token": "It", "logprob": -0.5, "bytes": [73, 116], "top_logprobs": [{"token": "He", "logprob": -1.5}]}]
SAYS = {
    "text": "It is sunny.",
    "reasoning": "Look outside.",
    "annotations": [{"url": "https://example.com/a", "title": "A", "start_index": 3, "end_index": 5}],
    "logprobs": {"content": TOKENS},
    "usage": {
        "input_tokens": 20,
        "output_tokens": 9,
        "cached_input_tokens": 12,
        "cache_write_tokens": 5,
        "reasoning_tokens": 4,
    },
}
#: What one script answers to whoever says so.
SCRIPT = {
    "rules": [
        {"when": {"user": {"equals": "refuse"}}, "answers": [{"refusal": "I cannot help."}]},
        {"answers": [SAYS]},
    ]
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(scripted(SCRIPT)) as (port, _):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def gemini(url: str) -> Iterator[Any]:
    with genai.Client(api_key=TOKEN, http_options={"base_url": url}) as client:
        yield client.models


def said(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


# -- refusals, reasoning, sources, usage and log probabilities --------------------------------------------------------

streamed_or_not = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


def asked_gemini(url: str, text: str, streamed: bool, **config: Any) -> list[Any]:
    with gemini(url) as models:
        ask = {"model": "gemini-x", "contents": text, "config": config}
        return list(models.generate_content_stream(**ask)) if streamed else [models.generate_content(**ask)]


@streamed_or_not
def test_gemini_has_sources_and_log_probabilities_in_googles_places(url: str, streamed: bool) -> None:
    *_, last = asked_gemini(url, "Hi", streamed, response_logprobs=True, logprobs=1)
    (candidate,) = last.candidates
    grounding = candidate.grounding_metadata
    (chunk,), (support,) = grounding.grounding_chunks, grounding.grounding_supports
    assert (chunk.web.uri, chunk.web.title) == ("https://example.com/a", "A")
    segment = support.segment
    assert (segment.start_index, segment.end_index, segment.text) == (3, 5, "is")
    assert support.grounding_chunk_indices == [0]
    (chosen,), (top,) = candidate.logprobs_result.chosen_candidates, candidate.logprobs_result.top_candidates
    assert (chosen.token, chosen.log_probability) == ("It", -0.5)
    assert [(other.token, other.log_probability) for other in top.candidates] == [("He", -1.5)]
    usage = last.usage_metadata
    assert (usage.cached_content_token_count, usage.thoughts_token_count) == (12, 4)


@streamed_or_not
def test_gemini_ends_a_refusal_for_safety(url: str, streamed: bool) -> None:
    answers = asked_gemini(url, "refuse", streamed)
    assert "".join(answer.text or "" for answer in answers) == "I cannot help."
    assert answers[-1].candidates[0].finish_reason == "SAFETY"


def test_gemini_without_a_script_refuses_log_probabilities_by_its_own_name() -> None:
    body = {"contents": [{"parts": [{"text": "Hi"}]}], "generationConfig": {"responseLogprobs": True}}
    with serving() as (port, _):
        answer = Instance(port).ask("/v1beta/models/gemini-x:generateContent", body, x_goog_api_key=TOKEN)
    assert answer.status == 400
    assert "generationConfig.responseLogprobs" in json.loads(answer.body)["error"]["message"]


@streamed_or_not
def test_older_completions_have_a_refusal_as_their_text(url: str, streamed: bool) -> None:
    with openai.OpenAI(base_url=f"{url}/v1", api_key=TOKEN) as client:
        told: Any = client.completions.create(model="m", prompt=["refuse", "Hi"], stream=streamed)
        choices = [choice for each in (told if streamed else [told]) for choice in each.choices]
    texts = ["".join(choice.text for choice in choices if choice.index == index) for index in (0, 1)]
    assert texts == ["I cannot help.", "It is sunny."]


@streamed_or_not
def test_ollama_has_thinking_log_probabilities_and_refusals(url: str, streamed: bool) -> None:
    client: Any = ollama.Client(host=url, headers={"Authorization": f"Bearer {TOKEN}"})

    def chat(text: str, **more: Any) -> list[Any]:
        answer = client.chat(model="llama-x", messages=said(text), stream=streamed, **more)
        return list(answer) if streamed else [answer]

    answers = chat("Hi", logprobs=True)
    assert "".join(answer.message.thinking or "" for answer in answers) == "Look outside."
    (token,) = answers[-1].logprobs
    assert (token.token, token.logprob) == ("It", -0.5)
    assert (answers[-1].prompt_eval_count, answers[-1].eval_count) == (20, 9)
    assert "".join(answer.message.content or "" for answer in chat("refuse")) == "I cannot help."


@streamed_or_not
def test_anthropic_has_a_refusal_as_its_reason(url: str, streamed: bool) -> None:
    with anthropic.Anthropic(base_url=url, api_key=TOKEN) as client:
        ask: dict[str, Any] = {"model": "claude-x", "max_tokens": 99, "messages": said("refuse")}
        if streamed:
            with client.messages.stream(**ask) as stream:
                message = stream.get_final_message()
        else:
            message = client.messages.create(**ask)
    assert (message.stop_reason, message.content[0].text) == ("refusal", "I cannot help.")  # type: ignore[union-attr]


@streamed_or_not
def test_azure_has_what_openai_has(url: str, streamed: bool) -> None:
    with openai.AzureOpenAI(azure_endpoint=url, api_key=TOKEN, api_version="2024-10-21") as client:
        ask: dict[str, Any] = {"model": "my-deployment", "logprobs": True}
        if streamed:
            with client.chat.completions.stream(messages=said("Hi"), **ask) as stream:
                completion: Any = stream.get_final_completion()
        else:
            completion = client.chat.completions.create(messages=said("Hi"), **ask)
        refused = client.chat.completions.create(model="my-deployment", messages=said("refuse"))
    (choice,) = completion.choices
    assert (choice.message.content, choice.logprobs.content[0].logprob) == ("It is sunny.", -0.5)
    assert refused.choices[0].message.refusal == "I cannot help."


# -- the header X-Theoryctl-Tools -------------------------------------------------------------------------------------

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "get_weather", "description": "The weather.", "parameters": SCHEMA}
ASK = 'The weather in "Forlì"'
CHAT: dict[str, Any] = {"messages": said(ASK), "tools": [{"type": "function", "function": FUNCTION}]}

#: A request of each wire that offers a tool: its path, its body, and the header of its credential.
WIRES: dict[str, tuple[str, dict[str, Any], str]] = {
    "run": ("/v1/run", {"inputs": CHAT}, "Authorization"),
    "chat": ("/v1/chat/completions", {"model": "m", **CHAT}, "Authorization"),
    "responses": (
        "/v1/responses",
        {"model": "m", "input": ASK, "tools": [{"type": "function", **FUNCTION}]},
        "Authorization",
    ),
    "azure": ("/openai/deployments/m/chat/completions?api-version=2024-10-21", CHAT, "api-key"),
    "anthropic": (
        "/v1/messages",
        {
            "model": "m",
            "max_tokens": 99,
            "messages": said(ASK),
            "tools": [{"name": "get_weather", "input_schema": SCHEMA}],
        },
        "x-api-key",
    ),
    "ollama": ("/api/chat", {"model": "m", "stream": False, **CHAT}, "Authorization"),
    "gemini": (
        "/v1beta/models/m:generateContent",
        {"contents": [{"parts": [{"text": ASK}]}], "tools": [{"functionDeclarations": [FUNCTION]}]},
        "x-goog-api-key",
    ),
}


@pytest.fixture(scope="module")
def mock() -> Iterator[Instance]:
    with serving() as (port, _):
        yield Instance(port)


def ask(mock: Instance, wire: str, **headers: str) -> Any:
    path, body, credential = WIRES[wire]
    key = f"Bearer {TOKEN}" if credential == "Authorization" else TOKEN
    return mock.ask(path, body, **{credential: key, "content_type": "application/json", **headers})


@pytest.mark.parametrize("wire", WIRES)
def test_the_header_calls_each_tool_on_every_wire(mock: Instance, wire: str) -> None:
    called = ask(mock, wire, X_Theoryctl_Tools="each").body.decode()
    assert "get_weather" in called and "Forl" in called and "Mock answer" not in called
    assert "Mock answer" in ask(mock, wire).body.decode()
    assert "Mock answer" in ask(mock, wire, X_Theoryctl_Tools="none").body.decode()


@pytest.mark.parametrize("wire", WIRES)
def test_the_header_takes_no_other_word_on_any_wire(mock: Instance, wire: str) -> None:
    answer = ask(mock, wire, X_Theoryctl_Tools="some")
    assert answer.status == 400
    assert "X-Theoryctl-Tools: expected each or none, got 'some'" in answer.body.decode()
