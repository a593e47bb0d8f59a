"""Bytes: blobs and blocks over HTTP, and the mounts that are made of them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable
from pathlib import Path

from aiohttp import web
from google.protobuf.timestamp_pb2 import Timestamp
from grpclib import Status
from modal_proto import api_pb2

from tests.modal.service.state import State, new_id
from tests.modal.service.wire import refuse


class Files:
    """A store of bytes by name: a blob's ID, or the SHA-256 of a file or block."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.store: dict[str, bytes] = {}
        self.hanging: tuple[str, ...] = ()

    async def serve(self) -> web.AppRunner:
        """Take and give what is in the store, at paths that are its names."""
        app = web.Application(client_max_size=2**31)
        app.router.add_put("/{name}", self._put)
        app.router.add_get("/{name}", self._get)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.state.http = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    async def _put(self, request: web.Request) -> web.Response:
        await self._hang(request)
        name, data = request.match_info["name"], await request.read()
        self.store[name] = data
        return web.Response(text=name, headers={"ETag": f'"{hashlib.md5(data).hexdigest()}"'})

    async def _get(self, request: web.Request) -> web.Response:
        await self._hang(request)
        return web.Response(body=self.store[request.match_info["name"]])

    async def _hang(self, request: web.Request) -> None:
        while request.method in self.hanging:
            await asyncio.sleep(0.05)

    def url(self, name: str) -> str:
        return f"{self.state.http}/{name}"

    async def BlobCreate(self, _: api_pb2.BlobCreateRequest) -> api_pb2.BlobCreateResponse:
        blob = new_id("bl")
        return api_pb2.BlobCreateResponse(blob_ids=[blob], upload_urls=api_pb2.UploadUrlList(items=[self.url(blob)]))

    async def BlobGet(self, request: api_pb2.BlobGetRequest) -> api_pb2.BlobGetResponse:
        return api_pb2.BlobGetResponse(download_url=self.url(request.blob_id))

    async def MountBatchedCheckExistence(
        self, request: api_pb2.MountBatchedCheckExistenceRequest
    ) -> api_pb2.MountBatchedCheckExistenceResponse:
        missing = [name for name in request.sha256_hex_hashes if name not in self.store]
        return api_pb2.MountBatchedCheckExistenceResponse(missing_sha256_hex_hashes=missing, checked_at=_now())

    async def MountPutFile(self, request: api_pb2.MountPutFileRequest) -> api_pb2.MountPutFileResponse:
        """Without data it is a question; with them they must be what the hash says."""
        kind = request.WhichOneof("data_oneof")
        if kind is not None:
            data = request.data if kind == "data" else self.store[request.data_blob_id]
            if hashlib.sha256(data).hexdigest() != request.sha256_hex:
                raise refuse(Status.INVALID_ARGUMENT, "The data are not those of the hash")
            self.store[request.sha256_hex] = data
        return api_pb2.MountPutFileResponse(exists=request.sha256_hex in self.store, checked_at=_now())

    async def MountGetOrCreate(self, request: api_pb2.MountGetOrCreateRequest) -> api_pb2.MountGetOrCreateResponse:
        """A mount of these files. The one named after modal's client is empty: the interpreter has the client."""
        mount = new_id("mo")
        self.state.mounts[mount] = list(request.files)
        names = "".join(sorted(f"{file.filename}{file.sha256_hex}" for file in request.files))
        checksum = hashlib.sha256(names.encode()).hexdigest()
        metadata = api_pb2.MountHandleMetadata(content_checksum_sha256_hex=checksum)
        return api_pb2.MountGetOrCreateResponse(mount_id=mount, handle_metadata=metadata)

    def materialise(self, mounts: Iterable[str], folder: Path) -> dict[str, Path]:
        """Write the files of these mounts below a folder; returns them by the path that a container sees."""
        places = {}
        for file in (file for mount in mounts for file in self.state.mounts[mount]):
            path = places[file.filename] = folder / file.filename.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.store[file.sha256_hex])
            path.chmod(file.mode or 0o644)
        return places


def _now() -> Timestamp:
    now = Timestamp()
    now.GetCurrentTime()
    return now
