"""Rows of OpenAI's batch output (platform.openai.com/docs/api-reference/batch/request-output).

The digest of the request, the mode, the number of the line, and the usage as ours, with its price, stand in `metadata`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from theoryctl.batch.rows import ASKED_AGAIN, Before, Row, copied_line, decoded, row_line, row_of, told_before
from theoryctl_providers.contract import ERRORS, Envelope, OutputDocument, UsageDocument, dumps

#: The beginning of a row, about the number of its line and its id.
_HEAD = re.compile(
    rb'(\{"id":"[^"\\]*","metadata":\{"request_digest":"[^"\\]*",(?:"mode":(?:"[a-z]*"|null),)?"line":)(\d{1,18})'
    rb'(,"usage":\{[^{}]*\}\},"custom_id":)(?:"(?:[^"\\]|\\.)*"|null),'
)

#: Outputs that have a place of their own in a message, or in a choice.
_PLACED = ("answer", "refusal", "tool_calls", "reasoning", "annotations", "finish_reason", "logprobs")


class OpenAIRows:
    """Rows as a batch of OpenAI's has them: a chat completion, or a list of embeddings."""

    begin = b'{"id":"batch_req_'

    def write(self, id: str | None, number: int, digest: bytes, envelope: Envelope, before: Before = ()) -> bytes:
        error = envelope["error"]
        body = None if error else _body(envelope)
        status = ERRORS[error["code"]].http_status if error else 200
        return row_line(
            {
                "id": self.call_id(envelope["run_id"]),
                "metadata": {
                    "request_digest": f"sha256:{digest.hex()}",
                    "mode": envelope["mode"],
                    "line": number,
                    "usage": envelope["usage"],
                    **told_before(before),
                },
                "custom_id": id,
                "response": body and {"status_code": status, "request_id": envelope["run_id"], "body": body},
                "error": error and {"code": error["code"], "message": error["message"]},
            }
        )

    def call_id(self, run_id: str) -> str:
        return f"batch_req_{run_id[4:]}"

    def read(self, data: bytes) -> Row:
        row = decoded(data)
        try:
            code, known = row["error"]["code"] if row["error"] else None, row["metadata"]
            named = row["custom_id"], known["line"], known["request_digest"]
            found = row_of(*named, code, known["usage"], row.get("id"), known.get("mode"), known.get("before"))
            return replace(found, asked_again=True) if known.get(ASKED_AGAIN) is True else found
        except (AttributeError, KeyError, TypeError) as problem:
            raise ValueError(f"expected a row of OpenAI's batch output: {problem}") from None

    def number(self, data: bytes) -> int:
        found = _HEAD.match(data)
        return int(found[2] if found else decoded(data)["metadata"]["line"])

    def copy(self, data: bytes, id: str | None, number: int, before: Before = ()) -> bytes:
        found = _HEAD.match(data)
        if found is None or before:
            row = decoded(data)
            known = {**row["metadata"], "line": number, **told_before(before)}
            return copied_line({**row, "custom_id": id, "metadata": known})
        head, _, between = found.groups()
        return b"%b%d%b%b,%b" % (head, number, between, row_line({"": id})[4:-2], data[found.end() :])

    def ask_again(self, data: bytes) -> bytes:
        row = decoded(data)
        return copied_line({**row, "metadata": {**row["metadata"], ASKED_AGAIN: True}})


def _body(envelope: Envelope) -> dict[str, Any]:
    outputs = {output["name"]: output for output in envelope["outputs"]}
    if "embeddings" in outputs:
        return _embeddings(outputs["embeddings"]["json"], envelope)
    vendor = envelope["meta"]["vendor"]
    body = {
        "id": f"chatcmpl-{envelope['run_id'][4:]}",
        "object": "chat.completion",
        "created": _created(envelope),
        "model": (vendor and vendor["model"]) or envelope["model"],
        "choices": [_choice(index, named) for index, named in enumerate(_choices(outputs))],
        "usage": _usage(envelope["usage"]),
    }
    if vendor and vendor["system_fingerprint"]:
        body["system_fingerprint"] = vendor["system_fingerprint"]
    return body


def _embeddings(vectors: list[Any], envelope: Envelope) -> dict[str, Any]:
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    tokens = envelope["usage"]["input_tokens"]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": envelope["model"], "usage": usage}


def _created(envelope: Envelope) -> int:
    return int(datetime.fromisoformat(envelope["meta"]["started_at"]).timestamp())


def _choices(outputs: Mapping[str, OutputDocument]) -> Iterator[Mapping[str, OutputDocument]]:
    """The outputs of each choice, by their names without its number."""
    number = 0
    while (suffix := f".{number}" if number else "") is not None and f"finish_reason{suffix}" in outputs:
        yield {name: outputs[f"{name}{suffix}"] for name in _PLACED if f"{name}{suffix}" in outputs}
        number += 1


def _choice(index: int, outputs: Mapping[str, OutputDocument]) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": _text(outputs.get("answer")),
        "refusal": _text(outputs.get("refusal")),
    }
    if "reasoning" in outputs:
        message["reasoning_content"] = _text(outputs["reasoning"])
    if "annotations" in outputs:
        message["annotations"] = outputs["annotations"]["json"]
    if "tool_calls" in outputs:
        message["tool_calls"] = [_call(call) for call in outputs["tool_calls"]["json"]]
    logprobs = outputs["logprobs"]["json"] if "logprobs" in outputs else None
    return {
        "index": index,
        "message": message,
        "logprobs": logprobs,
        "finish_reason": _text(outputs.get("finish_reason")),
    }


def _text(output: OutputDocument | None) -> str | None:
    if output is None:
        return None
    return dumps(output["json"]) if "json" in output else output.get("text")


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    """A call with its arguments as the text that OpenAI has; text that was no JSON is as it was."""
    arguments = call["arguments"]
    text = arguments if isinstance(arguments, str) else dumps(arguments)
    return {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": text}}


def _usage(usage: UsageDocument) -> dict[str, Any] | None:
    sent, got = usage["input_tokens"], usage["output_tokens"]
    if sent is None or got is None:
        return None
    document: dict[str, Any] = {"prompt_tokens": sent, "completion_tokens": got, "total_tokens": sent + got}
    if usage["cached_input_tokens"] is not None:
        document["prompt_tokens_details"] = {"cached_tokens": usage["cached_input_tokens"]}
    if usage["reasoning_tokens"] is not None:
        document["completion_tokens_details"] = {"reasoning_tokens": usage["reasoning_tokens"]}
    return document
