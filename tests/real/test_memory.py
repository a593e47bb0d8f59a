"""Nothing of a call stays in memory: not in this process, not in a server after many requests."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.bench.grow import grown
from tests.bench.vendor import vendor
from tests.real.conftest import LITELLM_WARNINGS
from tests.real.server import Behaviour
from tests.real.test_side_by_side import INPUTS, told
from tests.real.vendor import Vendor, answers, says
from theoryctl_providers import get_llm_provider, run, stream

#: An answer as OpenAI gives it to somebody who does not ask for a stream.
WHOLE = {
    "object": "chat.completion",
    "model": "gpt-4o-mini",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


def streamed(**options: Any) -> None:
    for _ in stream(INPUTS, **options):
        pass


def whole(**options: Any) -> None:
    run(INPUTS, **options)


@LITELLM_WARNINGS
@pytest.mark.usefixtures("litellm", "only_loopback", "foreign_variables")
@pytest.mark.parametrize(("ask", "behaviour"), [(whole, says(WHOLE)), (streamed, answers())], ids=["run", "stream"])
def test_a_response_that_was_read_needs_no_garbage_collector(ask: Callable[..., None], behaviour: Behaviour) -> None:
    def held() -> int:
        """Responses of aiohttp, through which LiteLLM asks: each holds buffers and, until it is closed, a socket."""
        return sum(type(item).__name__ == "ClientResponse" for item in gc.get_objects())

    with Vendor(behaviour) as answering:
        ask(**told(answering))
        gc.collect()
        before = held()
        gc.disable()
        try:
            for _ in range(20):
                ask(**told(answering))
            assert held() <= before + 2
        finally:
            gc.enable()


@pytest.mark.usefixtures("litellm")
def test_a_provider_is_prepared_once() -> None:
    provider = get_llm_provider("litellm")
    provider.prepare("real")
    frozen = gc.get_freeze_count()
    for _ in range(3):
        provider.prepare("real")
    assert gc.get_freeze_count() <= frozen


#: Asks twice, and prints what LiteLLM has loaded for nothing, then what a later reader of it finds.
LEAN = """
import json, sys
from importlib.resources import files
from theoryctl_providers import run

for _ in range(2):
    assert run(**json.loads(sys.argv[1]))["status"] == "success"
from litellm import utils
print("litellm.proxy._types" in sys.modules, vars(utils).keys() & {"claude_json_str", "json_data"})
read = files("litellm.litellm_core_utils.tokenizers").joinpath("anthropic_tokenizer.json").read_text("utf-8")
print(json.loads(utils.claude_json_str) == utils.json_data == json.loads(read), len(utils.json_data) > 1)
"""


def test_what_litellm_reads_for_others_is_not_held_and_is_there_when_they_ask() -> None:
    with Vendor(says(WHOLE)) as answering:
        call = json.dumps({"inputs": INPUTS, **told(answering)})
        command = [sys.executable, "-W", "ignore", "-c", LEAN, call]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["False set()", "True True"], done.stderr


def test_a_mock_server_does_not_grow_with_the_requests_it_has_had() -> None:
    # It has its full size after the second thousand: 0.8 MiB more after 8,000, for the journal's texts come and go.
    assert grown(None, 2_000, 1_500) < 1.0


@pytest.mark.slow("providers/theoryctl_providers/*", "pyproject.toml", "requirements-dev.lock")
def test_a_server_that_asks_a_vendor_does_not_grow_with_the_requests_it_has_had() -> None:
    with vendor() as secrets:
        # 0.3 to 1.6 MiB were measured; it would be 7.6, did each request leave the 26 KiB that one once left.
        assert grown(secrets, 600, 300) < 4.0
