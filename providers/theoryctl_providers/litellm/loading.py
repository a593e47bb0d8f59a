"""LiteLLM imported once, quietly, offline and as fast as it goes."""

from __future__ import annotations

import gc
import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

from theoryctl_providers.contract import ProviderError, install_command
from theoryctl_providers.contract.compromised import is_compromised
from theoryctl_providers.litellm.late import run_late, taken_late
from theoryctl_providers.litellm.tokenizer import unread

_loading = Lock()


def import_litellm() -> Any:
    """Import LiteLLM, set up so that it neither fetches, reads `.env` files nor prints; once, from whatever thread.

    Raises ProviderError `ERR_PROVIDER` where it is not installed, or is a release that was compromised.
    """
    with _loading:
        return _set_up()


@cache
def _set_up() -> Any:
    # Both are read at import: without the first it fetches a price list from the network, without the second it loads
    # the .env files of this folder and its parents.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    # Later too it would fetch lists and tokenizers: the first call of Anthropic asks GitHub for one.
    os.environ["LITELLM_OFFLINE_MODE"] = "True"
    os.environ["LITELLM_MODE"] = "PRODUCTION"
    _refuse_compromised()
    litellm = _import_without_gc()
    litellm.suppress_debug_info = True
    litellm.telemetry = False
    # It would cut a list of stop sequences to four, whoever the vendor is (utils.py, validate_openai_optional_params).
    litellm.disable_stop_sequence_limit = True
    from theoryctl_providers.litellm.connections import keep_few
    from theoryctl_providers.litellm.lines import read_events
    from theoryctl_providers.litellm.listening import listen
    from theoryctl_providers.litellm.predictions import look_after_predictions
    from theoryctl_providers.litellm.untranslated import amend

    _send_once()
    _price_nothing()
    _count_no_tokens()
    _ask_no_ollama()
    _look_for_no_files()
    _read_events_of_cohere()
    _bear_odd_counts()
    look_after_predictions()
    read_events()
    amend()
    listen()
    keep_few()
    _ask_no_proxy(litellm)
    # Its debug lines hold whole requests. Warnings too: what matters of them is in the exception.
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # It makes a call's coroutine in a thread, and leaves it where the time is over before it is awaited.
    warnings.filterwarnings("ignore", r"coroutine '\w+\.a\w*(completion|embedding)", RuntimeWarning)
    return litellm


def _send_once() -> None:
    """Keep LiteLLM and OpenAI's client from asking again by themselves: we count attempts, and each may be billed.

    LiteLLM sends a POST again after a reset; for some vendors (ai21, deepinfra) it drops the argument `max_retries`.
    """
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler
    from openai._models import FinalRequestOptions

    from theoryctl_providers.litellm.transport import is_heard

    most = FinalRequestOptions.get_max_retries

    async def raise_again(*_: Any, **__: Any) -> Any:
        raise  # called while LiteLLM handles the failure of the first sending

    def get_max_retries(self: Any, max_retries: int) -> int:
        return 0 if is_heard() else most(self, max_retries)

    AsyncHTTPHandler.single_connection_post_request = raise_again
    FinalRequestOptions.get_max_retries = get_max_retries


def _price_nothing() -> None:
    """Keep LiteLLM from pricing a call of ours, a tenth of its CPU time: `usage` does, where the vendor said tokens."""
    from litellm.litellm_core_utils.litellm_logging import Logging

    from theoryctl_providers.litellm.transport import is_heard

    price = Logging.response_cost_calculator

    def priced(self: Any, *arguments: Any, **options: Any) -> Any:
        return None if is_heard() else price(self, *arguments, **options)

    Logging.response_cost_calculator = priced


class _Encoding:
    """The encoding of tokens that LiteLLM hands to each vendor's code, read when somebody counts with it.

    Nearly nobody does, and reading it takes 0.2 s, in which no other thread runs, and sets a variable of the
    environment.
    """

    def __getattr__(self, name: str) -> Any:
        from litellm.litellm_core_utils.default_encoding import encoding

        return getattr(encoding, name)


def _count_no_tokens() -> None:
    """Keep LiteLLM from counting tokens for a call of ours: usage is the vendor's, or unknown.

    It counts the prompt of each answer of Ollama's, in the event loop, and needs the number where Ollama said none.
    """
    from litellm import main
    from litellm.litellm_core_utils import token_counter

    from theoryctl_providers.litellm.transport import is_heard

    count = token_counter.token_counter

    def counted(*arguments: Any, **options: Any) -> Any:
        return 0 if is_heard() else count(*arguments, **options)

    token_counter.token_counter = counted
    main.encoding = _Encoding()


