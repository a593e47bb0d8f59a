"""The batch APIs of the vendors that have one here, opened with the key and the address of real mode."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from theoryctl_providers.contract import ProviderConfig, ProviderError, ResolvedRequest, key_in_words

if TYPE_CHECKING:
    from theoryctl_providers.litellm.batches.anthropic import AnthropicBatches
    from theoryctl_providers.litellm.batches.api import Account
    from theoryctl_providers.litellm.batches.openai import OpenAIBatches

#: The operations of each vendor's batches.
OPERATIONS = {"openai": ("chat", "embeddings"), "anthropic": ("chat",)}

#: The version of Anthropic's API that LiteLLM sends as well (llms/anthropic/common_utils.py).
_VERSION = "2023-06-01"


def check_batched(model: str, operation: str) -> None:
    """Raise ProviderError `ERR_UNSUPPORTED_PARAM` for a request that no vendor's batch can hold."""
    vendor = model.partition("/")[0]
    if operation not in OPERATIONS.get(vendor, ()):
        message = f"{operation} of {model!r:.200}: expected a model of {' or '.join(OPERATIONS)} that has batches"
        raise ProviderError("ERR_UNSUPPORTED_PARAM", message, hint="ask it without a batch of the vendor's")


def open_batches(model: str, config: ProviderConfig) -> OpenAIBatches | AnthropicBatches:
    """Return the batch API of a model's vendor. Raises ProviderError `ERR_MISSING_SECRET`, and `ERR_USAGE` for an
    address that cannot be one."""
    from theoryctl_providers.litellm.batches.anthropic import AnthropicBatches
    from theoryctl_providers.litellm.batches.openai import OpenAIBatches

    account = _account(model, config)
    return OpenAIBatches(account) if model.startswith("openai/") else AnthropicBatches(account)


def _account(model: str, config: ProviderConfig) -> Account:
    from theoryctl_providers.litellm.arguments import account_headers, vendor_arguments
    from theoryctl_providers.litellm.batches.api import Account
    from theoryctl_providers.litellm.vendors import secret_rules
    from theoryctl_providers.redact import Redactor, secrets_of

    request = ResolvedRequest(config=config, inputs={"model": model}, mode="real", model=model)
    arguments = vendor_arguments(request)
    key = arguments.get("api_key")
    if key is None:
        variable = f"{model.partition('/')[0].upper()}_API_KEY"
        why = "but it holds the token of a started instance" if variable in config.withheld else "which is not set"
        raise ProviderError("ERR_MISSING_SECRET", f"{model} needs {variable}, {why}", hint=f"set {variable}")
    if model.startswith("openai/"):
        headers = {"authorization": f"Bearer {key}", **account_headers(model, config.secrets)}
    else:
        headers = {"x-api-key": key, "anthropic-version": _VERSION}
    keyed = partial(key_in_words, rules=config.secret_rules or secret_rules(), given=config.secrets, model=model)
    return Account(arguments["api_base"], headers, model, Redactor(secrets_of(request)).error_text, keyed)
