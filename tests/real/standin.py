"""A stand-in for a vendor: it answers any request with what a test has it say, in the vendor's dialect."""

from __future__ import annotations

import json
import re
from typing import Any

from werkzeug import Request, Response

from tests.real.bedrock import Bedrock
from tests.real.said import Anthropic, Cohere, Dialect, Gemini, Ollama, OpenAI, Said, VertexAI

_DIALECTS: dict[str, Dialect] = {
    "anthropic": Anthropic(),
    "azure": OpenAI(key=("api-key",)),
    "bedrock": Bedrock(),
    "cohere": Cohere(),
    "gemini": Gemini(),
    "groq": OpenAI("reasoning"),  # console.groq.com/docs/reasoning
    "mistral": OpenAI(in_parts=True),
    "ollama": Ollama(),
    "openrouter": OpenAI("reasoning"),  # openrouter.ai/docs/use-cases/reasoning-tokens
    "vertex_ai": VertexAI(),
    "together_ai": OpenAI("reasoning"),  # docs.together.ai/docs/reasoning
}


def dialect_of(vendor: str) -> Dialect:
    """The dialect of a vendor; most speak OpenAI's."""
    return _DIALECTS.get(vendor, OpenAI())


def respond(dialect: Dialect, said: Said | None, request: Request) -> Response:
    """Answer a request as a vendor does, streamed where that is asked for; None: refuse the key."""
    if said is None:
        key = next((request.headers.get(name, "") for name in dialect.key if name in request.headers), "")
        message = json.dumps(dialect.error(f"Incorrect API key provided: {key}."))
        return Response(message, 401, content_type="application/json")
    forced = asked_for(request).get("toolConfig", {}).get("toolChoice", {}).get("tool")
    if forced:  # how LiteLLM has a model of Bedrock's answer in a shape
        said = Said(calls=[(forced["name"], json.loads("".join(said.text)))])
    if not is_streamed(request):
        return Response(json.dumps(dialect.whole(said)), content_type="application/json")
    kinds = {Bedrock: "application/vnd.amazon.eventstream", Ollama: "application/x-ndjson"}
    return Response(dialect.streamed(said), content_type=kinds.get(type(dialect), "text/event-stream"))


def is_streamed(request: Request) -> bool:
    """Tell by the path where Google and AWS are asked for a stream, by the body elsewhere."""
    return bool(re.search("streamGenerateContent|converse-stream", request.path)) or bool(
        asked_for(request).get("stream")
    )


def asked_for(request: Request) -> dict[str, Any]:
    found = json.loads(request.get_data(as_text=True))
    assert isinstance(found, dict)
    return found
