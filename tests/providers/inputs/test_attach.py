"""`$attach`: replaced where it may stand, refused where it may not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theoryctl_providers.contract import Attachment, ProviderError
from theoryctl_providers.inputs.attach import resolve_attachments

NAMES = st.text("abcxyz019._-", min_size=1, max_size=8)


def file(name: str) -> Attachment:
    return Attachment(name=name, path="/x", digest="sha256:" + "0" * 64, media_type="image/png", size=1)


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


@given(st.lists(NAMES, unique=True, min_size=1, max_size=6), st.randoms())
def test_every_attachment_ends_up_in_the_messages_exactly_once(names: list[str], random: Any) -> None:
    referenced = [name for name in names if random.random() < 0.5]
    content = [{"type": "text", "text": "x"}, *({"$attach": name} for name in referenced)]
    resolved = resolve_attachments({"messages": [user("first"), user(content)]}, [file(name) for name in names])
    parts = [part for part in resolved["messages"][1]["content"] if isinstance(part, Attachment)]
    assert sorted(part.name for part in parts) == sorted(names)
    assert [part.name for part in parts[: len(referenced)]] == referenced
    assert resolved["messages"][0] == user("first")


@given(st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(NAMES, x)))
def test_inputs_without_a_reference_come_back_unchanged(value: Any) -> None:
    inputs = {"messages": [user("x")], "metadata": {"value": value}}
    assert resolve_attachments(inputs, []) == inputs


def test_a_reference_may_be_the_whole_content_of_a_message() -> None:
    resolved = resolve_attachments({"messages": [user({"$attach": "image"})]}, [file("image")])
    assert resolved["messages"][0]["content"] == [file("image")]


def test_the_inputs_themselves_are_left_alone() -> None:
    inputs = {"messages": [user("x")]}
    resolve_attachments(inputs, [file("image")])
    assert inputs == {"messages": [user("x")]}


def test_an_unreferenced_attachment_goes_to_the_last_user_message_even_before_an_answer() -> None:
    messages = [user("a"), {"role": "assistant", "content": "b"}]
    resolved = resolve_attachments({"messages": messages}, [file("image")])
    assert resolved["messages"][0]["content"] == [{"type": "text", "text": "a"}, file("image")]


@pytest.mark.parametrize(
    ("inputs", "attached", "message", "hint"),
    [
        (
            {"messages": [user([{"$attach": "imag"}])]},
            ["image"],
            "'imag'; attached are: image",
            "write 'image'",
        ),
        ({"messages": [user([{"$attach": "image"}])]}, [], "nothing is attached", "attach a file by the name image"),
        ({"messages": [{"role": "system", "content": "x"}]}, ["image"], "no user message", '{"$attach": "image"}'),
        (
            {"messages": [user([{"type": "image_url", "image_url": {"url": {"$attach": "image"}}}])]},
            ["image"],
            "image_url",
            "",
        ),
        ({"messages": [user("x")], "metadata": {"a": {"$attach": "image"}}}, ["image"], "$.metadata.a", "content"),
    ],
    ids=["near miss", "nothing attached", "no user message", "too deep", "outside of messages"],
)
def test_a_reference_that_leads_nowhere_is_err_attachment(
    inputs: dict[str, Any], attached: list[str], message: str, hint: str
) -> None:
    with pytest.raises(ProviderError) as caught:
        resolve_attachments(inputs, [file(name) for name in attached])
    assert caught.value.code == "ERR_ATTACHMENT"
    assert message in caught.value.message
    assert hint in str(caught.value.hint)
