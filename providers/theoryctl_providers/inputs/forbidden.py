"""Inputs that would name an address or a credential, or steer LiteLLM itself: refused whatever a schema allows.

The names are those of LiteLLM 1.110.2: `all_litellm_params`, the arguments of `completion` that are no parameters of
OpenAI's, and what its code for vendors takes out of either. A test compares them with the LiteLLM that is installed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from theoryctl_providers.contract import ProviderError
from theoryctl_providers.contract.json_text import cut, json_path

#: Refused wherever LiteLLM might read them, at every depth but inside JSON Schemas.
_CREDENTIAL = re.compile(
    r"(.+_)?api_(key|base)|api_version|apikey|(.+_)?base_url|(.+_)?access_token|(.+_)?credentials?|(.+_)?client_secret"
    r"|(aws|azure|vertex|s3|litellm|_litellm|oci|watsonx|gigachat)_.+|custom_llm_provider|extra_headers|default_headers"
    r"|additional_headers|litellm_credential_name|user_api_key.*"
)

#: Refused as an input, and at the top of `extra_body`, of which LiteLLM makes arguments for some vendors.
_STEERING = re.compile(
    r"_.+|(.+_)?cost(_.+)?|.+_per_(token|second|image|pixel|character|query).*|(.+_)?endpoint(_.+)?|(.+_)?headers?"
    r"|(langfuse|langsmith|arize|dd|gcs|humanloop|posthog|newrelic|signoz|weave|token_exchange|github_copilot)_.+"
    r"|(auto_router|adaptive_router|complexity_router|quality_router|switchyard_router|kubernetes|configurable)_.+"
    r"|anthropic_(disable|federation|identity|issuer|keycloak|organization|service)_.+|openai_(identity|service)_.+"
    r"|cache_(creation|read)_.+|(.+_)?(uplift|surcharge)_.+|(google|explicit|search_context)_.+_cost.*"
)
_WORDS = """
account_id acompletion additional_drop_params aembedding aimg_generation allm_passthrough_route
allow_client_keepalive_override allowed_model_region allowed_openai_params assistant_continue_message async_call
atext_completion attempted_targets azure base_model bedrock_tags bos_token budget_duration cache
cache_control_injection_points cache_key caching caching_groups chatgpt_auth_file client client_id client_side_timeout
complete_response completion_call_id context_window_fallback_dict cooldown_time custom_prompt_dict custom_tokenizer
daily_reset_time data_residency default_api_key_rpm_limit default_api_key_tpm_limit deployment_id deployment_url
disable_add_transform_inline_image_block drop_params enable_json_schema_validation enable_prompt_caching
enable_tag_filtering ensure_alternating_roles eos_token fallback_depth fallbacks fastest_response final_prompt_value
fireworks_forward_user_id force_timeout guardrails hf_model_name http_client id include_server_side_tool_invocations
initial_prompt_value itpm keepalive_seconds kwargs log_client_error_tracebacks logger_fn max_agentic_loops max_budget
max_fallbacks max_file_size_mb max_parallel_requests max_retries merge_reasoning_content_in_choices mock_response
mock_timeout model_alias_map model_config model_file_id_mapping model_info model_list no-log num_retries order
organization otpm output_vector_size predibase_tenant_id preset_cache_key prompt_environment prompt_id prompt_label
prompt_variables prompt_version proxy_server_request region_name request_timeout responses_api_version retry_policy
retry_strategy roles routing_strategy rpd rpm rust search_tool_name secret_fields self shared_session silent_model
ssl_verify stream_chunk_size stream_response stream_timeout stream_timeout_by_service_tier supports_system_message
tag_regex tags tenant_id text_completion thought_signature_in_tool_call_id tiered_pricing timeout
timeout_by_service_tier token tpd tpm ttl turn_off_message_logging upstream_provider url use_chat_completions_api
use_client use_in_pass_through use_litellm_proxy use_server_proxy use_xai_oauth used_client_oauth_token
user_continue_message verbose weight
"""

_NAMES = frozenset(_WORDS.split())

#: Names that were looked at and found to be no credentials, for most come with each request; and how many are kept,
#: of how many characters.
_HARMLESS: set[str] = set()
_MOST_KNOWN, _LONGEST_KNOWN = 1024, 64

_HINT = "leave {} out: keys and addresses are settings of the provider"

#: Values that are JSON Schemas, whose property names are the caller's.
_SCHEMAS = frozenset(("parameters", "schema", "guided_json", "input_schema"))


def refuse_forbidden(inputs: Mapping[str, Any]) -> None:
    """Raise ProviderError `ERR_INPUTS` for the first input that names an address, a credential or a way to call."""
    if "://" in str(inputs.get("model") or ""):  # some vendors of LiteLLM take the address from there
        raise _refused(("model",))
    for name in inputs:
        if is_forbidden(name):
            raise _refused((name,))
    extra = inputs.get("extra_body")
    for name in extra if isinstance(extra, dict) else ():
        if is_forbidden(name):
            raise _refused(("extra_body", name))
    if not _are_harmless(inputs) and (path := _credential_in(inputs)) is not None:
        raise _refused(path)


def is_forbidden(name: str) -> bool:
    """Return True for a name that no input, and no key of `extra_body`, may have."""
    return _is_known_forbidden(name) if len(name) <= _LONGEST_KNOWN else _is_forbidden(name)


def _is_forbidden(name: str) -> bool:
    return _is_credential(name) or name in _NAMES or _STEERING.fullmatch(name) is not None


_is_known_forbidden = lru_cache(maxsize=_MOST_KNOWN)(_is_forbidden)


def _is_credential(name: str) -> bool:
    if _CREDENTIAL.fullmatch(name) is not None:
        return True
    if len(_HARMLESS) < _MOST_KNOWN and len(name) <= _LONGEST_KNOWN:
        _HARMLESS.add(name)
    return False


def _are_harmless(inputs: Mapping[str, Any]) -> bool:
    """Return whether all keys were looked at before, as most were; this keeps no path of where a key stands."""
    found: list[Any] = [inputs]
    for each in found:  # which grows as it goes
        if isinstance(each, dict):
            if not _HARMLESS.issuperset(each):
                return False
            for key, item in each.items():
                if isinstance(item, (dict, list)) and key not in _SCHEMAS:
                    found.append(item)
        else:
            for item in each:
                if isinstance(item, (dict, list)):
                    found.append(item)
    return True


def _credential_in(value: Any) -> tuple[str | int, ...] | None:
    """The path of the first key that names an address or a credential, at any depth; None without one."""
    if isinstance(value, dict):
        are_harmless = _HARMLESS.issuperset(value)
        for key, item in value.items():
            if not are_harmless and _is_credential(key):
                return (key,)
            if isinstance(item, (dict, list)) and key not in _SCHEMAS and (below := _credential_in(item)) is not None:
                return (key, *below)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, (dict, list)) and (below := _credential_in(item)) is not None:
                return (index, *below)
    return None


def _refused(path: tuple[str | int, ...]) -> ProviderError:
    place = json_path(path)
    return ProviderError(
        "ERR_INPUTS",
        f"inputs: {place}: expected no address, credential or setting of LiteLLM among the inputs",
        hint=_HINT.format(cut(str(path[-1]))),
        param=place.removeprefix("$."),
    )
