"""The batch APIs of OpenAI and Anthropic: a real HTTP server on 127.0.0.1.

Written from the vendors' references: platform.openai.com/docs/api-reference/{files,batch} with openai/types/batch.py,
and platform.claude.com/docs/en/api/messages/batches with anthropic/types/messages/message_batch.py. It checks what
those say of a request (limits apart), and does nothing by itself: a test says when a batch ends, and how.
It does not imitate TLS, the vendors' own models, or how long they take.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: The answer to one request of a batch, by its body: a status and a body, or the word for one that was not worked on.
Answers = Callable[[Mapping[str, Any]], tuple[int, Any] | str]


@dataclass
class Batch:
    """One batch: its requests by custom id, and the vendor's word for its state."""

    id: str
    requests: dict[str, Mapping[str, Any]]
    created_at: float
    word: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)
    endpoint: str = ""


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


def hello(body: Mapping[str, Any]) -> tuple[int, Any]:
    """A whole answer of the vendor whose request it is, of 10 tokens in and 5 out."""
    if "input" in body:
        vectors = [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}]
        return 200, {
            "object": "list",
            "data": vectors,
            "model": body["model"],
            "usage": {"prompt_tokens": 10, "total_tokens": 10},
        }
    text = f"Hello to {prompt_of(body)}."
    if "max_tokens" in body and body["model"].startswith("claude"):
        usage = {"input_tokens": 10, "output_tokens": 5}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"]}
        return 200, {**message, "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "usage": usage}
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    document = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": body["model"]}
    return 200, {**document, "choices": [choice], "usage": usage}


def prompt_of(body: Mapping[str, Any]) -> str:
    content = body["messages"][0]["content"]
    return content if isinstance(content, str) else content[0]["text"]


class BatchVendor:
    """Both vendors' APIs at one address, for as long as its `with` block. `asked` are the requests that it got."""

    def __init__(self, key: str) -> None:
        self.asked: list[Asked] = []
        self.batches: dict[str, Batch] = {}
        self.files: dict[str, bytes] = {}
        #: Called once a batch was made and before it is answered for; and for each request, to refuse it.
        self.made: Callable[[Batch], None] = lambda batch: None
        self.refuses: Callable[[Asked], tuple[int, Any] | None] = lambda asked: None
        self._key = key
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> BatchVendor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def env(self) -> dict[str, str]:
        """The variables that lead real mode here."""
        keys = {"OPENAI_API_KEY": self._key, "ANTHROPIC_API_KEY": self._key}
        return {**keys, "OPENAI_BASE_URL": f"{self.url}/v1", "ANTHROPIC_BASE_URL": self.url}

    @property
    def submitted(self) -> list[Batch]:
        return list(self.batches.values())

    def end(self, answers: Answers = hello, word: str | None = None, *, only: Batch | None = None) -> None:
        """End all batches that are worked on, or one; `word` is the vendor's, where it is not that of a success."""
        for batch in self.batches.values() if only is None else (only,):
            if batch.word in ("validating", "in_progress"):
                _End(self, batch).by(answers, word)

    def fail(self, code: str, message: str) -> None:
        """Refuse all batches as a whole, as OpenAI does with a file that it finds wrong."""
        for batch in self.batches.values():
            batch.word, batch.errors = "failed", [{"code": code, "line": 1, "message": message, "param": None}]

    # -- requests ------------------------------------------------------------------------------------------------------

    def answer(self, asked: Asked) -> tuple[int, Any]:
        with self._lock:
            self.asked.append(asked)
            is_anthropic = "/messages/" in asked.path
            key = asked.headers.get("x-api-key" if is_anthropic else "authorization", "").removeprefix("Bearer ")
            if key != self._key:
                return 401, {"error": {"type": "authentication_error", "message": f"invalid key {key}"}}
            if (refusal := self.refuses(asked)) is not None:
                return refusal
            return self._anthropic(asked) if is_anthropic else self._openai(asked)

    def _openai(self, asked: Asked) -> tuple[int, Any]:
        path = asked.path.partition("?")[0]
        if (asked.method, path) == ("POST", "/v1/files"):
            return 200, self._upload(asked)
        if (asked.method, path) == ("POST", "/v1/batches"):
            return 200, self._create(json.loads(asked.body))
        if path == "/v1/batches":
            found = [each for each in reversed(self.submitted) if each.endpoint]
            return 200, {"object": "list", "data": [_openai(each) for each in found], "has_more": False}
        if named := re.fullmatch(r"/v1/batches/(\w+)", path):
            batch = self.batches.get(named[1])
            return (200, _openai(batch)) if batch else (404, {"error": {"message": "No such batch"}})
        content = re.fullmatch(r"/v1/files/([\w-]+)/content", path)
        return (200, self.files[content[1]]) if content else (404, {"error": {"message": path}})

    def _upload(self, asked: Asked) -> Any:
        head = f"content-type: {asked.headers['content-type']}\r\n\r\n".encode()
        parts: dict[str, Any] = {
            str(part.get_param("name", header="content-disposition")): part
            for part in BytesParser(policy=HTTP).parsebytes(head + asked.body).iter_parts()
        }
        assert parts["purpose"].get_content() == "batch"
        name = f"file-{len(self.files)}"
        self.files[name] = parts["file"].get_content()
        return {"id": name, "object": "file", "purpose": "batch", "bytes": len(self.files[name])}

    def _create(self, asked: Mapping[str, Any]) -> Any:
        assert asked["completion_window"] == "24h"
        lines = [json.loads(line) for line in self.files[asked["input_file_id"]].splitlines()]
        assert {(line["method"], line["url"]) for line in lines} == {("POST", asked["endpoint"])}
        assert len({line["body"]["model"] for line in lines}) == 1, "an input file has requests to one model"
        requests = {line["custom_id"]: line["body"] for line in lines}
        assert len(requests) == len(lines) and all(len(each) <= 64 for each in requests)
        batch = self._add("batch", requests, "validating", asked.get("metadata") or {}, asked["endpoint"])
        return _openai(batch)

    def _anthropic(self, asked: Asked) -> tuple[int, Any]:
        assert asked.headers["anthropic-version"] == "2023-06-01"
        path = asked.path.partition("?")[0]
        if asked.method == "POST":
            sent = json.loads(asked.body)["requests"]
            requests = {each["custom_id"]: each["params"] for each in sent}
            assert len(requests) == len(sent) and all(re.fullmatch(r"[\w-]{1,64}", each) for each in requests)
            assert all(each["max_tokens"] and not each.get("stream") for each in requests.values())
            return 200, _anthropic(self._add("msgbatch", requests, "in_progress"))
        if path == "/v1/messages/batches":
            found = [each for each in reversed(self.submitted) if not each.endpoint]
            return 200, {"data": [_anthropic(each) for each in found], "has_more": False}
        id, _, rest = path.removeprefix("/v1/messages/batches/").partition("/")
        if rest == "results":
            return 200, self.files[self.batches[id].files["results"]]
        return 200, _anthropic(self.batches[id])

    def _add(self, kind: str, requests: dict[str, Any], word: str, metadata: Any = None, endpoint: str = "") -> Batch:
        batch = Batch(f"{kind}_{len(self.batches)}", requests, time.time(), word, metadata or {}, endpoint=endpoint)
        self.batches[batch.id] = batch
        self.made(batch)
        return batch


class _End:
    """Ends a batch: writes the files with its answers."""

    def __init__(self, vendor: BatchVendor, batch: Batch) -> None:
        self._vendor, self._batch = vendor, batch

    def by(self, answers: Answers, word: str | None) -> None:
        batch = self._batch
        found = {custom_id: answers(body) for custom_id, body in reversed(batch.requests.items())}
        if not batch.endpoint:
            self._write("results", [_anthropic_line(each, answer) for each, answer in found.items()])
            batch.word = "ended"
            return
        lines = {each: _openai_line(each, answer) for each, answer in found.items() if answer != "cancelled"}
        good = [each for each in lines.values() if each["response"] and each["response"]["status_code"] == 200]
        self._write("output_file_id", good)
        self._write("error_file_id", [each for each in lines.values() if each not in good])
        batch.word = word or "completed"

    def _write(self, name: str, lines: list[Any]) -> None:
        if lines:
            file = self._batch.files[name] = f"{name}-{self._batch.id}"
            self._vendor.files[file] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def _openai(batch: Batch) -> Any:
    ended = {f"{batch.word}_at": int(batch.created_at) + 60} if batch.word in ("completed", "expired") else {}
    done = len(batch.requests) if ended else 0
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "status": batch.word,
        "created_at": int(batch.created_at),
        "metadata": batch.metadata or None,
        "request_counts": {"total": len(batch.requests), "completed": done, "failed": 0},
        "errors": {"object": "list", "data": batch.errors} if batch.errors else None,
        "output_file_id": batch.files.get("output_file_id"),
        "error_file_id": batch.files.get("error_file_id"),
        **ended,
    }


