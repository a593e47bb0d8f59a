"""An app as the service describes it, to clients and to containers."""

from __future__ import annotations

from modal_proto import api_pb2

from tests.modal.service.state import App, State


def layout(state: State, app: App) -> api_pb2.AppLayout:
    """An app's functions, and whatever they depend on."""
    functions = app.functions.values()
    objects = [api_pb2.Object(object_id=one.id, function_handle_metadata=one.handle) for one in functions]
    needed = {
        dependency.object_id
        for one in functions
        for definition in (one.definition, one.pending)
        if definition
        for dependency in definition.object_dependencies
    }
    for identity in sorted(needed):
        volume = state.volumes.get(identity)
        objects.append(api_pb2.Object(object_id=identity, volume_metadata=volume.metadata if volume else None))
    return api_pb2.AppLayout(objects=objects, function_ids={one.handle.function_name: one.id for one in functions})


def handle(app: App) -> api_pb2.AppHandleMetadata:
    """The data that App.info shows of an app."""
    lifecycle = api_pb2.AppLifecycle(
        app_state=app.state,  # type: ignore[arg-type]
        created_at=app.created_at,
        deployed_at=app.deployed_at,
        stopped_at=app.stopped_at,
        version=len(app.deployments),
    )
    return api_pb2.AppHandleMetadata(
        description=app.description, app_id=app.id, environment_name=app.environment, lifecycle=lifecycle
    )
