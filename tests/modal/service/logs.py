"""Logs: what containers wrote, looked up or followed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

from modal_proto import api_pb2

from tests.modal.service.state import LIVE, App, LogLine, State

_COLUMN = {
    api_pb2.FILE_DESCRIPTOR_STDOUT: "stdout_logs",
    api_pb2.FILE_DESCRIPTOR_STDERR: "stderr_logs",
    api_pb2.FILE_DESCRIPTOR_INFO: "system_logs",
}


class Logs:
    """The RPCs about logs."""

    def __init__(self, state: State) -> None:
        self.state = state

    async def AppGetLogs(self, request: api_pb2.AppGetLogsRequest) -> AsyncIterator[api_pb2.TaskLogsBatch]:
        """Follow an app's logs from their beginning, or from the entry that a client saw last, for so many seconds."""
        app, end = self.state.app(request.app_id), time.monotonic() + request.timeout
        seen = int(request.last_entry_id or 0)

        def news() -> bool:
            return len(self.state.logs) > seen or self._is_over(app)

        while await self.state.bell.until(news, end - time.monotonic()):
            is_over = self._is_over(app)
            for line in self.state.logs[seen:]:
                seen += 1
                if _fits(line, request):
                    yield _batch(line, str(seen))
            if is_over:
                yield api_pb2.TaskLogsBatch(app_done=True)
                return

    def _is_over(self, app: App) -> bool:
        runs = (one for one in self.state.containers.values() if one.function.app_id == app.id)
        return app.state not in LIVE and not any(runs)

    async def AppFetchLogs(self, request: api_pb2.AppFetchLogsRequest) -> api_pb2.AppFetchLogsResponse:
        """The last lines of a span of time."""
        lines = list(self._between(request))[-request.limit :]
        return api_pb2.AppFetchLogsResponse(batches=[_batch(line) for line in lines])

    async def AppCountLogs(self, request: api_pb2.AppCountLogsRequest) -> api_pb2.AppCountLogsResponse:
        """Count the lines in each bucket of time that has any."""
        size = request.bucket_secs
        counts = Counter((int(line.at) // size * size, line.source) for line in self._between(request))
        answer = api_pb2.AppCountLogsResponse(app_id=request.app_id)
        for start in sorted({start for start, _ in counts}):
            bucket = answer.buckets.add(bucket_start_at={"seconds": start})
            for source, column in _COLUMN.items():
                setattr(bucket, column, counts[start, source])
        return answer

    def _between(self, request: Any) -> Iterator[LogLine]:
        since, until = (moment.ToNanoseconds() / 1e9 for moment in (request.since, request.until))
        return (line for line in self.state.logs if since <= line.at <= until and _fits(line, request))


def _fits(line: LogLine, request: Any) -> bool:
    source = request.file_descriptor if isinstance(request, api_pb2.AppGetLogsRequest) else request.source
    wanted = [
        (request.app_id, line.app_id),
        (request.function_id, line.function_id),
        (request.task_id, line.task_id),
        (request.function_call_id, line.call_id),
        (source, line.source),
    ]
    return all(asked in ("", 0, has) for asked, has in wanted) and request.search_text in line.text


def _batch(line: LogLine, entry: str = "") -> api_pb2.TaskLogsBatch:
    item = api_pb2.TaskLogs(
        data=line.text,
        timestamp=line.at,
        timestamp_ns=int(line.at * 1e9),
        file_descriptor=line.source,  # type: ignore[arg-type]
        function_call_id=line.call_id,
    )
    return api_pb2.TaskLogsBatch(task_id=line.task_id, function_id=line.function_id, items=[item], entry_id=entry)
