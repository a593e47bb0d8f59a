"""Attachments: checked before anything starts, hashed once, typed by content."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import REF, Cli
from theoryctl.errors import BadAttachment, UsageError
from theoryctl.instances.sent import encoded
from theoryctl.requests.attachments import load_attachments, media_type, parse_size
from theoryctl_providers.contract import Attachment, ProviderConfig, Request

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
RUN = ("local", "run", "--ref", REF)


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("1024", 1024), ("5MB", 5_000_000), ("100MiB", 104_857_600), ("1 GiB", 1 << 30)]
)
def test_a_size_has_a_unit_or_is_in_bytes(text: str, size: int) -> None:
    assert parse_size(text) == size


@given(st.text(max_size=8))
def test_any_text_is_a_size_or_a_usage_error(text: str) -> None:
    try:
        assert parse_size(text) >= 0
    except UsageError as error:
        assert "100MiB" in str(error.hint)


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("photo.jpg", PNG, "image/png"),
        ("x", b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"),
        ("x.bin", b"RIFF\x24\x08\x00\x00WAVEfmt ", "audio/wav"),
        ("x", b"ID3\x03\x00" + b"\0" * 60, "audio/mpeg"),
        ("x", b"%PDF-1.7\n", "application/pdf"),
        ("notes.md", b"# hi", "text/markdown"),
        ("data.json", b"{}", "application/json"),
        ("noname", "grüße".encode(), "text/plain"),
        ("noname", b"\x01\x00\x02", "application/octet-stream"),
        ("noname", "ü".encode() * 10 + b"\xc3", "text/plain"),
        ("empty", b"", "text/plain"),
        ("report.docx", b"PK\x03\x04" + b"\0" * 40, DOCX),
        ("archive.zip", b"PK\x03\x04" + b"\0" * 40, "application/zip"),
        ("scan.pdf", b"\x00\x01unknown", "application/pdf"),
    ],
)
def test_the_media_type_is_by_content_then_by_name(name: str, head: bytes, expected: str) -> None:
    assert media_type(name, head) == expected


def test_an_attachment_is_hashed_and_shown_without_its_path(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(PNG)
    ran = cli(*RUN, "--attach", f"image={tmp_path / 'photo.jpg'}", "--json")
    digest = f"sha256:{hashlib.sha256(PNG).hexdigest()}"
    assert ran.document["meta"]["attachments"] == [
        {"name": "image", "media_type": "image/png", "size": len(PNG), "digest": digest}
    ]
    assert str(tmp_path) not in ran.out + ran.err


def test_the_answer_depends_on_the_content_and_not_on_the_file_name(cli: Cli, tmp_path: Path) -> None:
    for name in ("a.png", "b"):
        (tmp_path / name).write_bytes(PNG)
    (tmp_path / "c").write_bytes(PNG + b"!")
    a, b, c = (cli(*RUN, "--attach", f"image={tmp_path / name}").out for name in ["a.png", "b", "c"])
    assert a == b != c


def test_a_reference_in_the_inputs_is_the_attached_file(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(PNG)
    parts = [{"type": "text", "text": "What?"}, {"$attach": "image"}]
    text = json.dumps({"messages": [{"role": "user", "content": parts}]})
    ran = cli(*RUN, "--attach", f"image={tmp_path / 'x'}", "--inputs-json", text)
    assert "- image: 28 bytes, sha256:" in ran.out
    missing = cli(*RUN, "--inputs-json", text, "--json")
    assert (missing.status, missing.document["error"]["code"]) == (3, "ERR_ATTACHMENT")


def test_what_is_wrong_with_an_attachment_is_said(tmp_path: Path) -> None:
    (tmp_path / "ok").write_bytes(b"x" * 11)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for arguments, reason in (
        (["image"], "is not NAME=PATH"),
        (["image="], "is not NAME=PATH"),
        (["=x"], "may hold only"),
        (["a b=x"], "may hold only"),
        (["../x=y"], "may hold only"),
        ([f"a={tmp_path / 'ok'}", f"a={tmp_path / 'ok'}"], "two attachments are called 'a'"),
        (["a=/no/such/file"], "No such file"),
        ([f"a={tmp_path}"], "is not a regular file"),
        ([f"a={fifo}"], "is not a regular file"),
        (["a=/dev/zero"], "is not a regular file"),
        (["a=x\0y"], "null"),
        ([f"a={tmp_path / 'ok'}"], "at most 10 are allowed"),
    ):
        with pytest.raises(BadAttachment, match=reason) as caught:
            load_attachments(arguments, 10)
        assert caught.value.code == "ERR_ATTACHMENT"
        assert caught.value.hint


def test_every_attachment_is_checked_before_the_first_is_read(tmp_path: Path) -> None:
    secret = tmp_path / "first"
    secret.write_bytes(b"x")
    before = os.stat(secret).st_atime_ns
    with pytest.raises(BadAttachment, match="/no/such"):
        load_attachments([f"a={secret}", "b=/no/such"], 10)
    assert os.stat(secret).st_atime_ns == before


def test_a_large_file_is_hashed_without_being_held_in_memory(tmp_path: Path) -> None:
    import tracemalloc

    file = tmp_path / "large"
    with file.open("wb") as sparse:
        sparse.truncate(64 << 20)
    tracemalloc.start()
    try:
        (attachment,) = load_attachments([f"a={file}"], 64 << 20)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert attachment.size == 64 << 20


def test_a_file_that_grows_while_it_is_read_is_refused_at_the_limit(tmp_path: Path) -> None:
    # The kernel says 0 bytes of what it makes up while it is read.
    with pytest.raises(BadAttachment, match="at most 10 are allowed"):
        load_attachments(["a=/proc/cpuinfo"], 10)


def test_the_hint_of_a_wrong_attachment_shows_one_that_can_be_typed(cli: Cli) -> None:
    for wrong in ("=photo.jpg", "a b=photo.jpg"):
        refused = cli("local", "run", "hi", "--ref", REF, "--attach", wrong)
        assert refused.err.endswith(" hint: write it as image=photo.jpg\n")


def test_a_file_that_shrinks_while_it_is_sent_is_told_and_nothing_is_made_up(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"short")
    digest = f"sha256:{'0' * 64}"
    file = Attachment(name="a", path=str(tmp_path / "file"), digest=digest, media_type="text/plain", size=9)
    _, pieces = encoded(Request(config=ProviderConfig(provider="mock"), inputs={}, attachments=(file,)))
    with pytest.raises(BadAttachment, match="expected 9 bytes, got 5: it shrank"):
        list(pieces)
