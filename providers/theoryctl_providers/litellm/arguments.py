"""Arguments of a call of LiteLLM that say which model is asked, with whose key and at which address.

Nothing goes through the environment: another call in this process would find it there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from theoryctl_providers.contract import ProviderError, ResolvedRequest
from theoryctl_providers.litellm.addresses import address_of
from theoryctl_providers.litellm.vendor import Vendor
from theoryctl_providers.litellm.vendors import BEDROCK, OPENAI, vendor_for

#: Ends of the variables of vendors beyond the table, after the vendor's name, and what is called otherwise.
_ENDINGS = {"API_KEY": "api_key", "API_BASE": "api_base", "BASE_URL": "api_base", "API_VERSION": "api_version"}
_OTHERWISE = {"huggingface": {"HF_TOKEN": "api_key"}, "sagemaker": BEDROCK.arguments}

#: Seconds for one call where neither request nor config says it; LiteLLM's own default is ten minutes.
DEFAULT_TIMEOUT = 120.0


def vendor_arguments(request: ResolvedRequest) -> dict[str, Any]:
    """Model, key and address of the vendor, no retries of LiteLLM's own, an explicit time-out.

    Raises ProviderError `ERR_USAGE` for an address that cannot be one, and `ERR_MISSING_SECRET`.
    """
    model, config = request.model, request.config
    seconds = request.timeout or config.timeout or DEFAULT_TIMEOUT
    arguments: dict[str, Any] = {"model": model, "max_retries": 0, "num_retries": 0, "timeout": seconds}
    vendor = vendor_for(model)
    if vendor is None:
        return {**arguments, **_beyond_the_table(model, config.secrets)}
    if vendor.name == "ollama" and request.operation == "chat":
        # LiteLLM's ollama/ flattens a chat into one prompt.
        arguments["model"] = f"ollama_chat/{model.partition('/')[2]}"
    arguments |= _credentials(vendor, config.secrets)
    address = address_of(vendor, config) or _own(vendor, model, arguments)
    if address and vendor.name == "cohere" and request.operation == "embeddings":
        address = re.sub("/chat$", "/embed", address)  # llms/cohere/embed/transformation.py adds nothing either
    return {**arguments, vendor.address_argument: address} if address else arguments


def called_at(arguments: Mapping[str, Any]) -> str | None:
    """The address among the arguments of a call; None where LiteLLM finds it by itself."""
    return arguments.get("api_base") or arguments.get("aws_bedrock_runtime_endpoint")


def others_addresses(model: str, arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """Return OpenAI's addresses for a vendor beyond the table whose own is not among the arguments of its call.

    Where it knows none, LiteLLM sends that vendor's key there (responses/bridge_check.py, `_resolve_openai_api_base`).
    """
    if vendor_for(model) is not None or called_at(arguments):
        return ()
    own = {os.environ.get(f"{_prefix(model)}_{end}") for end, argument in _ENDINGS.items() if argument == "api_base"}
    known = (OPENAI.address, *map(os.environ.get, OPENAI.addresses))
    return tuple(address for address in known if address and address not in own)


def others_key(model: str, secrets: Mapping[str, str]) -> str | None:
    """Return OpenAI's key of the environment for a vendor beyond the table, unless it is among the call's own secrets.

    LiteLLM and OpenAI's client take it for many of these where they have none (main.py, `_complete_aiohttp_openai`).
    """
    key = os.environ.get("OPENAI_API_KEY")
    return None if vendor_for(model) is not None or key in secrets.values() else key


#: For the end of a variable that is missing, the mistake that LiteLLM makes without it.
_MISTAKES = {"API_BASE": "the key to an address of OpenAI's", "API_KEY": "the key of OpenAI"}


def without(ending: str, model: str) -> ProviderError:
    """Return the error for a vendor beyond the table that has no address or no key, `ERR_MISSING_SECRET`."""
    name = f"{_prefix(model)}_{ending}"
    return ProviderError(
        "ERR_MISSING_SECRET",
        f"{model} needs {name}: without it LiteLLM would send {_MISTAKES[ending]}",
        hint=f"declare {name} among the manifest's secrets, and set it",
    )


def _prefix(model: str) -> str:
    """The beginning of the names of a vendor's variables."""
    return model.partition("/")[0].upper().replace("-", "_")


