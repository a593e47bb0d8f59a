"""The table of vendors against the LiteLLM that is installed, and what it asks for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from theoryctl_providers.contract import ProviderError, Remedy, SecretRule, key_in_words
from theoryctl_providers.engine.secrets import check_secrets
from theoryctl_providers.litellm.loading import import_litellm
from theoryctl_providers.litellm.vendor import Vendor
from theoryctl_providers.litellm.vendors import VENDORS, secret_rules, vendor_for
from theoryctl_providers.redact import Redactor

each_vendor = pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)


@pytest.fixture(scope="module")
def source() -> str:
    """All of LiteLLM that speaks to vendors, as text."""
    import importlib.util

    spec = importlib.util.find_spec("litellm")
    assert spec is not None and spec.origin is not None
    folder = Path(spec.origin).parent
    files = [folder / "main.py", *folder.glob("litellm_core_utils/*.py"), *folder.glob("llms/**/*.py")]
    return "\n".join(file.read_text() for file in files)


@each_vendor
def test_litellm_reads_every_variable_and_argument_of_the_table(vendor: Vendor, source: str) -> None:
    own = {"LLM_API_BASE", "AWS_PROFILE", "AWS_DEFAULT_REGION", "GOOGLE_APPLICATION_CREDENTIALS"}
    own |= {"OPENAI_ORG_ID", "OPENAI_PROJECT_ID"}
    assert [name for name in vendor.variables if name not in own and f'"{name}"' not in source] == []
    arguments = {*vendor.arguments.values(), vendor.address_argument}
    assert [name for name in arguments if f'"{name}"' not in source] == []


@each_vendor
def test_a_vendors_prefixes_are_litellms(vendor: Vendor, source: str) -> None:
    known = {str(getattr(one, "value", one)) for one in import_litellm().provider_list}
    assert set(vendor.prefixes) <= known


@each_vendor
def test_every_variable_is_an_argument_a_header_or_an_address(vendor: Vendor) -> None:
    assert set(vendor.variables) == {*vendor.arguments, *vendor.headers, *vendor.addresses}
    assert vendor.documentation.startswith("https://")


def test_the_table_costs_no_import_of_litellm() -> None:
    script = "import sys, theoryctl_providers.litellm.vendors, theoryctl_providers.litellm.provider\n"
    script += "print('litellm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


ID, SECRET = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"


@pytest.mark.parametrize(
    ("model", "given"),
    [
        ("bedrock/x", {"AWS_BEARER_TOKEN_BEDROCK", "AWS_REGION"}),
        ("bedrock/x", {ID, SECRET, "AWS_REGION_NAME"}),
        ("bedrock/x", {"AWS_PROFILE", "AWS_DEFAULT_REGION"}),
        ("gemini/x", {"GOOGLE_API_KEY"}),
        ("gemini/x", {"GEMINI_API_KEY"}),
        ("azure/x", {"AZURE_API_KEY", "AZURE_API_BASE", "AZURE_API_VERSION"}),
        ("ollama/x", set()),
        ("hosted_vllm/x", {"HOSTED_VLLM_API_BASE"}),
    ],
)
def test_any_of_a_vendors_sets_unlocks_it(model: str, given: set[str]) -> None:
    check_secrets(secret_rules(), dict.fromkeys(given, "value"), model)


@pytest.mark.parametrize(
    ("model", "given", "message"),
    [
        ("gemini/x", set(), "gemini/x needs one of GEMINI_API_KEY, GOOGLE_API_KEY, which are not set"),
        ("bedrock/x", {ID, "AWS_REGION"}, f"AWS_BEARER_TOKEN_BEDROCK, or {ID} and {SECRET}, or AWS_PROFILE"),
        ("bedrock/x", {ID, SECRET}, "needs one of AWS_REGION, AWS_REGION_NAME, AWS_DEFAULT_REGION"),
        ("azure/x", {"AZURE_API_KEY"}, "azure/x needs AZURE_API_BASE, AZURE_API_VERSION, which are not set"),
        ("lm_studio/x", set(), "lm_studio/x needs LM_STUDIO_API_BASE, which is not set"),
    ],
)
def test_what_is_missing_is_said_with_all_that_would_do(model: str, given: set[str], message: str) -> None:
    with pytest.raises(ProviderError) as caught:
        check_secrets(secret_rules(), dict.fromkeys(given, "value"), model)
    assert caught.value.code == "ERR_MISSING_SECRET"
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("model", "given", "key"),
    [
        ("openai/x", ("OPENAI_API_KEY", "OPENAI_ORGANIZATION"), "the key in OPENAI_API_KEY"),
        ("openai/x", (), "the key in OPENAI_API_KEY"),
        ("cohere/x", ("CO_API_KEY",), "the key in CO_API_KEY"),
        ("cohere/x", (), "the key in one of COHERE_API_KEY, CO_API_KEY"),
        ("bedrock/x", (ID, SECRET, "AWS_REGION"), f"the key in {ID} and {SECRET}"),
        ("bedrock/x", ("AWS_PROFILE", "AWS_REGION"), "its key"),
        ("hosted_vllm/x", ("HOSTED_VLLM_API_BASE",), "the key in HOSTED_VLLM_API_KEY"),
        ("vertex_ai/x", ("VERTEXAI_PROJECT", "VERTEXAI_CREDENTIALS"), "the key in VERTEXAI_CREDENTIALS"),
        ("ollama/x", ("OLLAMA_API_KEY",), "the key in OLLAMA_API_KEY"),
        ("llm/mock@1", ("OPENAI_API_KEY",), "its key"),
    ],
)
def test_the_hint_on_a_refused_key_names_the_variables_that_hold_it(
    model: str, given: tuple[str, ...], key: str
) -> None:
    hint = key_in_words(Remedy.KEY, secret_rules(), dict.fromkeys(given, "value"), model)
    assert hint == f"check that {key} is whole, current, and of this vendor"


def test_a_rule_of_one_name_reads_as_before() -> None:
    rule = SecretRule(name="A")
    assert (rule.wanted, rule.names, rule.is_met_by({"A"}), rule.is_met_by(())) == ("A", ("A",), True, False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_REGION", "us-east-1"),
        ("AZURE_API_VERSION", "2024-10-21"),
        ("VERTEXAI_PROJECT", "my-project"),
        ("LLM_API_BASE", "localhost:11434"),
        ("AWS_PROFILE", "production"),
    ],
)
def test_what_is_no_secret_may_stand_in_an_answer(name: str, value: str) -> None:
    assert Redactor({name: value}).text(f"it is {value}") == f"it is {value}"


@each_vendor
def test_a_model_finds_its_vendor_by_any_prefix(vendor: Vendor) -> None:
    assert all(vendor_for(f"{prefix}/a/b") is vendor for prefix in vendor.prefixes)
    assert vendor_for("nobody/x") is None
