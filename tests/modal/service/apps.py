"""Apps: created, published, looked up, stopped."""

from __future__ import annotations

import time

from google.protobuf.empty_pb2 import Empty
from grpclib import Status
from modal_proto import api_pb2

from tests.modal.service.accounts import CREATES
from tests.modal.service.containers import Fleet
from tests.modal.service.state import LIVE, App, State, new_id
from tests.modal.service.views import handle, layout
from tests.modal.service.wire import check_name, check_tag, refuse


class Apps:
    """The RPCs about an app as a whole."""

    def __init__(self, state: State, fleet: Fleet) -> None:
        self.state = state
        self.fleet = fleet

    async def AppCreate(self, request: api_pb2.AppCreateRequest) -> api_pb2.AppCreateResponse:
        environment = self.state.environment(request.environment_name)
        _check_tags(request.tags)
        app = App(new_id("ap"), environment, request.description, request.app_state, dict(request.tags))
        self.state.apps[app.id] = app
        return api_pb2.AppCreateResponse(app_id=app.id, app_page_url=_page(app), app_logs_url=f"{_page(app)}/logs")

    async def AppGetByDeploymentName(
        self, request: api_pb2.AppGetByDeploymentNameRequest
    ) -> api_pb2.AppGetByDeploymentNameResponse:
        check_name(request.name, "App")
        app = self.state.deployed(request.name, request.environment_name)
        if app is None:
            return api_pb2.AppGetByDeploymentNameResponse()
        return api_pb2.AppGetByDeploymentNameResponse(
            app_id=app.id, environment_name=app.environment, lifecycle=handle(app).lifecycle
        )

    async def AppGetOrCreate(self, request: api_pb2.AppGetOrCreateRequest) -> api_pb2.AppGetOrCreateResponse:
        name, environment = request.app_name, self.state.environment(request.environment_name)
        app = self.state.apps.get(name) or self.state.deployed(name, environment)
        if app is None and request.object_creation_type in CREATES:
            check_name(name, "App")
            app = App(new_id("ap"), environment, name, api_pb2.APP_STATE_DEPLOYED, {}, name)
            self.state.apps[app.id] = app
        if app is None:
            raise refuse(Status.NOT_FOUND, f"App '{name}' not found in environment '{environment}'")
        return api_pb2.AppGetOrCreateResponse(app_id=app.id, handle_metadata=handle(app))

    async def AppGetLayout(self, request: api_pb2.AppGetLayoutRequest) -> api_pb2.AppGetLayoutResponse:
        return api_pb2.AppGetLayoutResponse(app_layout=layout(self.state, self.state.app(request.app_id)))

    async def AppGetInfo(self, request: api_pb2.AppGetInfoRequest) -> api_pb2.AppGetInfoResponse:
        return api_pb2.AppGetInfoResponse(info=handle(self.state.app(request.app_id)))

    async def AppList(self, request: api_pb2.AppListRequest) -> api_pb2.AppListResponse:
        environment = self.state.environment(request.environment_name)
        items = []
        for app in self.state.apps.values():
            if app.environment == environment:
                running = sum(one.function.app_id == app.id for one in self.state.containers.values())
                items.append(
                    api_pb2.AppListResponse.AppListItem(
                        app_id=app.id,
                        name=app.name if app.state in LIVE else "",
                        description=app.description,
                        state=app.state,  # type: ignore[arg-type]
                        created_at=app.created_at,
                        stopped_at=app.stopped_at,
                        n_running_tasks=running,
                        metadata=handle(app),
                    )
                )
        return api_pb2.AppListResponse(apps=items)

    async def AppHeartbeat(self, _: api_pb2.AppHeartbeatRequest) -> Empty:
        return Empty()

    async def AppPublish(self, request: api_pb2.AppPublishRequest) -> api_pb2.AppPublishResponse:
        """Make live what was created; containers of what was live before get no new inputs."""
        app = self.state.app(request.app_id)
        _check_tags(request.tags)
        if request.name:
            check_name(request.name, "App")
        if request.deployment_tag:
            check_tag(request.deployment_tag, 50)
        app.name, app.state, app.tags = request.name, request.app_state, dict(request.tags)
        app.description = request.name or app.description
        app.deployed_at = time.time()
        app.deployments.append(request)
        live = set(request.function_ids.values())
        app.functions = {key: function for key, function in app.functions.items() if key in live}
        for function in app.functions.values():
            function.definition, function.pending = function.pending or function.definition, None
        app.definitions.append({key: function.definition for key, function in app.functions.items()})
        self.fleet.renew(app)
        return api_pb2.AppPublishResponse(url=_page(app), deployed_at=app.deployed_at)

    def roll_back(self, app: App) -> None:
        """Make the deployment before the last one live again, as a new one (modal/cli/app.py, `rollback`)."""
        app.deployments.append(app.deployments[-2])
        app.definitions.append(app.definitions[-2])
        for key, function in app.functions.items():
            function.definition = app.definitions[-1][key]
        self.fleet.renew(app)

    async def AppClientDisconnect(self, request: api_pb2.AppClientDisconnectRequest) -> Empty:
        app = self.state.app(request.app_id)
        if app.state != api_pb2.APP_STATE_DEPLOYED:
            self._stop(app)
        return Empty()

    async def AppStop(self, request: api_pb2.AppStopRequest) -> Empty:
        self._stop(self.state.app(request.app_id))
        return Empty()

    async def AppSetTags(self, request: api_pb2.AppSetTagsRequest) -> Empty:
        _check_tags(request.tags)
        self.state.app(request.app_id).tags = dict(request.tags)
        return Empty()

    async def AppGetTags(self, request: api_pb2.AppGetTagsRequest) -> api_pb2.AppGetTagsResponse:
        return api_pb2.AppGetTagsResponse(tags=self.state.app(request.app_id).tags)

    async def TaskList(self, request: api_pb2.TaskListRequest) -> api_pb2.TaskListResponse:
        wanted = (one for one in self.state.containers.values() if one.function.app_id == request.app_id)
        tasks = [
            api_pb2.TaskStats(task_id=one.id, app_id=request.app_id, started_at=one.at, enqueued_at=one.at)
            for one in wanted
        ]
        return api_pb2.TaskListResponse(tasks=tasks)

    async def ContainerStop(self, request: api_pb2.ContainerStopRequest) -> api_pb2.ContainerStopResponse:
        container = self.state.containers.get(request.task_id)
        if container is None:
            raise refuse(Status.NOT_FOUND, f"Container {request.task_id} not found")
        self.fleet.retire(container) if request.graceful else self.fleet.kill(container, "Container was stopped")
        return api_pb2.ContainerStopResponse()

    def _stop(self, app: App) -> None:
        app.state, app.stopped_at = api_pb2.APP_STATE_STOPPED, time.time()
        self.fleet.clear(app, "App was stopped")


def _page(app: App) -> str:
    return f"https://modal.com/apps/tests/{app.environment}/{app.id}"


def _check_tags(tags: dict[str, str]) -> None:  # a map of protobuf
    for key, value in tags.items():
        check_tag(key, 63)
        check_tag(value, 63)