def _ask_no_ollama() -> None:
    """Keep LiteLLM from asking Ollama's server, in the event loop, what the model is: all of them are free."""
    from litellm.llms.ollama.common_utils import OllamaModelInfo

    free = {"input_cost_per_token": 0.0, "output_cost_per_token": 0.0, "supports_function_calling": True}
    unknown = {"max_tokens": None, "max_input_tokens": None, "max_output_tokens": None}

    def get_model_info(_: Any, model: str, **__: Any) -> dict[str, Any]:
        return {"key": model, "litellm_provider": "ollama_chat", "mode": "chat", **free, **unknown}

    OllamaModelInfo.get_model_info = get_model_info


def _look_for_no_files() -> None:
    """Keep LiteLLM from looking in messages for files of its proxy, for which it loads the proxy's types: 6 MiB."""
    from litellm import main

    from theoryctl_providers.litellm.transport import is_heard

    look = main.update_messages_with_model_file_ids

    def updated(messages: Any, *arguments: Any, **options: Any) -> Any:
        return messages if is_heard() else look(messages, *arguments, **options)

    main.update_messages_with_model_file_ids = updated


def _read_events_of_cohere() -> None:
    """Have LiteLLM read Cohere's streams as they are documented (docs.cohere.com/v2/reference/chat-stream).

    It reads lines of bare JSON, and looks for the finish reason and the usage in `data` of an `event`.
    """
    from litellm.llms.cohere.common_utils import CohereV2ModelResponseIterator

    from theoryctl_providers.litellm.untranslated import amended

    def convert(self: Any, chunk: str | bytes) -> Any:
        line = (chunk.decode() if isinstance(chunk, bytes) else chunk).strip().removeprefix("data:").strip()
        document = amended(json.loads(line)) if line.startswith("{") else {}
        return self.chunk_parser({"event": document.get("type", ""), "data": document, **document})

    CohereV2ModelResponseIterator.convert_str_chunk_to_generic_chunk = convert


def _bear_odd_counts() -> None:
    """Have LiteLLM read an answer of Anthropic's or Gemini's whose counts are no integers: it has been paid for."""
    from litellm.llms.anthropic.chat.transformation import AnthropicConfig
    from litellm.llms.vertex_ai.gemini.vertex_and_google_ai_studio_gemini import VertexGeminiConfig

    from theoryctl_providers.litellm.usage import in_integers

    of_anthropic, of_gemini = AnthropicConfig.calculate_usage, VertexGeminiConfig._calculate_usage

    def calculate_usage(self: Any, usage_object: Any, *arguments: Any, **options: Any) -> Any:
        return of_anthropic(self, in_integers(usage_object), *arguments, **options)

    def _calculate_usage(completion_response: Any, *arguments: Any, **options: Any) -> Any:
        usage = in_integers(completion_response["usageMetadata"])
        return of_gemini({**completion_response, "usageMetadata": usage}, *arguments, **options)

    AnthropicConfig.calculate_usage = calculate_usage
    VertexGeminiConfig._calculate_usage = staticmethod(_calculate_usage)


def _ask_no_proxy(litellm: Any) -> None:
    """Keep USE_LITELLM_PROXY from sending every vendor's key to another address; litellm_proxy/ models name it."""
    litellm.LiteLLMProxyChatConfig.should_use_litellm_proxy_by_default = staticmethod(lambda litellm_params=None: False)


def _refuse_compromised() -> None:
    """Checked from the metadata, before a line of it runs."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version("litellm")
    except PackageNotFoundError:
        raise ProviderError(
            "ERR_PROVIDER",
            "real mode needs LiteLLM, which is not installed here",
            hint=install_command("litellm"),
        ) from None
    if is_compromised("litellm", found):
        raise ProviderError(
            "ERR_PROVIDER",
            f"litellm {found} is a compromised release and was not loaded",
            hint="install another release of litellm, and replace every key this machine has held",
        )


@contextmanager
def _no_command_line() -> Iterator[None]:
    """Have httpx, where it is imported meanwhile, be as without its extra `cli`, for which it loads Rich: 4 MiB."""
    if "httpx" in sys.modules:
        yield
        return
    sys.modules["httpx._main"] = None  # type: ignore[assignment]  # its import fails
    try:
        yield
    finally:
        del sys.modules["httpx._main"]


def _import_without_gc() -> Any:
    """The import allocates so much that collecting during it costs a third of its time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        # 660 modules of types of OpenAI's API that no call uses: 17 MiB, and a fifth of the time.
        # What signs requests to Oracle's cloud: 8 MiB.
        oracle = run_late("cryptography.hazmat.primitives")
        with taken_late("openai.types"), oracle, _no_command_line(), unread():
            import litellm

        gc.freeze()
        return litellm
    except ImportError as error:
        raise ProviderError(
            "ERR_PROVIDER", f"LiteLLM cannot be imported: {error}", hint=install_command("litellm")
        ) from error
    finally:
        if enabled:
            gc.enable()
