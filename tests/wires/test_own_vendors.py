"""Clients of Azure and Gemini behind a real instance whose vendor is their own: key, address and answer are right."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import openai
import pytest
from google import genai
from pytest_httpserver import HTTPServer
from werkzeug import Request

from tests.providers.started import CONFIG, TOKEN, serving
from tests.real.conftest import CANARY, LITELLM_WARNINGS
from tests.real.said import RECEIVED, SENT, Said
from tests.real.standin import dialect_of, respond
from tests.wires.asked import Said as Heard
from tests.wires.asked import check_same
from theoryctl_providers import Result, run, stream
from theoryctl_providers.contract import ProviderConfig

pytestmark = [LITELLM_WARNINGS, pytest.mark.usefixtures("litellm", "only_loopback")]

ANSWER = Said(text=("Let me ", "look."), calls=[("get_weather", {"city": "Forlì"})])
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL: Any = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
ASK: list[Any] = [{"role": "user", "content": "weather?"}]
DEPLOYMENT = "/openai/deployments/mine/chat/completions"

streamed_or_not = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@dataclass(frozen=True)
class Behind:
    """A vendor with its own key at its own address."""

    name: str
    secrets: dict[str, str]
    server: HTTPServer

    @contextmanager
    def instance(self) -> Iterator[str]:
        """A real instance in front of it."""
        provider = ProviderConfig(provider="litellm", ref="llm/litellm@1", mode="real", secrets=self.secrets)
        with serving(replace(CONFIG, provider=provider)) as (port, _):
            yield f"http://127.0.0.1:{port}"

    def says(self, said: Said | None = ANSWER) -> None:
        """Have the vendor say something; None: refuse the key."""
        dialect = dialect_of(self.name)
        self.server.expect_request(re.compile(".*")).respond_with_handler(
            lambda request: respond(dialect, said, request)
        )

    def asked(self) -> Request:
        """The last request that the vendor got; each has its key in the right place, and no token of an instance."""
        for request, _ in self.server.log:
            assert CANARY in request.headers[dialect_of(self.name).key[0]]
            assert TOKEN not in f"{request.url} {request.headers}"
        return self.server.log[-1][0]

    def check(self, heard: Heard, model: str, streamed: bool) -> None:
        """Compare with the answer of a run, which asks the same vendor for the same."""
        mine = self.asked()
        told: Any = {"provider": "litellm", "mode": "real", "secrets": self.secrets}
        asked = {"model": model, "messages": ASK, "tools": [TOOL]}
        if streamed:
            *_, last = stream(asked, **told)
            assert isinstance(last, Result)
            envelope = last.envelope
        else:
            envelope = run(asked, **told)
        check_same(heard, {output["name"]: output for output in envelope["outputs"]})
        theirs = self.asked()
        assert (mine.path, json.loads(mine.data)) == (theirs.path, json.loads(theirs.data))


@pytest.fixture
def azure(httpserver: HTTPServer) -> Behind:
    address = httpserver.url_for("").rstrip("/")
    told = {"AZURE_API_KEY": CANARY, "AZURE_API_BASE": address, "AZURE_API_VERSION": "2024-10-21"}
    return Behind("azure", told, httpserver)


@pytest.fixture
def gemini(httpserver: HTTPServer) -> Behind:
    told = {"GEMINI_API_KEY": CANARY, "GEMINI_API_BASE": httpserver.url_for("").rstrip("/")}
    return Behind("gemini", told, httpserver)


def _dated(url: str) -> openai.OpenAI:
    return openai.AzureOpenAI(azure_endpoint=url, api_key=TOKEN, api_version="2024-06-01", max_retries=0)


def _newer(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/openai/v1", api_key=TOKEN, max_retries=0)


@streamed_or_not
@pytest.mark.parametrize("client_at", [_dated, _newer])
def test_azures_deployment_is_asked_with_azures_key(
    azure: Behind, client_at: Callable[[str], openai.OpenAI], streamed: bool
) -> None:
    azure.says()
    with azure.instance() as url, client_at(url) as client:
        told: dict[str, Any] = {"model": "mine", "messages": ASK, "tools": [TOOL]}
        if streamed:
            with client.chat.completions.stream(**told) as pieces:
                said: Any = pieces.get_final_completion().choices[0].message
        else:
            said = client.chat.completions.create(**told).choices[0].message
    (call,) = said.tool_calls
    heard = Heard(said.content, [(call.function.name, json.loads(call.function.arguments))])
    assert heard.text == "Let me look."
    # The version is that of the instance's own secrets: the client's says which parameters it would like.
    assert (azure.asked().path, azure.asked().args["api-version"]) == (DEPLOYMENT, "2024-10-21")
    azure.check(heard, "azure/mine", streamed)


@streamed_or_not
def test_gemini_is_asked_with_its_key(gemini: Behind, streamed: bool) -> None:
    gemini.says()
    function = {"name": "get_weather", "parameters_json_schema": SCHEMA}
    config: Any = {"tools": [{"function_declarations": [function]}]}
    with gemini.instance() as url, genai.Client(api_key=TOKEN, http_options={"base_url": url}) as client:
        told: dict[str, Any] = {"model": "gemini-2.5-flash", "contents": "weather?", "config": config}
        models = client.models
        answers: list[Any] = (
            list(models.generate_content_stream(**told)) if streamed else [models.generate_content(**told)]
        )
    parts = [part for answer in answers for part in answer.candidates[0].content.parts]
    calls = [(part.function_call.name, part.function_call.args) for part in parts if part.function_call]
    heard = Heard("".join(part.text or "" for part in parts), calls)
    assert heard.text == "Let me look."
    usage = answers[-1].usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count) == (SENT, RECEIVED)
    ending = "streamGenerateContent" if streamed else "generateContent"
    assert gemini.asked().path == f"/v1beta/models/gemini-2.5-flash:{ending}"
    gemini.check(heard, "gemini/gemini-2.5-flash", streamed)


def test_gemini_gets_what_it_alone_knows_beside_the_rest(gemini: Behind) -> None:
    gemini.says()
    own = {
        "media_resolution": "MEDIA_RESOLUTION_LOW",
        "thinking_config": {"include_thoughts": True, "thinking_budget": -1},
    }
    with gemini.instance() as url, genai.Client(api_key=TOKEN, http_options={"base_url": url}) as client:
        told: Any = {"temperature": 0.5, **own}
        client.models.generate_content(model="gemini-2.5-flash", contents="weather?", config=told)
    thinking = {"includeThoughts": True, "thinkingBudget": -1}
    wanted = {"mediaResolution": "MEDIA_RESOLUTION_LOW", "thinkingConfig": thinking, "temperature": 0.5}
    assert json.loads(gemini.asked().data)["generationConfig"] == wanted


def test_a_key_that_azure_or_gemini_refuses_is_shown_to_nobody(azure: Behind, gemini: Behind) -> None:
    azure.says(None)
    with azure.instance() as url, _dated(url) as client, pytest.raises(openai.APIStatusError) as first:
        client.chat.completions.create(model="mine", messages=ASK)
    azure.server.clear()
    gemini.says(None)
    with (
        gemini.instance() as url,
        genai.Client(api_key=TOKEN, http_options={"base_url": url}) as google,
        pytest.raises(genai.errors.APIError) as second,
    ):
        google.models.generate_content(model="gemini-2.5-flash", contents="x")
    told = f"{first.value} {second.value}"
    assert (CANARY in told, azure.server.log[-1][1].status_code) == (False, 401)
    assert (first.value.response.headers["x-theoryctl-code"], second.value.code) == ("ERR_AUTH", 401)
