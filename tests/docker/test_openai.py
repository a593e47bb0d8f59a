"""The wires of a container, through unmodified clients: the answers of a run, and the bytes of a process."""

from __future__ import annotations

from typing import Any

import openai

from tests.conftest import REF, Cli
from tests.wires.everywhere import check_every_wire

ASK: list[Any] = [{"role": "user", "content": "Say hello."}]


def everything(cli: Cli, runtime: str) -> list[bytes]:
    """The answers of an instance in a runtime, as they came."""
    assert cli("local", "start", "--ref", REF, "--runtime", runtime).status == 0
    variables = cli("local", "env", "--ref", REF, "--runtime", runtime, "--json").document["variables"]
    with openai.OpenAI(base_url=variables["OPENAI_BASE_URL"], api_key=variables["OPENAI_API_KEY"]) as client:
        chat, responses = client.chat.completions.with_raw_response, client.responses.with_raw_response
        return [
            chat.create(model="gpt-4o-mini", messages=ASK).content,
            chat.create(model="gpt-4o-mini", messages=ASK, stream=True).http_response.read(),
            responses.create(model="gpt-4o-mini", input="Say hello.").content,
            responses.create(model="gpt-4o-mini", input="Say hello.", stream=True).http_response.read(),
            client.embeddings.with_raw_response.create(model="text-embedding-3-small", input="a dog ran").content,
            client.models.with_raw_response.list().content,
        ]


def test_a_container_answers_openais_client_with_the_bytes_of_a_process(cli: Cli) -> None:
    assert everything(cli, "docker") == everything(cli, "process")


def test_a_container_has_the_answers_of_local_run_on_every_wire(cli: Cli) -> None:
    assert cli("local", "start", "--ref", REF, "--runtime", "docker").status == 0
    check_every_wire(cli("local", "env", "--ref", REF, "--json").document["variables"])
