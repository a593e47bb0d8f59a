"""Answers of Gemini's API that are one of several words (`text/x.enum`)."""

from __future__ import annotations

from typing import Any

import pytest
from google import genai

from tests.providers.started import serving
from tests.wires.conftest import Instance, scripted
from tests.wires.test_gemini import ASK, client_of, generate, post, streamed_or_not, text_of
from tests.wires.test_gemini import client as client

WORDS: Any = {"response_mime_type": "text/x.enum", "response_schema": {"type": "STRING", "enum": ["wind", "strings"]}}


@streamed_or_not
def test_one_of_several_words_comes_without_quotes(client: genai.Client, streamed: bool) -> None:
    schema = {"type": "STRING", "enum": ["wind", "strings"]}
    plain = generate(client, streamed, response_mime_type="text/x.enum", response_schema=schema)
    assert text_of(plain) == "wind"
    quoted = generate(client, streamed, response_mime_type="application/json", response_schema=schema)
    assert text_of(quoted) == '"wind"'


def test_a_word_that_a_limit_cuts_is_left_as_it_came(client: genai.Client) -> None:
    wanted: Any = {"response_mime_type": "text/x.enum", "response_schema": {"type": "STRING", "enum": ["a long word"]}}
    assert text_of(generate(client, **wanted, max_output_tokens=1)) == '"a'


#: What a script says, and the text that a client reads.
SAID: Any = {
    "a word": ({"text": '"wind"'}, "wind"),
    "a word with spaces around it": ({"text": ' "wind"\n'}, "wind"),
    "a word with a quote in it": ({"text": '"a \\"b\\""'}, 'a "b"'),
    "no JSON": ({"text": "wind"}, "wind"),
    "an end that is missing": ({"text": '"wind'}, '"wind'),
    "a number": ({"text": "12"}, "12"),
    "an object": ({"text": '{"a": "b"}'}, '{"a": "b"}'),
    "a refusal": ({"refusal": "I will not."}, "I will not."),
    "a refusal after a word": ({"text": '"wind"', "refusal": " No."}, "wind No."),
}


@streamed_or_not
@pytest.mark.parametrize("kind", SAID)
def test_what_is_no_word_is_told_as_it_came(kind: str, streamed: bool) -> None:
    answer, text = SAID[kind]
    with client_of(scripted({"rules": [{"answers": [answer]}]})) as client:
        told = generate(client, streamed, **WORDS)
    assert text_of(told) == text
    ended = told[-1].candidates[0].finish_reason
    assert ended == ("SAFETY" if "refusal" in answer else "STOP")


@streamed_or_not
def test_brackets_without_an_end_are_told_as_they_came(streamed: bool) -> None:
    schema = {"type": "STRING", "enum": ["wind"]}
    asked = {**ASK, "generationConfig": {"responseMimeType": "text/x.enum", "responseSchema": schema}}
    with serving(scripted({"rules": [{"answers": [{"text": "[" * 60_000}]}]})) as (port, _):
        answer = post(Instance(port), asked, what="streamGenerateContent" if streamed else "generateContent")
    assert (answer.status, answer.body.count(b"[" * 60_000)) == (200, 1)


def test_words_without_a_schema_are_refused_with_what_is_missing(client: genai.Client) -> None:
    with pytest.raises(genai.errors.ClientError, match="give a responseSchema with it") as refused:
        generate(client, response_mime_type="text/x.enum")
    assert refused.value.code == 400
