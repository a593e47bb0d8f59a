"""The service as a test holds it: it runs in a thread of its own, between `with` and the end of the block."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import psutil
from grpclib import Status
from grpclib.protocol import H2Protocol
from grpclib.server import Server

from tests.modal.service.accounts import Accounts
from tests.modal.service.apps import Apps
from tests.modal.service.container import Container
from tests.modal.service.containers import Fleet
from tests.modal.service.dicts import Dicts
from tests.modal.service.files import Files
from tests.modal.service.functions import Calls, Functions
from tests.modal.service.images import Images, commands
from tests.modal.service.logs import Logs
from tests.modal.service.rootfs import Interpreter, Machine
from tests.modal.service.secrets import Secrets
from tests.modal.service.servers import Servers
from tests.modal.service.state import LIVE, App, State, new_id
from tests.modal.service.stats import Stats
from tests.modal.service.volumes import Volumes
from tests.modal.service.wire import Entry, Fault, servicer


class Modal:
    """Modal's service, on loopback: see the package for what it does and what it does not."""

    def __init__(
        self,
        environments: Sequence[str] = ("main", "dev"),
        image_python: str = sys.executable,
        volume_version: int = 2,
    ) -> None:
        self.folder = Path(tempfile.gettempdir()) / new_id("modal")  # short enough for the path of a Unix socket
        self._state = State(self.folder, Interpreter(image_python), volume_version)
        self._state.token = (new_id("ak"), new_id("as"))
        self._state.environments = {name: new_id("en") for name in environments}
        self._port = 0

    # What a test is told.

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a client: where the service is, and a token that it takes."""
        token, secret = self._state.token
        return {
            "MODAL_SERVER_URL": f"http://127.0.0.1:{self._port}",
            "MODAL_TOKEN_ID": token,
            "MODAL_TOKEN_SECRET": secret,
            "MODAL_CONFIG_PATH": str(self.folder / "no-config"),
        }

    @property
    def journal(self) -> list[Entry]:
        """All requests, of clients and of containers."""
        return self._state.wire.journal

    def requests(self, method: str) -> list[Any]:
        """The requests of one RPC, as messages of modal_proto.api_pb2."""
        return [entry.request for entry in self.journal if entry.method == method]

    def apps(self, environment: str = "dev") -> dict[str, App]:
        """The deployed apps, by name."""
        there = (app for app in self._state.apps.values() if app.environment == environment)
        return {app.name: app for app in there if app.state in LIVE}

    def containers(self) -> list[Container]:
        """Those that run. `pid` is the entrypoint's."""
        return [one for one in self._state.containers.values() if one.process]

    def containers_of(self, function: str) -> list[Container]:
        """Those that run of one function, or server."""
        return [one for one in self.containers() if one.function.handle.function_name == function]

    def secrets(self, environment: str = "dev") -> dict[str, dict[str, str]]:
        """The values of the secrets with a name."""
        there = (one for one in self._state.secrets.values() if one.environment == environment)
        return {one.name: one.values for one in there if one.name}

    def dicts(self, environment: str = "dev") -> dict[str, int]:
        """The number of entries of the dicts with a name."""
        there = (one for one in self._state.dicts.values() if one.environment == environment)
        return {one.name: len(one.values) for one in there}

    def volumes(self, environment: str = "dev") -> dict[str, Path]:
        """The folders of the volumes with a name, as they were committed."""
        there = (one for one in self._state.volumes.values() if one.environment == environment)
        return {one.name: one.folder for one in there if one.name}

    def dockerfile(self, app: str, environment: str = "dev") -> list[str]:
        """The lines of the image of an app's first function."""
        function = next(iter(self.apps(environment)[app].functions.values()))
        assert function.definition is not None
        return commands(self._state.images, function.definition.image_id)

    @property
    def image_python(self) -> str:
        """The interpreter that stands for every image; another one is that of containers that start from then on."""
        assert isinstance(self._state.machine, Interpreter)
        return self._state.machine.python

    @image_python.setter
    def image_python(self, python: str) -> None:
        self.run_on(Interpreter(python))

    def run_on(self, machine: Machine) -> None:
        """Run the containers that start from then on by another machine, such as `docker.DockerImage`."""
        self._state.machine = machine

    @property
    def logs(self) -> str:
        """Whatever containers wrote."""
        return "".join(line.text for line in self._state.logs)

    # What a test can have happen.

    def kill_container(self) -> None:
        """Kill the entrypoint of the only container that runs, as running out of memory would."""
        (container,) = self.containers()
        os.kill(container.pid, signal.SIGKILL)

    def preempt_container(self, *, restarts: bool = True) -> None:
        """Interrupt the entrypoint of the only container that runs, and have its inputs run anew.

        Both are of modal.com/docs/guide/preemption. The entrypoint says itself that its inputs are cancelled; unless it
        `restarts` them, the service believes it. After a second it is killed.
        """
        (container,) = self.containers()
        container.preempted = restarts
        os.kill(container.pid, signal.SIGINT)
        self._loop.call_soon_threadsafe(self._fleet.later, container, 1, os.kill, container.pid, signal.SIGKILL)

    def kill_server(self) -> None:
        """Kill the server in the only container of one that runs, and leave the entrypoint alone."""
        (container,) = self.containers_of("server")
        for child in psutil.Process(container.pid).children():
            child.kill()

    def new_proxy_token(self) -> tuple[str, str]:
        """Make a proxy token, as `modal workspace proxy-tokens create` does: its ID and its secret."""
        token = (new_id("wk"), new_id("ws"))
        self._state.proxy_tokens.add(token)
        return token

    def revoke(self) -> None:
        """The token is valid no more."""
        self._state.revoked = True

    def refuse(self, method: str, status: Status, times: float = float("inf"), message: str = "") -> None:
        """Refuse the next requests of an RPC."""
        self._state.wire.faults[method] = Fault(status, times, message)

    def hang(self, method: str, times: float = float("inf"), *, clients: bool = False) -> None:
        """Leave the next requests of an RPC without an answer, or only those of clients."""
        self._state.wire.faults[method] = Fault(None, times, clients=clients)

    def slow(self, method: str, seconds: float) -> None:
        """Answer the requests of an RPC after so many seconds."""
        self._state.wire.faults[method] = Fault(None, float("inf"), seconds=seconds)

    def hang_transfers(self, *methods: str) -> None:
        """From now on take no bytes over HTTP and give none, or only one of PUT and GET."""
        self._files.hanging = methods or ("PUT", "GET")

    def resume_transfers(self) -> None:
        """Take and give bytes again."""
        self._files.hanging = ()

    def fail_builds(self, log: str) -> None:
        """From now on no image can be had; its build ends with this log."""
        self._state.build_log, self._state.build_fails = log, True

    def log_builds(self, log: str) -> None:
        """From now on images that were not built are built, each with this log, and end with `release_builds`."""
        self._state.build_log, self._state.builds_held = log, True

    def release_builds(self) -> None:
        """Let the builds that run come to their end."""

        async def release() -> None:
            self._state.builds_held = False
            self._state.bell.ring()

        self._do(release())

    def answer_missing_keys(self, status: Status) -> None:
        """Say this of a Secret that lacks a required key: FAILED_PRECONDITION at first."""
        self._state.missing_key = status

    def answer_failed_starts(self, how: str) -> None:
        """Say a container's crash before it was ready nowhere but in figures (`silent`, at first), also in the log of
        the system (`logged`), or end what waits for it with INIT_FAILURE (`refused`)."""
        self._state.failed_starts = how

    def cancel_unheard_calls(self) -> None:
        """Cancel calls that nobody has listened to for two seconds."""
        self._state.patience = 2.0

    def limit_attempts(self, attempts: int) -> None:
        """Run an input so many times at most where its containers crash, instead of without end."""
        self._state.attempts = attempts

    def number_on(self) -> None:
        """Number the items of an input that runs anew after those of its earlier attempts, instead of from 1."""
        self._state.numbers_on = True

    def forget_outputs(self) -> None:
        """Forget what calls returned, as Modal does after seven days."""
        for call in self._state.calls.values():
            call.inputs.clear()

    def hold_containers(self) -> None:
        """From now on no container comes up, as when there is no machine left."""
        self._state.held = True

    def roll_back(self, app: str, environment: str = "dev") -> None:
        """Make the deployment before the last one live again, as `modal app rollback` does."""

        async def act() -> None:
            self._apps.roll_back(self.apps(environment)[app])

        self._do(act())

    def release_containers(self) -> None:
        """Containers come up again, for what waits as well."""

        async def release() -> None:
            self._state.held = False
            for call in list(self._state.calls.values()):
                self._fleet.scale(call.function)

        self._do(release())

    def drop_connections(self) -> None:
        """Close all connections of clients, which may come again."""
        self._loop.call_soon_threadsafe(self._server.drop)

    def go_away(self) -> None:
        """Close the port and all connections of clients. What runs goes on."""
        self._do(self._close_port())

    def come_back(self) -> None:
        """Listen again, on the same port."""
        self._do(self._open_port())

    # How it runs.

    def __enter__(self) -> Modal:
        self.folder.mkdir(mode=0o700)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._do(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._do(self._close())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            shutil.rmtree(self.folder)
        assert not self._state.wire.bugs, self._state.wire.bugs

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _open(self) -> None:
        state = self._state
        self._files = files = Files(state)
        self._http = await files.serve()
        self._accounts = Accounts(state)
        self._rooms: list[object] = [self._accounts, Images(state), files, Secrets(state)]
        self._rooms += [Volumes(state, files), Dicts(state), Logs(state)]
        self._fleet = Fleet(state, files, self._rooms)
        self._servers = Servers(state, self._fleet)
        await self._servers.open()
        self._apps = Apps(state, self._fleet)
        self._rooms += [self._apps, Functions(state, self._servers), Calls(state, self._fleet)]
        self._rooms.append(Stats(state, self._fleet))
        await self._open_port()

    async def _open_port(self) -> None:
        self._server = _Server([servicer(self._state.wire, self._rooms, self._accounts.admit)])
        await self._server.start("127.0.0.1", self._port)
        self._port = self._server.port

    async def _close_port(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _close(self) -> None:
        await self._close_port()
        await self._servers.close()
        await self._fleet.close()
        await self._http.cleanup()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


class _Server(Server):
    """A server that closes its connections, too."""

    def __init__(self, handlers: Sequence[Any]) -> None:
        super().__init__(handlers)
        self._connections: list[H2Protocol] = []

    def _protocol_factory(self) -> H2Protocol:
        protocol = super()._protocol_factory()
        self._connections.append(protocol)
        return protocol

    @property
    def port(self) -> int:
        return int(self._server.sockets[0].getsockname()[1])  # type: ignore[union-attr]

    def close(self) -> None:
        super().close()
        self.drop()

    def drop(self) -> None:
        for protocol in self._connections:
            protocol.connection.close()
