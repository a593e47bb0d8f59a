"""The state of the service: environments, apps with their functions, secrets, images, mounts, volumes, and calls."""

from __future__ import annotations

import secrets
import string
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grpclib import Status
from modal_proto import api_pb2

from tests.modal.service.rootfs import Machine
from tests.modal.service.wire import Bell, Wire, named, refuse

if TYPE_CHECKING:
    from tests.modal.service.container import Container

LIVE = (api_pb2.APP_STATE_DEPLOYED, api_pb2.APP_STATE_EPHEMERAL, api_pb2.APP_STATE_DETACHED)


def new_id(prefix: str) -> str:
    """An object's ID: the type's prefix and 22 letters or digits, as modal._utils.name_utils expects of an app's."""
    return f"{prefix}-" + "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(22))


@dataclass
class Secret:
    """A named set of environment variables. Its values are not shown."""

    id: str
    name: str
    environment: str
    values: dict[str, str] = field(repr=False)
    created_at: float = field(default_factory=time.time)

    @property
    def metadata(self) -> api_pb2.SecretMetadata:
        info = api_pb2.CreationInfo(created_at=self.created_at)
        return api_pb2.SecretMetadata(
            name=self.name, keys=sorted(self.values), environment_name=self.environment, creation_info=info
        )


@dataclass
class Volume:
    """A folder of committed files, one of the service's own."""

    id: str
    name: str
    environment: str
    version: int
    folder: Path
    created_at: float = field(default_factory=time.time)

    @property
    def metadata(self) -> api_pb2.VolumeMetadata:
        info = api_pb2.CreationInfo(created_at=self.created_at)
        return api_pb2.VolumeMetadata(version=self.version, name=self.name, creation_info=info)  # type: ignore[arg-type]


@dataclass
class Function:
    """A function of an app: what is live, and what was created since and waits for the app to be published."""

    id: str
    app_id: str
    handle: api_pb2.FunctionHandleMetadata
    definition: api_pb2.Function | None = None
    pending: api_pb2.Function | None = None
    #: Of a server: somebody asked for it, and no container had room.
    is_wanted: bool = False


@dataclass
class App:
    """An app, from the first word of it until long after its stop."""

    id: str
    environment: str
    description: str
    state: int
    tags: dict[str, str]
    name: str = ""
    functions: dict[str, Function] = field(default_factory=dict)
    deployments: list[api_pb2.AppPublishRequest] = field(default_factory=list)
    definitions: list[dict[str, api_pb2.Function | None]] = field(default_factory=list)
    created_at: float = field(default_factory=time.time)
    deployed_at: float = 0
    stopped_at: float = 0


@dataclass
class Input:
    """One input of a call: queued, then with a container, then with its output."""

    id: str
    idx: int
    call: Call
    item: api_pb2.FunctionInput
    container: Container | None = None
    is_cancelled: bool = False
    attempts: int = 0
    output: api_pb2.FunctionGetOutputsItem | None = None

    def finish(self, result: api_pb2.GenericResult, data_format: int = 0) -> None:
        """The first output counts."""
        if self.output is None:
            self.output = api_pb2.FunctionGetOutputsItem(
                result=result,
                idx=self.idx,
                input_id=self.id,
                data_format=data_format,  # type: ignore[arg-type]
                task_id=self.container.id if self.container else "",
                output_created_at=time.time(),
            )


@dataclass
class Call:
    """A call of a function, with what a generator has yielded so far."""

    id: str
    function: Function
    invocation: int
    inputs: list[Input] = field(default_factory=list)
    chunks: list[api_pb2.DataChunk] = field(default_factory=list)
    listeners: int = 0

    @property
    def done(self) -> bool:
        return all(input.output for input in self.inputs)


@dataclass
class Dict:
    """A named set of values by keys."""

    id: str
    name: str
    environment: str
    values: dict[bytes, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class LogLine:
    """One line that a container wrote, its end included."""

    app_id: str
    function_id: str
    task_id: str
    call_id: str
    source: int
    text: str
    at: float = field(default_factory=time.time)


@dataclass
class State:
    """Everything, by ID. `folder` is the service's own; `machine` runs every image."""

    folder: Path
    machine: Machine
    volume_version: int
    wire: Wire = field(default_factory=Wire)
    bell: Bell = field(default_factory=Bell)
    token: tuple[str, str] = ("", "")
    proxy_tokens: set[tuple[str, str]] = field(default_factory=set)
    revoked: bool = False
    held: bool = False
    build_log: str = ""
    build_fails: bool = False
    builds_held: bool = False
    built: set[str] = field(default_factory=set)
    patience: float = float("inf")
    attempts: float = float("inf")
    numbers_on: bool = False
    missing_key: Status = Status.FAILED_PRECONDITION
    failed_starts: str = "silent"
    http: str = ""
    environments: dict[str, str] = field(default_factory=dict)
    apps: dict[str, App] = field(default_factory=dict)
    secrets: dict[str, Secret] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)
    dicts: dict[str, Dict] = field(default_factory=dict)
    images: dict[str, api_pb2.Image] = field(default_factory=dict)
    mounts: dict[str, list[api_pb2.MountFile]] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    containers: dict[str, Container] = field(default_factory=dict)
    history: list[Container] = field(default_factory=list)
    logs: list[LogLine] = field(default_factory=list)

    def environment(self, name: str) -> str:
        """The environment of that name, the first one for an empty name. Raises GRPCError: NOT_FOUND."""
        name = name or next(iter(self.environments))
        if name not in self.environments:
            raise refuse(Status.NOT_FOUND, f"Environment '{name}' not found")
        return name

    def app(self, app_id: str) -> App:
        return named(self.apps.get(app_id), f"App {app_id}")  # type: ignore[no-any-return]

    def deployed(self, name: str, environment: str) -> App | None:
        """The app that is deployed under a name."""
        environment = self.environment(environment)
        fits = (app for app in self.apps.values() if (app.name, app.environment) == (name, environment))
        return next((app for app in fits if app.state in LIVE), None)

    def function(self, function_id: str) -> Function:
        found = (app.functions.get(function_id) for app in self.apps.values())
        return named(next(filter(None, found), None), f"Function {function_id}")  # type: ignore[no-any-return]

    def one(self, kind: str, name: str, environment: str) -> Any:
        """The secret, volume or dict of that name, or None."""
        environment = self.environment(environment)
        things = getattr(self, kind).values()
        return next((it for it in things if (it.name, it.environment) == (name, environment)), None)
