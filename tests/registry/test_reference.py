"""Image references: the grammar of distribution/reference, and what short names mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theoryctl.errors import UsageError
from theoryctl.registry.reference import ImageReference

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest", "canonical"),
    [
        ("ubuntu", "docker.io", "library/ubuntu", None, None, "docker.io/library/ubuntu:latest"),
        ("ubuntu:22.04", "docker.io", "library/ubuntu", "22.04", None, "docker.io/library/ubuntu:22.04"),
        ("me/name", "docker.io", "me/name", None, None, "docker.io/me/name:latest"),
        ("index.docker.io/x", "docker.io", "library/x", None, None, "docker.io/library/x:latest"),
        ("localhost/x", "localhost", "x", None, None, "localhost/x:latest"),
        ("localhost:5000/x", "localhost:5000", "x", None, None, "localhost:5000/x:latest"),
        ("localhost:5000", "docker.io", "library/localhost", "5000", None, "docker.io/library/localhost:5000"),
        ("[::1]:5000/a/b:c", "[::1]:5000", "a/b", "c", None, "[::1]:5000/a/b:c"),
        ("ghcr.io/me/x", "ghcr.io", "me/x", None, None, "ghcr.io/me/x:latest"),
        ("GHCR.io/me/x", "GHCR.io", "me/x", None, None, "GHCR.io/me/x:latest"),
        ("Host/x", "Host", "x", None, None, "Host/x:latest"),
        ("host:5/a.b__c-d--e/f_g", "host:5", "a.b__c-d--e/f_g", None, None, "host:5/a.b__c-d--e/f_g:latest"),
        (f"x@{DIGEST}", "docker.io", "library/x", None, DIGEST, f"docker.io/library/x@{DIGEST}"),
        (f"r.io/x:t@{DIGEST}", "r.io", "x", "t", DIGEST, f"r.io/x:t@{DIGEST}"),
        ("0" * 64 + ":t", "docker.io", "library/" + "0" * 64, "t", None, "docker.io/library/" + "0" * 64 + ":t"),
        ("r.io/" + "a" * 255, "r.io", "a" * 255, None, None, "r.io/" + "a" * 255 + ":latest"),
        ("x:" + "t" * 128, "docker.io", "library/x", "t" * 128, None, "docker.io/library/x:" + "t" * 128),
    ],
)
def test_a_reference_is_what_docker_makes_of_it(
    text: str, registry: str, repository: str, tag: str | None, digest: str | None, canonical: str
) -> None:
    found = ImageReference.parse(text)
    assert (found.registry, found.repository, found.tag, found.digest) == (registry, repository, tag, digest)
    assert (str(found), found.canonical) == (text, canonical)
    assert ImageReference.parse(canonical).canonical == canonical


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x\n", "line ends"),
        (" x", "blanks"),
        ("https://ghcr.io/me/x", "address"),
        ("llm/litellm@1", "provider ref"),
        ("my.org/lite_llm@12", "provider ref"),
        ("ghcr.io/Me/x", "lower-case"),
        ("Name", "lower-case"),
        ("Ghcr.io/A/B", "lower-case"),
        ("0123456789abcdef" * 4, "image ID"),
        ("x@sha256:00", "64"),
        (f"x@{DIGEST.upper()}", "64"),
        (f"x@{DIGEST}0", "64"),
        ("x@md5:00", "sha256"),
        ("x:", "expected"),
        ("x:" + "t" * 129, "expected"),
        ("x:.tag", "expected"),
        ("a//b", "expected"),
        ("/x", "nothing before"),
        ("", "it is empty"),
        ("x/", "expected"),
        ("a..b", "expected"),
        ("-x", "expected"),
        ("x___y", "expected"),
        ("r.io:port/x", "expected"),
        ("r.io/" + "a" * 256, "255"),
        ("ünicode", "expected"),
        ("x:t:u", "expected"),
    ],
)
def test_what_is_none_is_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        ImageReference.parse(text)
    assert said in caught.value.message
    assert caught.value.code == "ERR_USAGE"


component = st.from_regex(r"[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}", fullmatch=True)
label = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,6}[a-zA-Z0-9])?", fullmatch=True)
ipv6 = st.lists(st.from_regex("[0-9a-fA-F]{1,4}", fullmatch=True), min_size=8, max_size=8).map(":".join)
host = st.one_of(
    st.just("localhost"),
    st.lists(label, min_size=2, max_size=3).map(".".join),
    st.builds("{}:{}".format, label, st.integers(1, 65535)),
    st.builds(
        "[{}]:{}".format,
        ipv6,
        st.integers(1, 65535),
    ),
)
path = st.lists(component, min_size=1, max_size=3).map("/".join)
tag = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", fullmatch=True)
digest = st.from_regex(r"sha256:[0-9a-f]{64}", fullmatch=True)


@given(st.none() | host, path, st.none() | tag, st.none() | digest)
def test_what_is_written_comes_back_and_means_its_parts(
    host: str | None, path: str, tag: str | None, digest: str | None
) -> None:
    text = (f"{host}/" if host else "") + path + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    found = ImageReference.parse(text)
    assert str(found) == text
    assert (found.tag, found.digest) == (tag, digest)
    assert found.canonical == ImageReference.parse(found.canonical).canonical
    if host:
        assert (found.registry, found.repository) == (host, path)
    else:
        assert found.name.endswith(path)


def test_the_hint_shows_one_that_can_be_written() -> None:
    with pytest.raises(UsageError) as caught:
        ImageReference.parse("")
    assert ImageReference.parse((caught.value.hint or "").rpartition(" ")[2]).tag


@given(st.text(max_size=40))
def test_any_text_is_a_reference_or_refused(text: str) -> None:
    try:
        assert str(ImageReference.parse(text)) == text
    except UsageError as refused:
        assert repr(text) in refused.message
