"""Runs as spans of OpenTelemetry, in the JSON of OTLP (opentelemetry.io/docs/specs/otlp, JSON Protobuf Encoding).

Trace and span ids are hexadecimal, 64-bit integers are texts, and enums are numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from theoryctl.ledger import gen_ai
from theoryctl.ledger.row import Row
from theoryctl_providers.contract import VERSION

#: Of `Span.SpanKind` and `Status.StatusCode` (opentelemetry/proto/trace/v1/trace.proto).
_CLIENT, _ERROR = 3, 2
_SCOPE = "theoryctl.ledger"


def request_of(rows: Iterable[Row]) -> dict[str, Any]:
    """Return the rows as one `ExportTraceServiceRequest`, a trace and a span a run. Content is not in it."""
    resource = {gen_ai.SERVICE: "theoryctl", gen_ai.SERVICE_VERSION: VERSION}
    scope = {"scope": {"name": _SCOPE, "version": VERSION}, "spans": [_span(row) for row in rows]}
    return {"resourceSpans": [{"resource": {"attributes": _attributes(resource)}, "scopeSpans": [scope]}]}


def _span(row: Row) -> dict[str, Any]:
    begun = round(datetime.fromisoformat(row.started_at).timestamp() * 1000) * 10**6
    digest = hashlib.sha256(row.run_id.encode()).hexdigest()
    span = {
        "traceId": digest[:32],
        "spanId": digest[32:48],
        "name": " ".join(filter(None, (row.operation, row.model))) or "run",
        "kind": _CLIENT,
        "startTimeUnixNano": str(begun),
        "endTimeUnixNano": str(begun + round((row.duration_ms or 0) * 10**6)),
        "attributes": _attributes(dict(_facts(row))),
    }
    return span if row.code is None else {**span, "status": {"code": _ERROR, "message": row.code}}


def _facts(row: Row) -> Iterator[tuple[str, Any]]:
    vendor = (row.model or "").partition("/")[0]
    yield gen_ai.OPERATION, row.operation
    yield gen_ai.PROVIDER, gen_ai.PROVIDERS.get(vendor, vendor) or None
    yield gen_ai.REQUEST_MODEL, row.model
    yield gen_ai.RESPONSE_MODEL, row.answered
    yield gen_ai.ERROR_TYPE, row.code
    yield gen_ai.FIRST_CHUNK, None if row.first_token_ms is None else row.first_token_ms / 1000
    yield gen_ai.BRANCH, row.branch
    yield gen_ai.CI_RUN, row.ci_run
    yield "theoryctl.run_id", row.run_id
    for column, name in (*gen_ai.USAGE.items(), *gen_ai.OWN.items()):
        yield name, getattr(row, column)


def _attributes(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in facts.items() if value is not None]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": value}
