"""Volumes: folders that clients fill and containers see as they were when they last looked."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from google.protobuf.empty_pb2 import Empty
from grpclib import Status
from modal_proto import api_pb2

from tests.modal.service.accounts import CREATES
from tests.modal.service.files import Files
from tests.modal.service.state import State, Volume, new_id
from tests.modal.service.wire import check_name, named, refuse

#: The size of a block of a file, modal._utils.blob_utils.BLOCK_SIZE. Its zeros at the end are neither hashed nor sent.
BLOCK = 8 * 1024 * 1024


class Volumes:
    """The RPCs about volumes, of both versions of the file system."""

    def __init__(self, state: State, files: Files) -> None:
        self.state = state
        self.files = files

    async def VolumeGetOrCreate(self, request: api_pb2.VolumeGetOrCreateRequest) -> api_pb2.VolumeGetOrCreateResponse:
        name, environment = request.deployment_name, self.state.environment(request.environment_name)
        nameless = request.object_creation_type == api_pb2.OBJECT_CREATION_TYPE_EPHEMERAL
        volume = None if nameless else self._named(request.object_creation_type, name, environment)
        if volume is None:
            identity = new_id("vo")
            version = request.version or self.state.volume_version
            volume = Volume(identity, name, environment, version, self.state.folder / identity)
            volume.folder.mkdir()
            self.state.volumes[identity] = volume
        return api_pb2.VolumeGetOrCreateResponse(
            volume_id=volume.id,
            version=volume.version,  # type: ignore[arg-type]
            metadata=volume.metadata,
        )

    def _named(self, kind: int, name: str, environment: str) -> Volume | None:
        check_name(name, "Volume")
        found: Volume | None = self.state.one("volumes", name, environment)
        if found is None and kind not in CREATES:
            raise refuse(Status.NOT_FOUND, f"Volume '{name}' not found in environment '{environment}'")
        if found is not None and kind == api_pb2.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS:
            raise refuse(Status.ALREADY_EXISTS, f"Volume '{name}' already exists in environment '{environment}'")
        return found

    async def VolumeGetById(self, request: api_pb2.VolumeGetByIdRequest) -> api_pb2.VolumeGetByIdResponse:
        volume = self._volume(request.volume_id)
        return api_pb2.VolumeGetByIdResponse(volume_id=volume.id, metadata=volume.metadata)

    async def VolumeHeartbeat(self, _: api_pb2.VolumeHeartbeatRequest) -> Empty:
        return Empty()

    async def VolumeList(self, request: api_pb2.VolumeListRequest) -> api_pb2.VolumeListResponse:
        """Those with a name, from the newest on."""
        environment, page = self.state.environment(request.environment_name), request.pagination
        there = [one for one in self.state.volumes.values() if one.environment == environment and one.name]
        before = [one for one in there if one.created_at < page.created_before]
        newest = sorted(before, key=lambda one: -one.created_at)[: page.max_objects]
        items = [api_pb2.VolumeListItem(label=one.name, volume_id=one.id, metadata=one.metadata) for one in newest]
        return api_pb2.VolumeListResponse(items=items, environment_name=environment)

    async def VolumeDelete(self, request: api_pb2.VolumeDeleteRequest) -> Empty:
        volume = self._volume(request.volume_id)
        del self.state.volumes[volume.id]
        shutil.rmtree(volume.folder)
        return Empty()

    async def VolumePutFiles(self, request: api_pb2.VolumePutFilesRequest) -> Empty:
        paths = self._writable(request, [file.filename for file in request.files])
        for path, file in zip(paths, request.files, strict=True):
            path.write_bytes(self.files.store[file.sha256_hex])
            path.chmod(file.mode or 0o644)
        return Empty()

    async def VolumePutFiles2(self, request: api_pb2.VolumePutFiles2Request) -> api_pb2.VolumePutFiles2Response:
        """Nothing is written until every block is there; those that are not are asked for."""
        missing = [
            api_pb2.VolumePutFiles2Response.MissingBlock(file_index=i, block_index=j, put_url=self.files.url(name))
            for i, file in enumerate(request.files)
            for j, name in enumerate(block.contents_sha256.hex() for block in file.blocks)
            if name not in self.files.store
        ]
        if missing:
            return api_pb2.VolumePutFiles2Response(missing_blocks=missing)
        paths = self._writable(request, [file.path for file in request.files])
        for path, file in zip(paths, request.files, strict=True):
            blocks = (self.files.store[block.contents_sha256.hex()] for block in file.blocks)
            path.write_bytes(b"".join(block.ljust(BLOCK, b"\0") for block in blocks)[: file.size])
            path.chmod(file.mode or 0o644)
        return api_pb2.VolumePutFiles2Response()

    async def VolumeListFiles(
        self, request: api_pb2.VolumeListFilesRequest
    ) -> AsyncIterator[api_pb2.VolumeListFilesResponse]:
        yield api_pb2.VolumeListFilesResponse(entries=self._entries(request))

    async def VolumeListFiles2(
        self, request: api_pb2.VolumeListFiles2Request
    ) -> AsyncIterator[api_pb2.VolumeListFiles2Response]:
        yield api_pb2.VolumeListFiles2Response(entries=self._entries(request))

    def _entries(
        self, request: api_pb2.VolumeListFilesRequest | api_pb2.VolumeListFiles2Request
    ) -> Iterator[api_pb2.FileEntry]:
        volume = self._volume(request.volume_id)
        path = _there(volume, request.path)
        found = [path] if path.is_file() else sorted(path.rglob("*") if request.recursive else path.iterdir())
        kinds = {True: api_pb2.FileEntry.FileType.DIRECTORY, False: api_pb2.FileEntry.FileType.FILE}
        for one in found:
            said, name = one.stat(), str(one.relative_to(volume.folder))
            yield api_pb2.FileEntry(path=name, type=kinds[one.is_dir()], mtime=int(said.st_mtime), size=said.st_size)

    async def VolumeGetFile2(self, request: api_pb2.VolumeGetFile2Request) -> api_pb2.VolumeGetFile2Response:
        path = _there(self._volume(request.volume_id), request.path)
        data = path.read_bytes()
        end = request.start + request.len if request.len else len(data)
        urls, start = [], request.start
        while start < end:
            stop = min(end, (start // BLOCK + 1) * BLOCK)
            name = new_id("bl")
            self.files.store[name] = data[start:stop]
            urls.append(self.files.url(name))
            start = stop
        return api_pb2.VolumeGetFile2Response(
            get_urls=urls, size=len(data), start=request.start, len=end - request.start
        )

    async def VolumeRemoveFile(self, request: api_pb2.VolumeRemoveFileRequest) -> Empty:
        path = _there(self._volume(request.volume_id), request.path)
        if path.is_dir() and not request.recursive:
            raise refuse(Status.INVALID_ARGUMENT, f"'{request.path}' is a directory")
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        return Empty()

    async def VolumeRemoveFile2(self, request: api_pb2.VolumeRemoveFile2Request) -> Empty:
        return await self.VolumeRemoveFile(request)  # their fields are the same

    def _writable(
        self, request: api_pb2.VolumePutFilesRequest | api_pb2.VolumePutFiles2Request, names: list[str]
    ) -> list[Path]:
        """The places of the files, once it is known that each may be written."""
        found = {name: _inside(self._volume(request.volume_id), name) for name in sorted(names)}
        there = [name for name, path in found.items() if path.exists()]
        if there and request.disallow_overwrite_existing_files:
            raise refuse(Status.ALREADY_EXISTS, f"'{there[0]}' already exists")
        for path in found.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        return [found[name] for name in names]

    def _volume(self, identity: str) -> Volume:
        return named(self.state.volumes.get(identity), f"Volume {identity}")  # type: ignore[no-any-return]


def copy(source: Path, target: Path, exactly: bool) -> None:
    """Copy the files of one folder into another.

    `exactly` removes what the other has besides; else a file that is newer there stays: a container commits what it has
    changed.
    """
    if exactly:
        for entry in target.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    shutil.copytree(source, target, dirs_exist_ok=True, copy_function=_copy_newer)


def _copy_newer(source: str, target: str) -> None:
    there = Path(target)
    if not there.exists() or there.stat().st_mtime_ns < Path(source).stat().st_mtime_ns:
        shutil.copy2(source, target)


def _inside(volume: Volume, path: str) -> Path:
    found = (volume.folder / path.lstrip("/")).resolve()
    if not found.is_relative_to(volume.folder.resolve()):
        raise refuse(Status.INVALID_ARGUMENT, f"Invalid path: '{path}'")
    return found


def _there(volume: Volume, path: str) -> Path:
    found = _inside(volume, path)
    if not found.exists():
        raise refuse(Status.NOT_FOUND, f"No such file or directory: '{path}'")
    return found