def _openai_line(custom_id: str, answer: tuple[int, Any] | str) -> Any:
    head = {"id": f"batch_req_{custom_id[:8]}", "custom_id": custom_id}
    if isinstance(answer, str):
        error = {"code": f"batch_{answer}", "message": "This request could not be executed in time."}
        return {**head, "response": None, "error": error}
    response = {"status_code": answer[0], "request_id": f"req_{custom_id[:8]}", "body": answer[1]}
    return {**head, "response": response, "error": None}


def _anthropic(batch: Batch) -> Any:
    is_ended = batch.word == "ended"
    at = datetime.fromtimestamp(batch.created_at, timezone.utc).isoformat().replace("+00:00", "Z")
    counts = {"processing": 0, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": batch.word,
        "request_counts": {**counts, "succeeded" if is_ended else "processing": len(batch.requests)},
        "created_at": at,
        "ended_at": at if is_ended else None,
        # Somebody else's address, where no key may go.
        "results_url": f"http://127.0.0.1:1/v1/messages/batches/{batch.id}/results" if is_ended else None,
    }


def _anthropic_line(custom_id: str, answer: tuple[int, Any] | str) -> Any:
    if isinstance(answer, str):
        return {"custom_id": custom_id, "result": {"type": {"cancelled": "canceled"}.get(answer, answer)}}
    status, body = answer
    result = {"type": "succeeded", "message": body} if status == 200 else {"type": "errored", "error": body}
    return {"custom_id": custom_id, "result": result}


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing where a test cuts a connection off; a failed assertion of the vendor's fails the call."""


def _handler(vendor: BatchVendor) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            status, said = vendor.answer(Asked(self.command, self.path, headers, body))
            data = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
