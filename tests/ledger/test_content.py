"""Content of a run as the ledger keeps it: JSON, without secrets, and good for asking again from another folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from theoryctl.ledger.content import Content, content_of
from theoryctl_providers.contract import Attachment, Envelope, Mode, ProviderConfig, Request, build_envelope

KEY = "sk-of-nobody-0123456789"
ASK = {"messages": [{"role": "user", "content": "Say hello."}]}


def kept(
    inputs: Any = ASK,
    answers: dict[str, Any] | None = None,
    *,
    mode: Mode = "real",
    said: str = "Hello.",
    attachments: tuple[Attachment, ...] = (),
) -> Content | None:
    """The content of a run whose answer was what is `said`."""
    config = ProviderConfig(secrets={"OPENAI_API_KEY": KEY})
    request = Request(config=config, inputs=inputs, mode=mode, attachments=attachments)
    output: Any = {"name": "answer", "media_type": "text/plain", "text": said}
    envelope: Envelope = build_envelope(error=None, ref="a/b@1", mode=mode, outputs=[output])
    return content_of(request, envelope, answers or {})


def test_content_is_json_and_without_flags_names_no_answers() -> None:
    content = kept({"n": 1})
    assert content == Content('{"n": 1}', '[{"name": "answer", "media_type": "text/plain", "text": "Hello."}]')


def test_a_secret_is_taken_out_of_inputs_and_outputs_and_the_row_says_so() -> None:
    content = kept({"messages": [{"role": "user", "content": f"My key is {KEY}."}]}, said=f"It is {KEY}.")
    assert content is not None
    assert KEY not in f"{content}" and "It is [OPENAI_API_KEY]." in content.outputs
    assert content.redacted


def test_a_secret_in_the_answer_alone_leaves_the_inputs_as_they_were_asked() -> None:
    content = kept(said=f"It is {KEY}.")
    assert content is not None
    assert (KEY in content.outputs, content.redacted) == (False, False)


def test_files_that_came_with_the_inputs_are_told_of() -> None:
    content = kept(attachments=(Attachment(name="a", path="a", digest="sha256:0", media_type="text/plain", size=1),))
    assert content is not None
    assert content.attached


def _nested() -> Any:
    inner: Any = []
    for _ in range(100_000):
        inner = [inner]
    return inner


@pytest.mark.parametrize("inputs", [5, {"a": object()}, {"a": float("nan")}, {"a": "\ud800"}, {"a": _nested()}])
def test_inputs_that_are_no_json_have_no_content(inputs: Any) -> None:
    assert kept(inputs) is None


@pytest.mark.parametrize("flag", ["--script", "--replay", "--record-missing"])
def test_a_path_is_kept_whole_for_whoever_asks_again_from_another_folder(flag: str) -> None:
    content = kept(mode="mock", answers={flag: "a/b.yaml", "--tools": "each"})
    assert content is not None and content.answers is not None
    assert json.loads(content.answers) == {flag: str(Path.cwd() / "a/b.yaml"), "--tools": "each"}


@pytest.mark.parametrize("several", [tuple, list])
def test_each_of_several_paths_is_kept_whole(several: type[Any]) -> None:
    content = kept(mode="mock", answers={"--script": several(("a.yaml", "/b.yaml"))})
    assert content is not None and content.answers is not None
    assert json.loads(content.answers) == {"--script": [str(Path.cwd() / "a.yaml"), "/b.yaml"]}
