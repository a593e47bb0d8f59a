"""Figures about a function: what it does now, and what became of its containers in a span of time."""

from __future__ import annotations

from modal_proto import api_pb2

from tests.modal.service.containers import Fleet
from tests.modal.service.state import State


class Stats:
    """The RPCs behind `Function.get_current_stats` and `Function.stats` (modal/_functions.py)."""

    def __init__(self, state: State, fleet: Fleet) -> None:
        self.state = state
        self.fleet = fleet

    async def FunctionGetCurrentStats(self, request: api_pb2.FunctionGetCurrentStatsRequest) -> api_pb2.FunctionStats:
        function = self.state.function(request.function_id)
        containers = self.fleet.of(function)
        return api_pb2.FunctionStats(
            backlog=len(self.fleet.queued(function)),
            num_total_tasks=len(containers),
            num_running_inputs=sum(len(one.inputs) for one in containers),
        )

    async def FunctionGetTimeRangeStats(
        self, request: api_pb2.FunctionGetTimeRangeStatsRequest
    ) -> api_pb2.FunctionGetTimeRangeStatsResponse:
        """An error is a container that ended although nobody wanted it to."""
        function = self.state.function(request.function_id)
        since, until = (moment.ToNanoseconds() / 1e9 for moment in (request.since, request.until))
        ours = [one for one in self.state.history if one.function is function]
        return api_pb2.FunctionGetTimeRangeStatsResponse(
            since=request.since,
            until=request.until,
            container_started_count=sum(one.ready and since <= one.at < until for one in ours),
            container_error_count=sum(one.crashed and since <= one.ended_at < until for one in ours),
            container_total_count=len(ours),
        )
