"""The work of a batch: each line of its file is asked, and the answers are the lines of another file."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from starlette.types import ASGIApp

from theoryctl_providers.contract import ProviderError, canonical, dumps, loads
from theoryctl_providers.wires.body import check_keys, wrong
from theoryctl_providers.wires.exchange import NO_TIME
from theoryctl_providers.wires.openai.batches.inside import asked
from theoryctl_providers.wires.openai.batches.store import Store
from theoryctl_providers.wires.tenant import Tenant

_KNOWN = ("input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after")
_DAY = 24 * 60 * 60


async def done(body: Mapping[str, Any], store: Store, apps: Mapping[str, ASGIApp], tenant: Tenant) -> dict[str, Any]:
    """The batch that a tenant asks for, with all its lines answered; `apps` answer the endpoints that there are.

    Raises ProviderError `ERR_INPUTS`.
    """
    check_keys(body, _KNOWN)
    endpoint = body.get("endpoint")
    app = apps.get(endpoint) if isinstance(endpoint, str) else None
    if app is None:
        raise wrong("endpoint", f"expected one of {', '.join(apps)}, got {endpoint!r:.100}")
    if body.get("completion_window") != "24h":
        raise wrong("completion_window", "expected 24h")
    file_id = body.get("input_file_id")
    if not isinstance(file_id, str):
        raise wrong("input_file_id", "expected the id of a file")
    lines = _lines(store.file(file_id).data, str(endpoint))
    key = sha256(canonical(dict(body))).hexdigest()[:24]
    answers = [await _answer(line, f"{key}{index}", app, tenant) for index, line in enumerate(lines)]
    batch = _batch(body, f"batch_{key}", answers, store)
    store.put(batch)
    return batch


def _lines(data: bytes, endpoint: str) -> list[dict[str, Any]]:
    found, ids = [], set()
    for number, written in enumerate(data.splitlines(), 1):
        if not written.strip():
            continue
        line = loads(written, what=f"line {number} of the file")
        where = f"line {number}"
        if not isinstance(line, dict) or not isinstance(line.get("body"), dict):
            raise _bad(f"{where}: expected custom_id, method, url and body")
        if not isinstance(line.get("custom_id"), str) or line["custom_id"] in ids:
            raise _bad(f"{where}: expected a custom_id that no other line has")
        if (line.get("method"), line.get("url")) != ("POST", endpoint):
            raise _bad(f"{where}: expected POST {endpoint}, as the batch says")
        if line["body"].get("stream"):
            raise _bad(f"{where}: an answer in a batch is not streamed")
        ids.add(line["custom_id"])
        found.append(line)
    return found


def _bad(message: str) -> ProviderError:
    return ProviderError(
        "ERR_INPUTS", f"the file of the batch: {message}", hint="mend that line", param="input_file_id"
    )


async def _answer(line: Mapping[str, Any], key: str, app: ASGIApp, tenant: Tenant) -> dict[str, Any]:
    status, document = await asked(app, line["url"], line["body"], tenant)
    await asyncio.sleep(0)  # others have their turn
    response = {"status_code": status, "request_id": f"req_{key}", "body": document}
    return {"id": f"batch_req_{key}", "custom_id": line["custom_id"], "response": response, "error": None}


def _batch(body: Mapping[str, Any], batch_id: str, answers: list[dict[str, Any]], store: Store) -> dict[str, Any]:
    good = [answer for answer in answers if answer["response"]["status_code"] == 200]
    bad = [answer for answer in answers if answer["response"]["status_code"] != 200]
    return {
        "id": batch_id,
        "object": "batch",
        "endpoint": body["endpoint"],
        "errors": None,
        "input_file_id": body["input_file_id"],
        "completion_window": "24h",
        "status": "completed",
        "output_file_id": _written(good, f"{batch_id}_output.jsonl", store),
        "error_file_id": _written(bad, f"{batch_id}_error.jsonl", store),
        "created_at": NO_TIME,
        "in_progress_at": NO_TIME,
        "finalizing_at": NO_TIME,
        "completed_at": NO_TIME,
        "expires_at": NO_TIME + _DAY,
        "request_counts": {"total": len(answers), "completed": len(good), "failed": len(bad)},
        "metadata": body.get("metadata"),
    }


def _written(answers: list[dict[str, Any]], name: str, store: Store) -> str | None:
    """The id of the file with these lines; None for none."""
    if not answers:
        return None
    return store.add(name, "batch_output", "".join(f"{dumps(answer)}\n" for answer in answers).encode()).id