def account_headers(model: str, secrets: Mapping[str, str]) -> dict[str, str]:
    """The headers that say on whose account a call is, by lower-case name: those of the call's own secrets.

    OPENAI_CUSTOM_HEADERS of the environment are for OpenAI alone.
    """
    vendor = vendor_for(model)
    if vendor is None:
        return {}
    own = {header: secrets[name] for name, header in reversed(list(vendor.headers.items())) if secrets.get(name)}
    return {**custom_headers(), **own} if vendor.name == "openai" else own


def custom_headers() -> dict[str, str]:
    """The headers that OpenAI's client takes from OPENAI_CUSTOM_HEADERS, a line each, by lower-case name."""
    lines = os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n")
    return {
        name.strip().lower(): value.strip() for name, colon, value in (line.partition(":") for line in lines) if colon
    }


def _credentials(vendor: Vendor, secrets: Mapping[str, str]) -> dict[str, str]:
    """The arguments that carry a vendor's key: those of the first set that is whole, and what else it takes."""
    given = {name: value for name, value in secrets.items() if value}
    chosen = [next((names for names in sets if all(name in given for name in names)), ()) for sets in vendor.needs]
    arguments = dict(vendor.unset)
    taken: set[str] = set()
    for name in (*(name for names in chosen for name in names), *vendor.optional):
        argument = vendor.arguments.get(name)
        if name in given and argument is not None and argument not in taken:
            taken.add(argument)
            arguments[argument] = given[name]
    _refuse_ambient(vendor, given)
    return arguments


def _refuse_ambient(vendor: Vendor, given: Mapping[str, str]) -> None:
    """Keep a key of this process's environment from going where another's call leads."""
    for name in vendor.ambient:
        if name not in given and os.environ.get(name):
            raise ProviderError(
                "ERR_USAGE",
                f"{name} is set in the environment and no secret of this call, and LiteLLM would send it all the same",
                hint=f"unset {name}, or name it among the secrets",
            )


def _own(vendor: Vendor, model: str, arguments: Mapping[str, Any]) -> str | None:
    """A vendor's own address, passed so that LiteLLM takes none from the environment."""
    if vendor.name == "gemini":
        from litellm import VertexGeminiConfig

        newer = VertexGeminiConfig.is_gemini_3_or_newer(model.partition("/")[2])
        return f"{vendor.address}/{'v1alpha' if newer else 'v1beta'}"
    if vendor.name == "bedrock":
        from litellm.llms.bedrock.base_aws_llm import get_aws_dns_suffix

        region = arguments["aws_region_name"]
        return f"https://bedrock-runtime.{region}.{get_aws_dns_suffix(region)}"
    if vendor.name == "cohere" and "v1/" in model:
        return "https://api.cohere.ai/v1/chat"
    return vendor.address


def _beyond_the_table(model: str, secrets: Mapping[str, str]) -> dict[str, str]:
    """Key and address of a vendor that only LiteLLM knows, by their usual names; what else it needs, it reads itself.

    Raises ProviderError `ERR_MISSING_SECRET`: without a key of its own, LiteLLM would send OpenAI's.
    """
    vendor, prefix = model.partition("/")[0], _prefix(model)
    names = {**_OTHERWISE.get(vendor, {}), **{f"{prefix}_{end}": argument for end, argument in _ENDINGS.items()}}
    arguments = {argument: secrets[name] for name, argument in names.items() if secrets.get(name)}
    if missing := () if "api_key" in arguments else _missing(model, f"{prefix}_API_KEY", secrets):
        raise ProviderError(
            "ERR_MISSING_SECRET",
            f"{model} needs {', '.join(missing)}",
            hint=f"declare {' and '.join(missing)} among the manifest's secrets, and set it",
        )
    return arguments


def _missing(model: str, key: str, secrets: Mapping[str, str]) -> list[str]:
    """The variables that LiteLLM misses; `key` where it would call with OpenAI's."""
    import litellm

    wanted = [name for name in litellm.validate_environment(model=model)["missing_keys"] if not secrets.get(name)]
    _, vendor, found, _ = litellm.get_llm_provider(model)
    has_none = found is None and vendor in litellm.openai_compatible_providers
    return wanted or ([key] if has_none else [])
