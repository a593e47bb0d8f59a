"""Runs over HTTP: documents in, envelopes or events out, in mock mode and real."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from tests.conftest import ROOT
from tests.providers.started import ASK, BOUNDARY, CANARY, CONFIG, TOKEN, Start, entry, limited, multipart, real
from tests.real.vendor import Vendor, fails
from theoryctl_providers import run
from theoryctl_providers.contract import Script

ENVELOPE = json.loads((ROOT / "docs" / "envelope.schema.json").read_text())
REQUEST = json.loads((ROOT / "docs" / "run.schema.json").read_text())
FORM = {"content_type": f"multipart/form-data; boundary={BOUNDARY}"}


# -- what it answers --


def test_health_needs_no_token_and_says_who_is_there(start: Start) -> None:
    health = start().ask("GET", "/healthz", token=None).document
    assert (health["ready"], health["ref"], health["provider"]) == (True, "llm/litellm@1", "litellm")
    assert health["version"] and health["uptime_s"] >= 0


def test_health_proves_the_token_of_the_start_for_its_own_port(start: Start) -> None:
    server = start()
    nonce = "0123456789abcdef" * 2
    said = b"theoryctl-healthz-v1" + nonce.encode() + str(server.port).encode()
    health = server.ask("GET", f"/healthz?nonce={nonce}", token=None).document
    assert health["proof"] == hmac.new(TOKEN.encode(), said, hashlib.sha256).hexdigest()
    assert "proof" not in server.ask("GET", "/healthz", token=None).document


def test_a_nonce_of_another_form_is_refused(start: Start) -> None:
    server = start()
    for nonce in ("", "0" * 31, "0" * 33, "0" * 31 + "g", "%00" * 32, "A" * 32, "%D9%A1" * 32):
        answer = server.ask("GET", f"/healthz?nonce={nonce}", token=None)
        assert (answer.status, answer.error["code"]) == (400, "ERR_USAGE"), nonce


def test_a_run_answers_with_the_same_outputs_as_the_embedded_provider(start: Start) -> None:
    answer = start().run()
    jsonschema_rs.validate(ENVELOPE, answer.document)
    here = run(ASK, provider="litellm")
    assert (answer.status, answer.document["runtime"]) == (200, "process")
    assert (answer.document["outputs"], answer.document["usage"]) == (here["outputs"], here["usage"])


def test_every_golden_request_gives_the_same_bytes_over_http(start: Start) -> None:
    server = start()
    for case in json.loads((ROOT / "tests/providers/golden_mock.json").read_text()):
        if not case["attachments"]:
            answer = server.run({"inputs": case["inputs"]})
            assert {key: answer.document[key] for key in ("outputs", "usage")} == case["expected"], case["name"]


def test_a_stream_gives_the_events_and_ends_with_the_same_envelope(start: Start) -> None:
    server = start()
    stream = server.run(accept="text/event-stream")
    assert stream.headers["content-type"].startswith("text/event-stream")
    blocks = [
        dict(line.split(": ", 1) for line in block.split("\n")) for block in stream.body.decode().split("\n\n") if block
    ]
    assert [block["event"] for block in blocks][:2] == ["started", "delta"]
    assert blocks[-1]["event"] == "result"
    text = "".join(json.loads(block["data"])["text"] for block in blocks if block["event"] == "delta")
    envelope = json.loads(blocks[-1]["data"])
    assert envelope["outputs"] == server.run().document["outputs"]
    assert text == envelope["outputs"][0]["text"]


@pytest.mark.parametrize(
    ("document", "status", "code"),
    [
        ({"inputs": {"messages": "x"}}, 400, "ERR_INPUTS"),
        ({"inputs": {**ASK, "mode": "odd"}}, 400, "ERR_INPUTS"),
        ({"inputs": {**ASK, "logprobs": True}}, 400, "ERR_UNSUPPORTED_PARAM"),
        ({"inputs": {**ASK, "messages": [{"role": "user", "content": {"$attach": "a"}}]}}, 400, "ERR_ATTACHMENT"),
    ],
)
def test_a_failed_run_is_an_envelope_with_the_status_of_its_code(
    start: Start, document: Any, status: int, code: str
) -> None:
    answer = start().run(document)
    jsonschema_rs.validate(ENVELOPE, answer.document)
    assert (answer.status, answer.error["code"]) == (status, code)


def test_a_hint_over_http_names_a_field_of_the_body_and_in_a_stream_no_way_at_all(start: Start) -> None:
    server, odd = start(), {"inputs": ASK, "mode": "odd"}
    assert server.run(odd).error["hint"] == 'set "mode" to "mock" or "real"'
    streamed = server.run(odd, accept="text/event-stream")
    last = streamed.body.decode().rpartition("data: ")[2]
    assert json.loads(last)["error"]["hint"] == "set the mode to mock or real"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"inputs": 1}', b'{"inputs": {}, "inputs": {}}', b"\xff"], ids=repr
)
def test_a_body_that_is_no_call_is_refused(start: Start, body: bytes) -> None:
    answer = start().run(body)
    assert (answer.status, answer.error["code"], answer.document["schema"]) == (400, "ERR_INPUTS", "theoryctl.error/v1")


RUN_ID = f"run_{'0' * 32}"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"tiemout": 5}, "$.tiemout: expected one of inputs, mode, timeout, run_id, attachments, got another key"),
        ({"timeout": -1}, "$.timeout: expected more than 0, got -1"),
        ({"timeout": 10**309}, "$.timeout: expected a number, got an integer out of range"),
        ({"timeout": "5"}, "$.timeout: expected a number, got a text"),
        ({"run_id": f"{RUN_ID}\n"}, "$.run_id: expected text matching"),
        ({"run_id": f"run_{chr(27)}{'0' * 31}"}, "$.run_id: expected text matching"),
        ({"mode": [1]}, "$.mode: expected a text, got an array"),
        ({"attachments": 5}, "$.attachments: expected an array, got an integer"),
        (
            {"attachments": [{"name": "../a", "digest": "x", "size": 0}]},
            "$.attachments[0].name: expected text matching",
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_request_off_its_published_schema_is_refused_with_its_place(start: Start, more: Any, message: str) -> None:
    server, document = start(), {"inputs": ASK, **more}
    assert not jsonschema_rs.is_valid(REQUEST, document)
    for answer in (server.run(document), server.run(multipart(document), **FORM)):
        assert (answer.status, answer.error["code"]) == (400, "ERR_INPUTS")
        assert message in answer.error["message"]


def test_what_the_published_schema_names_is_taken(start: Start) -> None:
    document = {"inputs": ASK, "mode": "mock", "timeout": 1.5, "run_id": RUN_ID, "attachments": []}
    nulls = {"inputs": ASK, "mode": None, "timeout": None, "run_id": None, "attachments": None}
    server = start()
    for each in (document, nulls):
        jsonschema_rs.validate(REQUEST, each)
        assert server.run(each).status == 200
    assert server.run(document).document["run_id"] == RUN_ID


def test_a_run_that_fails_for_its_mode_fits_the_published_envelope(start: Start) -> None:
    envelope = start().run({"inputs": ASK, "mode": "odd"}).document
    jsonschema_rs.validate(ENVELOPE, envelope)
    assert (envelope["mode"], envelope["error"]["code"]) == (None, "ERR_INPUTS")


def test_attachments_without_parts_are_missed(start: Start) -> None:
    answer = start().run({"inputs": ASK, "attachments": [entry("image", b"data")]})
    assert (answer.status, answer.error["code"]) == (400, "ERR_ATTACHMENT")


def test_a_number_of_recordings_that_no_number_is_as_long_as_is_refused_in_json(start: Start) -> None:
    server = start()
    for upto in ("1" * 4301, "x", ""):
        answer = server.ask("DELETE", f"/v1/recordings?upto={upto}")
        assert (answer.status, answer.error["code"]) == (400, "ERR_USAGE")


def test_a_failure_that_says_when_to_come_again_says_it_in_the_header_too(start: Start) -> None:
    busy = {"fault": {"status": 429, "retry_after": 1.5}}
    script = Script.load({"rules": [{"answers": [busy, {"fault": {"status": 503}}, {"text": "at last"}]}]})
    server = start(replace(CONFIG, provider=replace(CONFIG.provider, script=script)))
    refused, failed, answered = (server.run() for _ in range(3))
    assert (refused.status, refused.error["code"], refused.headers["retry-after"]) == (429, "ERR_RATE_LIMITED", "2")
    assert "x-should-retry" not in refused.headers  # a script tests clients that try again
    assert [(answer.status, "retry-after" in answer.headers) for answer in (failed, answered)] == [
        (503, False),
        (200, False),
    ]


# -- attachments --


def test_attachments_are_streamed_behind_the_document(start: Start) -> None:
    data = os.urandom(300_000)
    document = {"inputs": ASK, "attachments": [entry("image", data)]}
    answer = start().run(multipart(document, ("image", data)), **FORM)
    assert answer.document["meta"]["attachments"] == [entry("image", data)]
    assert "- image: 300000 bytes" in answer.document["outputs"][0]["text"]


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ([("image", b"other")], "ERR_ATTACHMENT"),
        ([], "ERR_ATTACHMENT"),
        ([("image", b"data"), ("more", b"x")], "ERR_ATTACHMENT"),
        ([("image", b"x" * 2000)], "ERR_TOO_LARGE"),
    ],
    ids=["changed", "missing", "unannounced", "too large"],
)
def test_an_attachment_that_is_not_what_the_document_says_is_refused(start: Start, files: Any, code: str) -> None:
    document = {"inputs": ASK, "attachments": [entry("image", b"data")]}
    answer = start(limited(attachment=1000)).run(multipart(document, *files), **FORM)
    assert answer.error["code"] == code


def test_a_form_that_is_broken_or_without_its_document_is_refused(start: Start) -> None:
    server = start()
    for body in (b"", b"--b0undary", b"garbage", multipart({"inputs": ASK})[:-20].replace(b"request", b"other")):
        assert server.run(body, **FORM).status == 400
    assert server.run().status == 200


# -- real mode --


def test_a_real_instance_calls_the_vendor_and_its_secrets_are_nowhere_to_be_seen(start: Start) -> None:
    with Vendor() as vendor:
        server = start(real(vendor))
        answer = server.run()
        assert (answer.status, answer.document["outputs"][0]["text"]) == (200, "Hello there!")
        assert vendor.requests[0].headers["authorization"] == f"Bearer {CANARY}"
        seen = [Path(f"/proc/{server.process.pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
    server.stop()
    seen += [answer.body, server.log.read_bytes()]
    assert [text for text in seen if CANARY.encode() in text or TOKEN.encode() in text] == []


def test_a_run_is_tried_again_here_and_its_client_is_told_not_to(start: Start) -> None:
    with Vendor(fails(503, retry_after="0.01")) as vendor:
        answer = start(real(vendor)).run()
    assert (answer.status, answer.error["code"], len(vendor.requests)) == (503, "ERR_UNAVAILABLE", 3)
    assert answer.headers["x-should-retry"] == "false"


def test_a_mock_instance_never_imports_litellm(start: Start) -> None:
    server = start()
    server.run()
    maps = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "tiktoken" not in maps and "tokenizers" not in maps
