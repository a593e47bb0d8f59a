"""Exports: the ledger's rows for other programs."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.semconv._incubating.attributes import cicd_attributes, gen_ai_attributes, vcs_attributes
from opentelemetry.semconv.attributes import error_attributes, service_attributes

from tests.conftest import Cli
from tests.ledger.conftest import rows
from tests.ledger.rows import row, write
from theoryctl.ledger import gen_ai
from theoryctl.ledger.store import day


def in_protobufs_json(exported: str) -> str:
    """OTLP's JSON as protobuf's own: ids in base64 (opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding)."""
    return re.sub(r'"(traceId|spanId)":"([0-9a-f]+)"', lambda found: f'"{found[1]}":"{_base64(found[2])}"', exported)


def _base64(digits: str) -> str:
    return base64.b64encode(bytes.fromhex(digits)).decode()


def test_json_lines_are_the_rows_of_the_list_the_oldest_first(cli: Cli, state: Path) -> None:
    write(state, [row(day(), f"a/{n}", started_at=f"{day()}T0{n}:00:00.000Z") for n in range(3)])
    exported = [json.loads(line) for line in cli("runs", "export", "--jsonl").out.splitlines()]
    assert exported == rows(cli)[::-1]
    assert [each["model"] for each in exported] == ["a/0", "a/1", "a/2"]
    assert cli("runs", "export", "--model", "a/1").out.count("\n") == 1


def test_otlp_is_read_by_opentelemetrys_own_protobuf(cli: Cli, state: Path) -> None:
    at = f"{day()}T10:00:00.250Z"
    failed = row(day(), "bedrock/x", None, code="ERR_TIMEOUT", started_at=at, reasoning_tokens=3, run_id="run_b")
    write(state, [row(day(), "openai/gpt-4o-mini", 0.5, first_token_ms=80.5, run_id="run_a", operation="chat"), failed])
    exported = cli("runs", "export", "--otlp").out
    request = Parse(in_protobufs_json(exported), ExportTraceServiceRequest())
    ((first, second),) = (scope.spans for resource in request.resource_spans for scope in resource.scope_spans)
    facts = {each.key: each.value for each in first.attributes}
    assert (first.name, first.kind, len(first.trace_id), len(first.span_id)) == ("chat openai/gpt-4o-mini", 3, 16, 8)
    assert first.end_time_unix_nano - first.start_time_unix_nano == 812 * 10**6
    assert facts["gen_ai.usage.input_tokens"].int_value == 10
    assert facts["gen_ai.response.time_to_first_chunk"].double_value == 0.0805
    assert facts["gen_ai.provider.name"].string_value == "openai"
    assert facts["gen_ai.operation.name"].string_value == "chat"
    assert (second.status.code, second.status.message) == (2, "ERR_TIMEOUT")
    told = {each.key: each.value for each in second.attributes}
    assert (second.name, "gen_ai.operation.name" in told) == ("bedrock/x", False), "what it was is unknown"
    assert (told["error.type"].string_value, told["gen_ai.provider.name"].string_value) == (
        "ERR_TIMEOUT",
        "aws.bedrock",
    )
    assert first.trace_id != second.trace_id
    assert cli("runs", "export", "--otlp").out == exported


def test_the_names_are_those_of_opentelemetrys_conventions() -> None:
    known = {
        value
        for module in (gen_ai_attributes, cicd_attributes, vcs_attributes, error_attributes, service_attributes)
        for value in vars(module).values()
        if isinstance(value, str)
    }
    names = {value for name, value in vars(gen_ai).items() if name.isupper() and isinstance(value, str)}
    assert len(names) >= 8
    assert names | set(gen_ai.USAGE.values()) <= known
    providers = {each.value for each in gen_ai_attributes.GenAiProviderNameValues}
    assert set(gen_ai.PROVIDERS.values()) <= providers
    assert not set(gen_ai.OWN.values()) & known


def test_both_forms_at_once_are_refused(cli: Cli) -> None:
    ran = cli("runs", "export", "--jsonl", "--otlp")
    assert (ran.status, "hint: theoryctl runs export --otlp" in ran.err) == (2, True)
