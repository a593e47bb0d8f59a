"""Names of OpenTelemetry's semantic conventions that an export uses.

They are those of the package opentelemetry-semantic-conventions, which a test compares. The conventions for generative
AI are still in development (opentelemetry.io/docs/specs/semconv/gen-ai).
"""

from __future__ import annotations

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
#: In seconds.
FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
ERROR_TYPE = "error.type"
SERVICE = "service.name"
SERVICE_VERSION = "service.version"
BRANCH = "vcs.ref.head.name"
CI_RUN = "cicd.pipeline.run.id"

#: Attributes of usage by the ledger's columns.
USAGE = {
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cached_input_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_write_tokens": "gen_ai.usage.cache_creation.input_tokens",
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
}

#: Attributes that the conventions have no name for, by the ledger's columns.
OWN = {
    "ref": "theoryctl.ref",
    "mode": "theoryctl.mode",
    "runtime": "theoryctl.runtime",
    "source": "theoryctl.source",
    "image": "theoryctl.image.digest",
    "cost_usd": "theoryctl.cost_usd",
    "loading_ms": "theoryctl.loading_ms",
    "inputs_digest": "theoryctl.inputs.digest",
    "outputs_digest": "theoryctl.outputs.digest",
}

#: Values of `gen_ai.provider.name` by the vendors that have another name here.
PROVIDERS = {
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex_ai": "gcp.vertex_ai",
    "xai": "x_ai",
}
