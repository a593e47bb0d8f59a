"""The table of vendors: which variables unlock each, where it is, and which arguments of LiteLLM carry them.

Facts are those of LiteLLM 1.110.2, which is not imported; comments name the file of its source that says them.
"""

from __future__ import annotations

from theoryctl_providers.contract import SecretRule
from theoryctl_providers.litellm.vendor import Sets, Vendor


def _keys(*names: str, argument: str = "api_key") -> dict[str, str]:
    return dict.fromkeys(names, argument)


def _any(*names: str) -> Sets:
    """Variables of which one is enough."""
    return tuple((name,) for name in names)


#: Ends of an address that clients of OpenAI's kind add themselves.
_CHAT = ("chat/completions", "embeddings")

#: The text that LiteLLM itself sends in the place of a key that a server does not ask for.
_NO_KEY = "fake-api-key"

#: The address of Replicate's predictions too, each of which says its own.
REPLICATE = "https://api.replicate.com/v1"

#: The address of an Ollama server, which other vendors once had too.
OLLAMAS = "LLM_API_BASE"

VENDORS = (
    # main.py `_complete_openai`: OPENAI_BASE_URL goes before OPENAI_API_BASE. OPENAI_ORGANIZATION is a name of
    # LiteLLM's, OPENAI_ORG_ID and OPENAI_PROJECT_ID are of OpenAI's client (openai/lib/_client_auth.py).
    Vendor(
        title="OpenAI",
        prefixes=("openai", "text-completion-openai"),
        documentation="https://platform.openai.com/api-keys",
        needs=(_any("OPENAI_API_KEY"),),
        optional=("OPENAI_ORGANIZATION", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"),
        arguments=_keys("OPENAI_API_KEY"),
        headers={
            "OPENAI_ORGANIZATION": "openai-organization",
            "OPENAI_ORG_ID": "openai-organization",
            "OPENAI_PROJECT_ID": "openai-project",
        },
        addresses=("OPENAI_BASE_URL", "OPENAI_API_BASE"),
        address="https://api.openai.com/v1",
        route="v1",
        superfluous=_CHAT,
    ),
    # main.py `_complete_anthropic` appends v1/messages. ANTHROPIC_AUTH_TOKEN has no argument, so it is not offered.
    Vendor(
        title="Anthropic",
        prefixes=("anthropic", "anthropic_text"),
        documentation="https://console.anthropic.com/settings/keys",
        needs=(_any("ANTHROPIC_API_KEY"),),
        arguments=_keys("ANTHROPIC_API_KEY"),
        addresses=("ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE"),
        address="https://api.anthropic.com",
        superfluous=("v1/messages", "v1"),
        extra_body=False,
    ),
    # main.py `_complete_ollama_chat` appends api/chat. A key is for ollama.com alone; servers of one's own have none.
    Vendor(
        title="Ollama",
        prefixes=("ollama", "ollama_chat"),
        documentation="https://docs.ollama.com",
        optional=("OLLAMA_API_KEY",),
        arguments=_keys("OLLAMA_API_KEY"),
        ambient=("OLLAMA_API_KEY",),
        addresses=(OLLAMAS, "OLLAMA_API_BASE"),
        address="http://localhost:11434",
        superfluous=("api/chat", "api/generate", "api", "v1/chat/completions", "v1"),
    ),
    # llms/replicate/chat/transformation.py: the address stands in the code, REPLICATE_API_BASE moves nothing.
    Vendor(
        title="Replicate",
        prefixes=("replicate",),
        documentation="https://replicate.com/account/api-tokens",
        needs=(_any("REPLICATE_API_KEY", "REPLICATE_API_TOKEN"),),
        arguments=_keys("REPLICATE_API_KEY", "REPLICATE_API_TOKEN"),
        address=REPLICATE,
        extra_body=False,
        dropped=("function_call", "functions", "seed", "tool_choice", "tools"),  # `map_openai_params`
    ),
    # main.py `_complete_azure`; a token of Entra ID instead of a key: llms/azure/common_utils.py.
    Vendor(
        title="Azure",
        prefixes=("azure", "azure_text"),
        documentation="https://learn.microsoft.com/azure/ai-foundry/openai/",
        needs=(
            _any("AZURE_API_KEY", "AZURE_OPENAI_API_KEY", "AZURE_AD_TOKEN"),
            _any("AZURE_API_BASE"),
            _any("AZURE_API_VERSION"),
        ),
        arguments={
            **_keys("AZURE_API_KEY", "AZURE_OPENAI_API_KEY"),
            "AZURE_AD_TOKEN": "azure_ad_token",
            "AZURE_API_VERSION": "api_version",
        },
        ambient=("AZURE_AD_TOKEN",),
        addresses=("AZURE_API_BASE",),
    ),
    # main.py `_complete_gemini`, llms/gemini/common_utils.py. LiteLLM's own version in the path goes by the model
    # (llms/vertex_ai/common_utils.py: v1alpha from Gemini 3 on).
    Vendor(
        title="Gemini",
        prefixes=("gemini",),
        documentation="https://aistudio.google.com/apikey",
        needs=(_any("GEMINI_API_KEY", "GOOGLE_API_KEY"),),
        arguments=_keys("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        addresses=("GEMINI_API_BASE",),
        address="https://generativelanguage.googleapis.com",
        route="v1beta",
        superfluous=("models",),
    ),
    # main.py `_complete_vertex_ai`: credentials are a path or JSON text; without any, Google's own library looks for
    # those of this machine. GOOGLE_APPLICATION_CREDENTIALS is a path that this library reads.
    Vendor(
        title="Vertex AI",
        prefixes=("vertex_ai", "vertex_ai_beta"),
        documentation="https://cloud.google.com/vertex-ai/generative-ai/docs",
        needs=(_any("VERTEXAI_PROJECT"), _any("VERTEXAI_LOCATION", "VERTEX_LOCATION")),
        optional=("VERTEXAI_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS"),
        arguments={
            "VERTEXAI_PROJECT": "vertex_project",
            **_keys("VERTEXAI_LOCATION", "VERTEX_LOCATION", argument="vertex_location"),
            **_keys("VERTEXAI_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS", argument="vertex_credentials"),
        },
        ambient=("VERTEXAI_API_BASE",),
        addresses=("VERTEXAI_API_BASE",),
    ),
    # llms/bedrock/base_aws_llm.py: `bedrock_bearer_token`, `get_credentials`, `get_aws_region_name`.
    Vendor(
        title="Amazon Bedrock",
        prefixes=("bedrock",),
        documentation="https://docs.aws.amazon.com/bedrock/",
        needs=(
            (("AWS_BEARER_TOKEN_BEDROCK",), ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), ("AWS_PROFILE",)),
            _any("AWS_REGION", "AWS_REGION_NAME", "AWS_DEFAULT_REGION"),
        ),
        optional=("AWS_SESSION_TOKEN",),
        arguments={
            "AWS_BEARER_TOKEN_BEDROCK": "api_key",
            "AWS_ACCESS_KEY_ID": "aws_access_key_id",
            "AWS_SECRET_ACCESS_KEY": "aws_secret_access_key",
            "AWS_SESSION_TOKEN": "aws_session_token",
            "AWS_PROFILE": "aws_profile_name",
            **_keys("AWS_REGION", "AWS_REGION_NAME", "AWS_DEFAULT_REGION", argument="aws_region_name"),
        },
        # Empty ones keep LiteLLM from reading those of the environment: `bedrock_bearer_token`, `get_credentials`.
        unset={"api_key": "", "aws_session_token": ""},
        addresses=("AWS_BEDROCK_RUNTIME_ENDPOINT",),
        address_argument="aws_bedrock_runtime_endpoint",
        extra_body=False,
    ),
    # llms/groq/chat/transformation.py
    Vendor(
        title="Groq",
        prefixes=("groq",),
        documentation="https://console.groq.com/keys",
        needs=(_any("GROQ_API_KEY"),),
        arguments=_keys("GROQ_API_KEY"),
        addresses=("GROQ_API_BASE",),
        address="https://api.groq.com/openai/v1",
        route="openai/v1",
        superfluous=_CHAT,
    ),
    # main.py `_complete_openrouter`
    Vendor(
        title="OpenRouter",
        prefixes=("openrouter",),
        documentation="https://openrouter.ai/settings/keys",
        needs=(_any("OPENROUTER_API_KEY", "OR_API_KEY"),),
        arguments=_keys("OPENROUTER_API_KEY", "OR_API_KEY"),
        addresses=("OPENROUTER_API_BASE",),
        address="https://openrouter.ai/api/v1",
        route="api/v1",
        superfluous=_CHAT,
    ),
    # llms/mistral/chat/transformation.py appends v1; main.py reads MISTRAL_API_BASE.
    Vendor(
        title="Mistral",
        prefixes=("mistral",),
        documentation="https://console.mistral.ai/api-keys",
        needs=(_any("MISTRAL_API_KEY"),),
        arguments=_keys("MISTRAL_API_KEY"),
        addresses=("MISTRAL_API_BASE",),
        address="https://api.mistral.ai/v1",
        route="v1",
        superfluous=_CHAT,
    ),
    # litellm_core_utils/get_llm_provider_logic.py
    Vendor(
        title="DeepSeek",
        prefixes=("deepseek",),
        documentation="https://platform.deepseek.com/api_keys",
        needs=(_any("DEEPSEEK_API_KEY"),),
        arguments=_keys("DEEPSEEK_API_KEY"),
        addresses=("DEEPSEEK_API_BASE",),
        address="https://api.deepseek.com/beta",
        route="beta",
        superfluous=_CHAT,
    ),
    # llms/xai/chat/transformation.py
    Vendor(
        title="xAI",
        prefixes=("xai",),
        documentation="https://console.x.ai",
        needs=(_any("XAI_API_KEY"),),
        arguments=_keys("XAI_API_KEY"),
        addresses=("XAI_API_BASE",),
        address="https://api.x.ai/v1",
        route="v1",
        superfluous=_CHAT,
    ),
    # main.py `_complete_cohere`: the address is the whole of it, llms/cohere/chat/v2_transformation.py adds nothing.
    Vendor(
        title="Cohere",
        prefixes=("cohere", "cohere_chat"),
        documentation="https://dashboard.cohere.com/api-keys",
        needs=(_any("COHERE_API_KEY", "CO_API_KEY"),),
        arguments=_keys("COHERE_API_KEY", "CO_API_KEY"),
        addresses=("COHERE_API_BASE",),
        address="https://api.cohere.com/v2/chat",
        route="v2/chat",
    ),
    # litellm_core_utils/get_llm_provider_logic.py
    Vendor(
        title="Together AI",
        prefixes=("together_ai",),
        documentation="https://api.together.ai/settings/api-keys",
        needs=(_any("TOGETHER_API_KEY", "TOGETHERAI_API_KEY", "TOGETHER_AI_API_KEY"),),
        arguments=_keys("TOGETHER_API_KEY", "TOGETHERAI_API_KEY", "TOGETHER_AI_API_KEY"),
        addresses=("TOGETHER_AI_API_BASE",),
        address="https://api.together.ai/v1",
        route="v1",
        superfluous=_CHAT,
    ),
    # llms/fireworks_ai/chat/transformation.py
    Vendor(
        title="Fireworks AI",
        prefixes=("fireworks_ai",),
        documentation="https://app.fireworks.ai/settings/users/api-keys",
        needs=(_any("FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY"),),
        arguments=_keys("FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY"),
        addresses=("FIREWORKS_API_BASE",),
        address="https://api.fireworks.ai/inference/v1",
        route="inference/v1",
        superfluous=_CHAT,
    ),
    # llms/perplexity/chat/transformation.py
    Vendor(
        title="Perplexity",
        prefixes=("perplexity",),
        documentation="https://www.perplexity.ai/account/api",
        needs=(_any("PERPLEXITY_API_KEY", "PERPLEXITYAI_API_KEY"),),
        arguments=_keys("PERPLEXITY_API_KEY", "PERPLEXITYAI_API_KEY"),
        addresses=("PERPLEXITY_API_BASE",),
        address="https://api.perplexity.ai",
        superfluous=_CHAT,
    ),
    # llms/hosted_vllm/chat/transformation.py and llms/lm_studio/chat/transformation.py: without an address the call
    # would go to OpenAI's (main.py `_resolve_openai_api_base`).
    Vendor(
        title="vLLM",
        prefixes=("hosted_vllm",),
        documentation="https://docs.vllm.ai",
        needs=(_any("HOSTED_VLLM_API_BASE"),),
        optional=("HOSTED_VLLM_API_KEY",),
        arguments=_keys("HOSTED_VLLM_API_KEY"),
        unset={"api_key": _NO_KEY},
        addresses=("HOSTED_VLLM_API_BASE",),
        route="v1",
        superfluous=_CHAT,
    ),
    Vendor(
        title="LM Studio",
        prefixes=("lm_studio",),
        documentation="https://lmstudio.ai/docs",
        needs=(_any("LM_STUDIO_API_BASE"),),
        optional=("LM_STUDIO_API_KEY",),
        arguments=_keys("LM_STUDIO_API_KEY"),
        unset={"api_key": _NO_KEY},
        addresses=("LM_STUDIO_API_BASE",),
        route="v1",
        superfluous=_CHAT,
    ),
)

_BY_PREFIX = {prefix: vendor for vendor in VENDORS for prefix in vendor.prefixes}
BEDROCK, OPENAI = _BY_PREFIX["bedrock"], _BY_PREFIX["openai"]


def prefixes() -> frozenset[str]:
    """The names of vendors, as they stand before the slash of a model."""
    return frozenset(_BY_PREFIX)


def vendor_for(model: str) -> Vendor | None:
    """The vendor of a model named `vendor/model`; None for one that is not in the table."""
    return _BY_PREFIX.get(model.partition("/")[0])


def secret_rules() -> tuple[SecretRule, ...]:
    """The table as rules: what each vendor needs, what it may be told besides, and what moves its address."""
    return tuple(rule for vendor in VENDORS for rule in _rules(vendor))


def _rules(vendor: Vendor) -> list[SecretRule]:
    models = tuple(f"{prefix}/*" for prefix in vendor.prefixes)
    needed = [SecretRule(name=sets[0][0], alternatives=sets[1:], models=models) for sets in vendor.needs]
    named = {name for rule in needed for name in rule.names}
    rest = [name for name in vendor.variables if name not in named]
    return [*needed, *(SecretRule(name=name, required=False, models=models) for name in rest)]
