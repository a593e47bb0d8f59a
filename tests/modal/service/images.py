"""Images: their definitions are kept, none is built."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator, Mapping

from modal_proto import api_pb2

from tests.modal.service.accounts import BUILDER
from tests.modal.service.state import State, new_id

POLL = 55.0
_BUILT = api_pb2.GenericResult(status=api_pb2.GenericResult.GENERIC_STATUS_SUCCESS)


class Images:
    """The RPCs about images."""

    def __init__(self, state: State) -> None:
        self.state = state

    async def ImageGetOrCreate(self, request: api_pb2.ImageGetOrCreateRequest) -> api_pb2.ImageGetOrCreateResponse:
        """The same definition is the same image. One whose build has not ended has no result yet."""
        same = (identity for identity, image in self.state.images.items() if image == request.image)
        identity = next(same, None) or new_id("im")
        self.state.images[identity] = request.image
        if self.state.build_log and identity not in self.state.built:
            return api_pb2.ImageGetOrCreateResponse(image_id=identity)
        return api_pb2.ImageGetOrCreateResponse(image_id=identity, result=_BUILT, metadata=_metadata())

    async def ImageJoinStreaming(
        self, request: api_pb2.ImageJoinStreamingRequest
    ) -> AsyncIterator[api_pb2.ImageJoinStreamingResponse]:
        """The log of a build in pieces, which need not be lines, and then its result."""
        log, size = self.state.build_log, 16
        for piece in (log[at : at + size] for at in range(0, len(log), size)):
            yield api_pb2.ImageJoinStreamingResponse(task_logs=[api_pb2.TaskLogs(data=piece)])
        if self.state.build_fails:
            failed = api_pb2.GenericResult(status=api_pb2.GenericResult.GENERIC_STATUS_FAILURE)
            yield api_pb2.ImageJoinStreamingResponse(result=failed)
            return
        await self.state.bell.until(lambda: not self.state.builds_held, POLL)
        self.state.built.add(request.image_id)
        yield api_pb2.ImageJoinStreamingResponse(result=_BUILT, metadata=_metadata())


def _metadata() -> api_pb2.ImageMetadata:
    return api_pb2.ImageMetadata(image_builder_version=BUILDER, python_version_info="Python 3.13.0")


def commands(images: Mapping[str, api_pb2.Image], identity: str) -> list[str]:
    """The Dockerfile's lines of an image, those of its base images first."""
    image = images[identity]
    below = [line for base in image.base_images for line in commands(images, base.image_id)]
    return [*below, *image.dockerfile_commands]


def variables(images: Mapping[str, api_pb2.Image], identity: str) -> dict[str, str]:
    """Variables of an image, from its ENV lines. Other lines have no effect here."""
    lines = (line.split(None, 1) for line in commands(images, identity) if line.strip())
    words = [word for name, *rest in lines if name.upper() == "ENV" for word in shlex.split(rest[0])]
    return dict(word.split("=", 1) for word in words)
