"""No input names an address or a credential, whatever the schema lets through, in mock mode and real."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from theoryctl_providers.contract import Envelope, ProviderConfig, Request, Result
from theoryctl_providers.engine.drive import drive
from theoryctl_providers.engine.execute import execute
from theoryctl_providers.inputs.forbidden import is_forbidden
from theoryctl_providers.inputs.validate import chat_schema
from theoryctl_providers.litellm.body import ARGUMENTS
from theoryctl_providers.litellm.loading import import_litellm

ASK: dict[str, Any] = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
NOWHERE = "http://127.0.0.1:1"

#: Names that LiteLLM's code reads and that lead nowhere, or that a vendor's body has.
HARMLESS = frozenset(
    [
        *("base64_string", "continuation_token", "endpointing_config", "gdc_token_caching", "max_completion_tokens"),
        *("max_tokens", "page_token", "prompt_cache_key", "upload_url", "video_base64"),
    ]
)


def answer(inputs: dict[str, Any], mode: str = "mock", provider: str = "litellm") -> Envelope:
    """The envelope of a call with a schema that lets everything through."""
    secrets = {"OPENAI_API_KEY": "sk-canary", "OPENAI_BASE_URL": NOWHERE}
    config = ProviderConfig(provider=provider, secrets=secrets, input_schema={"type": "object"})
    *_, last = drive(execute(Request(config=config, inputs=inputs, mode=mode)))  # type: ignore[arg-type]
    assert isinstance(last, Result)
    return last.envelope


@pytest.mark.parametrize(
    "name",
    [
        *(
            "api_base",
            "base_url",
            "api_key",
            "custom_llm_provider",
            "aws_access_key_id",
            "aws_bedrock_runtime_endpoint",
        ),
        *("vertex_credentials", "vertex_project", "azure_ad_token", "headers", "extra_headers", "fallbacks"),
        *("mock_response", "litellm_credential_name", "model_list", "organization", "ssl_verify", "timeout"),
        *("litellm_params", "_litellm_anything", "input_cost_per_token", "use_litellm_proxy", "num_retries"),
    ],
)
@pytest.mark.parametrize("place", ["inputs", "extra_body"])
def test_a_name_that_steers_the_call_is_refused_in_both_modes_before_it(name: str, place: str) -> None:
    inputs = {**ASK, name: NOWHERE} if place == "inputs" else {**ASK, "extra_body": {name: NOWHERE}}
    for provider, mode in (("litellm", "mock"), ("litellm", "real"), ("mock", "mock")):
        error = answer(inputs, mode, provider)["error"]
        assert error is not None
        assert (error["code"], name in error["message"]) == ("ERR_INPUTS", True)


@pytest.mark.parametrize(
    "inputs",
    [
        {"metadata": {"api_base": NOWHERE}},
        {"messages": [{"role": "user", "content": "hi", "api_base": NOWHERE}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi", "base_url": NOWHERE}]}]},
        {"tools": [{"type": "function", "function": {"name": "x"}, "aws_session_token": "x"}]},
        {"extra_body": {"options": {"api_key": "x"}}},
        {"web_search_options": {"extra_headers": {}}},
        {"model": "huggingface/http://127.0.0.1:1/model"},
    ],
    ids=str,
)
def test_a_credential_or_address_is_refused_at_every_depth(inputs: dict[str, Any]) -> None:
    for mode in ("mock", "real"):
        error = answer({**ASK, **inputs}, mode)["error"]
        assert error is not None and error["code"] == "ERR_INPUTS"


@pytest.mark.parametrize(
    "inputs",
    [
        {"tools": [{"type": "function", "function": {"name": "x", "parameters": {"properties": {"api_key": {}}}}}]},
        {"guided_json": {"properties": {"base_url": {"type": "string"}}}},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a/b.png"}}]}]},
        {"extra_body": {"transforms": ["middle-out"], "safe_prompt": True}},
        {"some_new_parameter": 1},
    ],
    ids=str,
)
def test_schemas_of_the_caller_image_addresses_and_vendors_own_parameters_are_let_through(inputs: Any) -> None:
    assert answer({**ASK, **inputs})["status"] == "success"


def test_no_input_of_ours_is_a_forbidden_one() -> None:
    ours = {*chat_schema()["properties"], *ARGUMENTS}
    assert sorted(filter(is_forbidden, ours)) == []


def test_every_setting_that_the_installed_litellm_knows_is_forbidden() -> None:
    litellm = import_litellm()
    from litellm.types.utils import all_litellm_params

    signatures = {*inspect.signature(litellm.completion).parameters, *litellm.OPENAI_CHAT_COMPLETION_PARAMS}
    ours = {*chat_schema()["properties"], *ARGUMENTS}
    assert [name for name in {*all_litellm_params, *signatures} - ours if not is_forbidden(name)] == []


def test_every_address_and_credential_that_litellms_code_takes_from_a_call_is_forbidden() -> None:
    litellm = import_litellm()

    folder = Path(litellm.__file__).parent
    read = re.compile(r'(?:kwargs|litellm_params|optional_params|non_default_params)(?:\.get|\.pop)\(\s*"([\w-]+)"')
    telling = re.compile(r"key|base|url|endpoint|token|cred|secret|passw|host|header|auth|profile|proxy|account", re.I)
    files = [
        folder / "main.py",
        folder / "utils.py",
        *folder.glob("litellm_core_utils/*.py"),
        *folder.glob("llms/**/*.py"),
    ]
    names = {name for file in files for name in read.findall(file.read_text()) if telling.search(name)}
    assert len(names) > 50
    assert sorted(name for name in names if not is_forbidden(name) and name not in HARMLESS) == []
