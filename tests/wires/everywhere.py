"""Forty requests on each wire of one instance, wherever it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.wires import test_anthropic_sameness as on_anthropics
from tests.wires import test_gemini_sameness as on_geminis
from tests.wires import test_ollama_sameness as on_ollamas
from tests.wires import test_openai_sameness as on_openais
from tests.wires import test_responses_sameness as on_responses

#: Of each wire: what makes a client of an address and a token, and what sends the requests and compares.
_WIRES: Mapping[str, tuple[Callable[[str, str], Any], Callable[[Any, bool], None]]] = {
    "OpenAI": (on_openais.client_of, on_openais.check),
    "OpenAI's Responses": (on_openais.client_of, on_responses.check),
    "Azure": (on_openais.at_azures_paths, on_openais.check),
    "Anthropic": (on_anthropics.client_of, on_anthropics.check),
    "Ollama": (on_ollamas.client_of, on_ollamas.check),
    "Gemini": (on_geminis.client_of, on_geminis.check),
}


def check_every_wire(variables: Mapping[str, str]) -> None:
    """Hold that all requests have the answers of a run, whole and streamed, at what `local env` leads to."""
    for make, check in _WIRES.values():
        with make(variables["ANTHROPIC_BASE_URL"], variables["ANTHROPIC_API_KEY"]) as client:
            for streamed in (False, True):
                check(client, streamed)
