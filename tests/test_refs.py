"""Provider refs: what they are, and what is said about what is none."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT
from theoryctl.errors import BadRef
from theoryctl.manifests.check import manifest_schema
from theoryctl.refs import BUNDLED, ProviderRef

SEGMENTS = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,62}", fullmatch=True)


@given(SEGMENTS, SEGMENTS, st.integers(1, 999_999_999))
def test_a_ref_is_written_as_it_was_read(namespace: str, name: str, version: int) -> None:
    text = f"{namespace}/{name}@{version}"
    ref = ProviderRef.parse(text)
    assert (ref.namespace, ref.name, ref.version, str(ref)) == (namespace, name, version, text)


@given(st.text())
def test_any_text_is_a_ref_or_a_bad_ref_that_quotes_it(text: str) -> None:
    try:
        assert str(ProviderRef.parse(text)) == text
    except BadRef as error:
        assert repr(text) in error.message
        assert error.hint


def is_ref(text: str) -> bool:
    try:
        ProviderRef.parse(text)
    except BadRef:
        return False
    return True


@given(
    st.text("aA0._-/@\n", max_size=12)
    | st.builds("{}/{}@{}".format, *[st.text("aA0._-", max_size=3)] * 2, st.text("019", max_size=11))
    | st.builds(lambda a, b, c: f"{'a' * a}/{'b' * b}@{'1' * c}", *[st.integers(62, 64)] * 2, st.integers(8, 10))
)
def test_the_published_schema_and_the_parser_agree_on_what_a_ref_is(text: str) -> None:
    pattern = manifest_schema()["properties"]["ref"]["pattern"]
    assert (re.search(pattern.replace("$", r"\Z"), text) is not None) == is_ref(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("litellm@1", "no '/'"),
        ("llm/litellm", "no '@version'"),
        ("llm/litellm@", "version is empty"),
        ("/litellm@1", "namespace is empty"),
        ("llm/@1", "name is empty"),
        ("LLM/litellm@1", "upper-case"),
        ("llm/lite llm@1", "may hold only"),
        ("llm/../x@1", "more than one '/'"),
        ("llm/..@1", "may hold only"),
        ("llm/litellm@0", "not a positive integer"),
        ("llm/litellm@01", "not a positive integer"),
        ("llm/litellm@-1", "not a positive integer"),
        ("llm/litellm@1.0", "not a positive integer"),
        ("llm/litellm@١", "not a positive integer"),
        ("llm/litellm@1\n", "not a positive integer"),
        ("llm/litellm@9999999999", "not a positive integer"),
        ("https://ghcr.io/x@1", "more than one '/'"),
        ("ünicode/x@1", "may hold only"),
        (f"llm/{'x' * 64}@1", "longer than 63"),
        ("ghcr.io/me/litellm:1", "image reference, which --oci takes"),
        ("ubuntu:22.04", "image reference"),
        (f"ghcr.io/me/litellm@sha256:{'0' * 64}", "image reference"),
    ],
)
def test_what_is_wrong_is_said(text: str, reason: str) -> None:
    with pytest.raises(BadRef) as caught:
        ProviderRef.parse(text)
    assert reason in caught.value.message
    assert caught.value.code == "ERR_REF"


@pytest.mark.parametrize(
    "text", ["LLM/LiteLLM@1", " llm/litellm@1 ", "llm/litellm", "llm/litellm@v1", "litellm@latest", "llm/litellm@1.0"]
)
def test_what_takes_no_guess_to_mend_is_offered(text: str) -> None:
    with pytest.raises(BadRef) as caught:
        ProviderRef.parse(text)
    assert caught.value.hint == "use llm/litellm@1"


def test_the_providers_that_come_along_are_found_by_their_names() -> None:
    files = (ROOT / "manifests").glob("*/*.yaml")
    assert {file.name.partition("@")[0]: file.parent.name for file in files} == BUNDLED
