"""Vendors' variables as arguments of LiteLLM's calls: no secret of a call goes through the process's environment.

LiteLLM reads such variables by itself where a call does not name them; two callers with keys of their own cannot share
an environment.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Endings of the variables that most vendors have, after the vendor's name.
_ENDINGS = {
    "API_KEY": "api_key",
    "API_BASE": "api_base",
    "BASE_URL": "api_base",
    "API_VERSION": "api_version",
}

_AWS = {
    "AWS_BEARER_TOKEN_BEDROCK": "api_key",
    "AWS_ACCESS_KEY_ID": "aws_access_key_id",
    "AWS_SECRET_ACCESS_KEY": "aws_secret_access_key",
    "AWS_SESSION_TOKEN": "aws_session_token",
    "AWS_PROFILE": "aws_profile_name",
    "AWS_DEFAULT_REGION": "aws_region_name",
    "AWS_REGION": "aws_region_name",
    "AWS_REGION_NAME": "aws_region_name",
}

#: Variables that are called otherwise, by vendor; of two for one argument the later one counts.
_OWN: Mapping[str, Mapping[str, str]] = {
    "azure": {"AZURE_AD_TOKEN": "azure_ad_token"},
    "bedrock": _AWS,
    "fireworks_ai": {"FIREWORKS_API_KEY": "api_key"},
    "gemini": {"GOOGLE_API_KEY": "api_key"},
    "huggingface": {"HF_TOKEN": "api_key"},
    "openai": {"OPENAI_ORG_ID": "organization", "OPENAI_ORGANIZATION": "organization"},
    "perplexity": {"PERPLEXITYAI_API_KEY": "api_key"},
    "sagemaker": _AWS,
    "together_ai": {"TOGETHER_API_KEY": "api_key", "TOGETHERAI_API_KEY": "api_key"},
    "vertex_ai": {
        "GOOGLE_APPLICATION_CREDENTIALS": "vertex_credentials",
        "VERTEXAI_LOCATION": "vertex_location",
        "VERTEXAI_PROJECT": "vertex_project",
    },
}


def secret_arguments(model: str, secrets: Mapping[str, str]) -> dict[str, str]:
    """Return the arguments of a call of `model` (`vendor/name`) that its vendor's variables among `secrets` make."""
    vendor = model.partition("/")[0]
    prefix = vendor.upper().replace("-", "_")
    names = {**_OWN.get(vendor, {}), **{f"{prefix}_{ending}": argument for ending, argument in _ENDINGS.items()}}
    return {argument: secrets[name] for name, argument in names.items() if secrets.get(name)}
