"""The vendors that LiteLLM 1.110.2 knows, by their names before the slash of a model, and slips in writing them."""

from __future__ import annotations

from theoryctl_providers.contract import ProviderError, corrected
from theoryctl_providers.contract.json_text import cut
from theoryctl_providers.inputs.normalize import vendor_in

_WORDS = """
a2a a2a_agent abliteration ai21 ai21_chat aiand aihubmix aiml aiohttp_openai amazon_nova anthropic anthropic_text
apertis assemblyai auto_router aws_polly aws_textract azure azure_ai azure_speech azure_text baseten bedrock
bedrock_mantle bespoke bigmodel black_forest_labs bytez cerebras charity_engine chatgpt chutes clarifai clf_ai_gateway
cloudflare codestral cognition cohere cohere_chat cometapi compactifai coralbricks cortecs crusoe cursor custom
custom_openai darkbloom dashscope databricks databricks_agent datarobot deepgram deepinfra deepseek
docker_model_runner dotprompt edenai elevenlabs empiriolabs empower eu_jev fal_ai featherless_ai fireworks_ai
friendliai galadriel gdc gemini gigachat github github_copilot gmi gradient_ai groq helicone heroku hosted_vllm
hostinger_router huggingface humanloop hyperbolic inception inferenceapis infinity jina_ai kyma lambda_ai langflow
langfuse langgraph laya lemonade libertai litellm_agent litellm_proxy llamafile llamagate lm_studio manus maritalk
meta meta_llama microsoft_365_copilot milvus minimax mistral modelscope mongodb moonshot morph nace nadir nano-gpt
nebius neosantara nlp_cloud novita nscale nvidia_nim nvidia_riva oci ollama ollama_chat oobabooga openai openai_like
opencode_go openinfer openrouter opensearch ovhcloud parallel_ai parasail perplexity petals pg_vector pinstripes poe
predibase prism publicai qwen_ai_platform qwencloud ragflow recraft reducto refuseless reka replicate runwayml
s3_vectors sagemaker sagemaker_chat sagemaker_nova sail sambanova sap sarvam scaledown scaleway scx-ai snowflake
soniox stability strands_decider streamlake synthetic tencent tensormesh text-completion-codestral
text-completion-inception text-completion-openai together_ai topaz transcribe triton typesafe v0 valkey veniceai
vercel_ai_gateway vertex_ai vertex_ai_beta vllm volcengine voyage wally wandb watsonx watsonx_text xai xiaomi_mimo
xinference zai zerogpu
"""

#: `litellm.provider_list` and the vendors of its `providers.json`; a test compares them.
VENDOR_NAMES = frozenset(_WORDS.split())

#: Names shorter than this are one letter away from too much that is meant.
_SHORTEST = 4


def refuse_half_name(model: str) -> None:
    """Raise ProviderError `ERR_INPUTS` for a model with nothing before or after the slash."""
    vendor, slash, name = model.partition("/")
    if slash and not (vendor.strip() and name.rpartition("/")[2].strip()):
        message = f"inputs: $.model: expected vendor/model, got {cut(repr(model))}"
        raise ProviderError("ERR_INPUTS", message, hint="name both, as openai/gpt-4o-mini does", param="model")


def refuse_misspelt_vendor(model: str) -> None:
    """Raise ProviderError `ERR_INPUTS` for a model whose vendor is unknown, and one letter away from a known one."""
    vendor = vendor_in(model)
    if vendor is None or vendor in VENDOR_NAMES:
        return
    near = sorted(name for name in VENDOR_NAMES if len(name) >= _SHORTEST and _is_one_slip(vendor, name))
    if near:
        meant = cut(f"{near[0]}{model.removeprefix(vendor)}")
        raise ProviderError(
            "ERR_INPUTS",
            f"inputs: $.model: no vendor is called {vendor!r}, did you mean {meant!r}?",
            hint=corrected({model: meant}) or f"name the model {meant}",
            param="model",
        )


def _is_one_slip(found: str, meant: str) -> bool:
    """Tell whether a letter is missing, too many, another one, or changed places with its neighbour."""
    if abs(len(found) - len(meant)) > 1 or found == meant:
        return False
    at = next((at for at, pair in enumerate(zip(found, meant, strict=False)) if pair[0] != pair[1]), len(found))
    rest, other = found[at:], meant[at:]
    swapped = rest[:2] == other[1::-1] and rest[2:] == other[2:]
    return rest[1:] == other[1:] or rest == other[1:] or rest[1:] == other or (len(rest) > 1 and swapped)
