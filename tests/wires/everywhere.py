"""Forty requests on each wire of one instance, wherever it runs, and what clients ask beside chats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.wires import test_anthropic_sameness as on_anthropics
from tests.wires import test_gemini_sameness as on_geminis
from tests.wires import test_ollama_sameness as on_ollamas
from tests.wires import test_openai_sameness as on_openais
from tests.wires import test_prompts_sameness as on_prompts
from tests.wires import test_responses_sameness as on_responses
from tests.wires.asked import user
from theoryctl_providers import run
from theoryctl_providers.mock.embeddings import embed

#: Of each wire: what makes a client of an address and a token, and what sends the requests and compares.
_WIRES: Mapping[str, tuple[Callable[[str, str], Any], Callable[[Any, bool], None]]] = {
    "OpenAI": (on_openais.client_of, on_openais.check),
    "OpenAI's Responses": (on_openais.client_of, on_responses.check),
    "OpenAI's older completions": (on_openais.client_of, on_prompts.check_completions),
    "Azure": (on_openais.at_azures_paths, on_openais.check),
    "Azure's Responses": (on_openais.at_azures_paths, on_responses.check),
    "Azure's older completions": (on_openais.at_azures_paths, on_prompts.check_completions),
    "Anthropic": (on_anthropics.client_of, on_anthropics.check),
    "Ollama": (on_ollamas.client_of, on_ollamas.check),
    "Ollama's generate": (on_ollamas.client_of, on_prompts.check_generate),
    "Gemini": (on_geminis.client_of, on_geminis.check),
}


def check_every_wire(variables: Mapping[str, str]) -> None:
    """Hold that all requests have the answers of a run, whole and streamed, at what `local env` leads to.

    So do vectors and counts of tokens on the wires that have them.
    """
    for make, check in _WIRES.values():
        with make(variables["ANTHROPIC_BASE_URL"], variables["ANTHROPIC_API_KEY"]) as client:
            for streamed in (False, True):
                check(client, streamed)
    _check_paths_beside_chats(variables)


#: What is asked beside chats.
_TEXTS = ("a dog ran", "日本語 🙂")
_PROMPT = "Say hello."


def _check_paths_beside_chats(variables: Mapping[str, str]) -> None:
    url, token = variables["ANTHROPIC_BASE_URL"], variables["ANTHROPIC_API_KEY"]
    with (
        on_openais.client_of(url, token) as openais,
        on_openais.at_azures_paths(url, token) as azures,
        on_anthropics.client_of(url, token) as anthropics,
        on_ollamas.client_of(url, token) as ollamas,
        on_geminis.client_of(url, token) as geminis,
    ):
        _check_vectors(openais, azures, ollamas, geminis)
        _check_counts(openais, anthropics, geminis)


def _check_vectors(openais: Any, azures: Any, ollamas: Any, geminis: Any) -> None:
    expected = [embed(text, 8) for text in _TEXTS]
    asked: dict[str, Any] = {"model": "a-model", "input": list(_TEXTS), "dimensions": 8}
    for client in (openais, azures):
        found = client.embeddings.create(**asked, encoding_format="float").data
        assert [each.embedding for each in found] == expected
    assert [list(vector) for vector in ollamas.embed(**asked).embeddings] == expected
    sized = {"output_dimensionality": 8}
    found = geminis.models.embed_content(model="a-model", contents=list(_TEXTS), config=sized).embeddings
    assert [each.values for each in found] == expected


def _check_counts(openais: Any, anthropics: Any, geminis: Any) -> None:
    messages = [user(_PROMPT)]
    expected = run({"messages": messages}, provider="litellm", mode="mock")["usage"]["input_tokens"]
    assert openais.responses.input_tokens.count(model="a-model", input=messages).input_tokens == expected
    assert anthropics.messages.count_tokens(model="a-model", messages=messages).input_tokens == expected
    assert geminis.models.count_tokens(model="a-model", contents=_PROMPT).total_tokens == expected
