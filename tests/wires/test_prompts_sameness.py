"""The same answer to a prompt by the completions of OpenAI and Azure and by Ollama's generate as by `local run`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ollama
import openai
import pytest

from tests.providers.started import TOKEN
from tests.wires import test_ollama_sameness as on_ollamas
from tests.wires.asked import TEXTS, Said, by_local_run, check_same, user
from tests.wires.conftest import Instance
from tests.wires.test_openai_sameness import at_azures_paths, client_of

MODEL = "a-model-of-today"

#: Parameters that both APIs have, and Ollama's words for them where they are others.
_ASKED: tuple[dict[str, Any], ...] = (
    {"max_tokens": 300},
    {"max_tokens": 2},
    {"temperature": 0.5, "top_p": 0.25, "stop": ["answer"]},
    {"seed": 7, "presence_penalty": 0.5, "frequency_penalty": -0.5},
)
_OLLAMAS = {"max_tokens": "num_predict"}

#: Ollama takes an empty prompt for the wish to load a model.
REQUESTS = [(text, asked) for text in TEXTS if text for asked in _ASKED]


def of_run(vendor: str, prompt: str, asked: dict[str, Any]) -> dict[str, Any]:
    return by_local_run({**asked, "model": f"{vendor}/{MODEL}", "messages": [user(prompt)]})


def complete(client: openai.OpenAI, prompt: str, asked: dict[str, Any], streamed: bool) -> Said:
    told: Any = client.completions.create(model=MODEL, prompt=prompt, **asked, stream=streamed)
    choices = [chunk.choices[0] for chunk in told] if streamed else told.choices
    return Said("".join(choice.text for choice in choices), cut=choices[-1].finish_reason == "length")


def generate(client: ollama.Client, prompt: str, asked: dict[str, Any], streamed: bool) -> Said:
    told: dict[str, Any] = {"model": MODEL, "prompt": prompt}
    told["options"] = {_OLLAMAS.get(name, name): value for name, value in asked.items()}
    pieces = list(client.generate(**told, stream=True)) if streamed else [client.generate(**told)]
    return Said("".join(piece.response or "" for piece in pieces), cut=pieces[-1].done_reason == "length")


def check_completions(client: openai.OpenAI, streamed: bool) -> None:
    """Hold that all prompts have the answers of a run."""
    vendor = "azure" if isinstance(client, openai.AzureOpenAI) else "openai"
    for prompt, asked in REQUESTS:
        check_same(complete(client, prompt, asked, streamed), of_run(vendor, prompt, asked))


def check_generate(client: ollama.Client, streamed: bool) -> None:
    """Hold that all prompts have the answers of a run."""
    for prompt, asked in REQUESTS:
        check_same(generate(client, prompt, asked, streamed), of_run("ollama", prompt, asked))


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("make", "check"),
    [(client_of, check_completions), (at_azures_paths, check_completions), (on_ollamas.client_of, check_generate)],
    ids=["OpenAI", "Azure", "Ollama"],
)
def test_forty_prompts_have_the_answers_of_local_run(
    instance: Instance, make: Callable[[str, str], Any], check: Callable[[Any, bool], None], streamed: bool
) -> None:
    assert len(REQUESTS) >= 40
    with make(instance.url, TOKEN) as client:
        check(client, streamed)
