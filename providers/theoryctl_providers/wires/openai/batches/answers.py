"""`/v1/files` and `/v1/batches` of a mock: a batch is done when its request is answered.

Shapes: openai 3.57, types/file_create_params.py, batch_create_params.py, batch.py; the lines of a batch are those of
developers.openai.com/api/docs/guides/batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from starlette.types import Receive, Scope

from theoryctl_providers.asgi.body import receive_whole
from theoryctl_providers.asgi.connection import header_of
from theoryctl_providers.contract.wire import Limits
from theoryctl_providers.wires.body import wrong
from theoryctl_providers.wires.dialect import Routes
from theoryctl_providers.wires.exchange import json_object
from theoryctl_providers.wires.openai.batches.store import Store
from theoryctl_providers.wires.openai.mocked import Tell
from theoryctl_providers.wires.reply import Whole
from theoryctl_providers.wires.tenant import Tenant, asking_tenant, kept_for

#: The hint of a refusal in real mode.
INSTEAD = "ask a vendor many requests with local batch, or send X-Theoryctl-Mode: mock"

_ENDPOINTS = ("chat/completions", "responses", "embeddings", "completions", "moderations")


class Batches:
    """Files and batches of one dialect, for each tenant its own. The paths of their lines stand below `roots`; `apps`
    answer them."""

    def __init__(self, dialect: str, limits: Limits, apps: Routes, own: Tenant, roots: Iterable[str]) -> None:
        self._dialect, self._limits, self._own = dialect, limits, own
        self._apps = {f"{root}/{end}": apps["POST", f"/v1/{end}"] for root in roots for end in _ENDPOINTS}

    def _store(self, scope: Scope) -> Store:
        return kept_for(scope, self._own, self._dialect, Store)

    def tells(self) -> Mapping[tuple[str, str], Tell]:
        """Give, for each method and path, the function that answers it."""
        file, batch = "/v1/files/{file}", "/v1/batches/{batch}"
        return {
            ("POST", "/v1/files"): self._upload,
            ("GET", "/v1/files"): self._list_files,
            ("GET", f"{file}/content"): self._content,
            ("GET", file): self._file,
            ("DELETE", file): self._delete,
            ("POST", "/v1/batches"): self._create,
            ("GET", "/v1/batches"): self._list_batches,
            ("GET", batch): self._batch,
            ("POST", f"{batch}/cancel"): self._cancel,
        }

    async def _upload(self, scope: Scope, receive: Receive) -> Any:
        from theoryctl_providers.wires.openai.batches.form import parts_of

        parts = parts_of(header_of(scope, "content-type") or "", await receive_whole(receive, self._limits))
        file, purpose = parts.get("file"), parts.get("purpose")
        if file is None or file.filename is None:
            raise wrong("file", "expected a file")
        if purpose is None or not purpose.data:
            raise wrong("purpose", "expected a word")
        return self._store(scope).add(file.filename, purpose.data.decode("utf-8", "replace"), bytes(file.data)).document

    async def _list_files(self, scope: Scope, _receive: Receive) -> Any:
        return _listed([file.document for file in self._store(scope).files.values()])

    async def _file(self, scope: Scope, _receive: Receive) -> Any:
        return self._store(scope).file(scope["path_params"]["file"]).document

    async def _content(self, scope: Scope, _receive: Receive) -> Any:
        return Whole(self._store(scope).file(scope["path_params"]["file"]).data, kind=b"application/octet-stream")

    async def _delete(self, scope: Scope, _receive: Receive) -> Any:
        file_id = scope["path_params"]["file"]
        self._store(scope).delete(file_id)
        return {"id": file_id, "object": "file", "deleted": True}

    async def _create(self, scope: Scope, receive: Receive) -> Any:
        from theoryctl_providers.wires.openai.batches.work import done

        asking = asking_tenant(scope) or self._own
        return await done(await json_object(receive, self._limits), self._store(scope), self._apps, asking)

    async def _list_batches(self, scope: Scope, _receive: Receive) -> Any:
        return _listed([*self._store(scope).batches.values()])

    async def _batch(self, scope: Scope, _receive: Receive) -> Any:
        return self._store(scope).batch(scope["path_params"]["batch"])

    async def _cancel(self, scope: Scope, _receive: Receive) -> Any:
        self._store(scope).batch(scope["path_params"]["batch"])
        raise wrong("batch_id", "this batch is done, and cannot be cancelled")


def _listed(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """A page with all there is, the newest first."""
    newest = documents[::-1]
    ends = {"first_id": newest[0]["id"], "last_id": newest[-1]["id"]} if newest else {"first_id": None, "last_id": None}
    return {"object": "list", "data": newest, **ends, "has_more": False}
