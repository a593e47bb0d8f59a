"""Attachments as they reach a vendor: each in the vendor's own form, and none that is not what it was."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from tests.real.conftest import ANTHROPIC, LITELLM_WARNINGS, OLLAMA, Ask, Sent, addresses
from theoryctl.requests.attachments import media_type
from theoryctl_providers.contract import Attachment

pytestmark = LITELLM_WARNINGS

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0\x1f\x15\xc4\x89"
WAV = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\0\0\0\0"
MP3 = b"ID3\4\0\0\0\0\0\0"
PDF = b"%PDF-1.4\n%%EOF\n"


def attach(folder: Path, name: str, data: bytes) -> Attachment:
    path = folder / name
    path.write_bytes(data)
    return Attachment(
        name=name,
        path=str(path),
        digest=f"sha256:{hashlib.sha256(data).hexdigest()}",
        media_type=media_type(str(path), data),
        size=len(data),
    )


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("name", "data", "part"),
    [
        ("a.png", PNG, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{b64(PNG)}"}}),
        ("a.wav", WAV, {"type": "input_audio", "input_audio": {"data": b64(WAV), "format": "wav"}}),
        ("a.mp3", MP3, {"type": "input_audio", "input_audio": {"data": b64(MP3), "format": "mp3"}}),
        (
            "a.pdf",
            PDF,
            {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{b64(PDF)}"}},
        ),
        ("a.md", "Grüße".encode(), {"type": "text", "text": "Grüße"}),
        ("a.json", b'{"a": 1}', {"type": "text", "text": '{"a": 1}'}),
        ("a.csv", b"a,b\n", {"type": "text", "text": "a,b\n"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_attachment_becomes_the_part_that_openai_takes(
    sent: Sent, tmp_path: Path, name: str, data: bytes, part: dict[str, Any]
) -> None:
    (message,) = sent(attachments=(attach(tmp_path, name, data),))["messages"]
    assert message["content"] == [{"type": "text", "text": "Say hello."}, part]


@pytest.mark.parametrize(
    ("name", "data", "kind", "media"),
    [("a.png", PNG, "image", "image/png"), ("a.pdf", PDF, "document", "application/pdf")],
    ids=["image", "document"],
)
def test_an_attachment_becomes_the_block_that_anthropic_takes(
    sent: Sent, tmp_path: Path, name: str, data: bytes, kind: str, media: str
) -> None:
    (message,) = sent(ANTHROPIC, attachments=(attach(tmp_path, name, data),))["messages"]
    (block,) = [block for block in message["content"] if block["type"] == kind]
    assert block["source"] == {"type": "base64", "media_type": media, "data": b64(data)}


def test_an_image_becomes_the_list_that_ollama_takes(sent: Sent, tmp_path: Path) -> None:
    (message,) = sent(OLLAMA, attachments=(attach(tmp_path, "a.png", PNG),))["messages"]
    assert (message["content"], message["images"]) == ("Say hello.", [b64(PNG)])


def test_an_attachment_goes_where_it_is_referenced(sent: Sent, tmp_path: Path) -> None:
    content = [{"$attach": "b.txt"}, {"type": "text", "text": "and"}, {"$attach": "a.txt"}]
    files = (attach(tmp_path, "a.txt", b"first"), attach(tmp_path, "b.txt", b"second"))
    (message,) = sent(attachments=files, messages=[{"role": "user", "content": content}])["messages"]
    assert [part["text"] for part in message["content"]] == ["second", "and", "first"]


@pytest.mark.parametrize(
    "spoil", [lambda path: path.unlink(), lambda path: path.write_bytes(b"other text")], ids=["gone", "changed"]
)
def test_an_attachment_that_is_not_what_it_was_is_refused_unasked(
    ask: Ask, vendors: HTTPServer, tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    attachment = attach(tmp_path, "a.txt", b"text")
    spoil(Path(attachment.path))
    assert ask(addresses(vendors), attachments=(attachment,)).error["code"] == "ERR_ATTACHMENT"
    assert vendors.log == []


def test_a_text_that_is_not_utf_8_is_refused_unasked(ask: Ask, vendors: HTTPServer, tmp_path: Path) -> None:
    attachment = replace(attach(tmp_path, "a.txt", b"\xff\xfe\0"), media_type="text/plain")
    error = ask(addresses(vendors), attachments=(attachment,)).error
    assert (error["code"], "not UTF-8" in error["message"]) == ("ERR_ATTACHMENT", True)
    assert vendors.log == []
