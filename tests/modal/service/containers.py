"""Containers: real processes of modal's own entrypoint, started when there are inputs, stopped when there are none."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from grpclib.server import Server
from modal_proto import api_pb2

from tests.modal.service import rootfs
from tests.modal.service.container import Container, free_port
from tests.modal.service.files import Files
from tests.modal.service.images import variables
from tests.modal.service.state import LIVE, App, Function, Input, LogLine, State, new_id
from tests.modal.service.views import layout
from tests.modal.service.wire import servicer
from tests.modal.service.worker import Worker

RESULT = api_pb2.GenericResult
#: The pause before another container is started for one that crashed.
BACKOFF = 0.2
#: How long a container has to end by itself after it was told to.
GRACE = 4.0


class Fleet:
    """All containers of the service."""

    def __init__(self, state: State, files: Files, rooms: list[object]) -> None:
        self.state = state
        self.files = files
        self.rooms = rooms
        self.tasks: set[asyncio.Task[None]] = set()

    def queued(self, function: Function) -> list[Input]:
        inputs = (it for call in self.state.calls.values() if call.function is function for it in call.inputs)
        return [it for it in inputs if not it.output and not it.container]

    def of(self, function: Function) -> list[Container]:
        return [one for one in self.state.containers.values() if one.function is function]

    def scale(self, function: Function) -> None:
        """Start containers until there is one for every input, or as many as there may be."""
        definition = function.definition
        if definition is None or self.state.held:
            return
        wanted = int(self._is_wanted(function)) if definition.is_server else len(self.queued(function))
        if minimum := definition.autoscaler_settings.min_containers:
            wanted = max(wanted, minimum - len(self.of(function)))
        most = definition.concurrency_limit or definition.autoscaler_settings.max_containers or 100
        while sum(one.free for one in self.of(function)) < wanted and len(self.of(function)) < most:
            identity = new_id("ta")
            container = Container(identity, function, definition, self.state.folder / identity)
            container.port = free_port() if definition.is_server else 0
            self.state.containers[container.id] = container
            self.state.history.append(container)
            task = asyncio.create_task(self._run(container))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    def _is_wanted(self, function: Function) -> bool:
        """Tell whether somebody asked for a server that is there."""
        app = self.state.apps[function.app_id]
        return function.is_wanted and app.state in LIVE and function.id in app.functions

    def renew(self, app: App) -> None:
        """Containers of definitions that are no longer live end after their inputs."""
        for container in list(self.state.containers.values()):
            function = container.function
            is_live = function.id in app.functions and container.definition is function.definition
            if function.app_id == app.id and not is_live:
                self.retire(container)
        for function in app.functions.values():
            self.scale(function)

    def retire(self, container: Container) -> None:
        container.retiring = True
        self.state.bell.ring()

    def clear(self, app: App, why: str) -> None:
        """Everything of an app ends: its queued inputs and its containers with theirs."""
        result = RESULT(status=RESULT.GENERIC_STATUS_TERMINATED, exception=why)
        for function in app.functions.values():
            for queued in self.queued(function):
                queued.finish(result)
            for container in self.of(function):
                self.end(container, result)
        self.state.bell.ring()

    def kill(self, container: Container, why: str) -> None:
        self.end(container, RESULT(status=RESULT.GENERIC_STATUS_TERMINATED, exception=why))

    def end(self, container: Container, result: api_pb2.GenericResult) -> None:
        """Kill a container; its inputs end with this result."""
        container.reason = container.reason or result
        if container.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(container.process.pid, signal.SIGKILL)

    def later(self, container: Container, seconds: float, act: Callable[..., None], *what: Any) -> asyncio.TimerHandle:
        """Act in so many seconds, unless the container is gone by then, or the timer that this returns is cancelled."""
        timer = asyncio.get_running_loop().call_later(seconds, act, *what)
        container.timers.append(timer)
        return timer

    def time_out(self, one: Input, seconds: int) -> None:
        """The caller learns of it at once; the container is told to cancel the input."""
        why = f"Task's current input {one.id} hit its timeout of {seconds}s"
        one.finish(RESULT(status=RESULT.GENERIC_STATUS_TIMEOUT, exception=why))
        self.cancel(one, why)

    def cancel(self, one: Input, why: str) -> None:
        """End an input: one that is queued at once, one that runs by its container, or with it if that takes long."""
        result = RESULT(status=RESULT.GENERIC_STATUS_TERMINATED, exception=why)
        container = one.container
        if container is None:
            one.finish(result)
        elif one in container.inputs and not one.is_cancelled:
            one.is_cancelled = True
            text = f"Task's current input {one.id} cancelled because: {why}\n"
            self._log(container, api_pb2.FILE_DESCRIPTOR_INFO, text)
            container.cancelled.append(one.id)
            self.later(container, GRACE, self._insist, one, result)
        self.state.bell.ring()

    def _insist(self, one: Input, result: api_pb2.GenericResult) -> None:
        if one.container is not None and one in one.container.inputs:
            self.end(one.container, result)

    async def _run(self, container: Container) -> None:
        container.folder.mkdir()
        worker = Worker(self.state, self, container)
        server = Server([servicer(self.state.wire, [worker, *self.rooms], lambda _: None, container.id)])
        await server.start(path=str(container.folder / "sock"))
        try:
            container.reason = container.reason or self._lacks(container.definition)
            if container.reason is None:
                await self._process(container)
        except Exception as error:
            self.state.wire.bugs.append(error)
        finally:
            server.close()
            await server.wait_closed()
            self._bury(container)

    def _lacks(self, definition: api_pb2.Function) -> api_pb2.GenericResult | None:
        """The reason why no container can start: something that it was deployed with was deleted."""
        needed: list[tuple[str, str, Mapping[str, object]]]
        needed = [(one, "Secret", self.state.secrets) for one in definition.secret_ids]
        needed += [(one.volume_id, "Volume", self.state.volumes) for one in definition.volume_mounts]
        why = next((f"{kind} {identity} not found" for identity, kind, there in needed if identity not in there), "")
        return RESULT(status=RESULT.GENERIC_STATUS_INIT_FAILURE, exception=why) if why else None

    async def _process(self, container: Container) -> None:
        machine, environment = self.state.machine, self._environment(container)
        container.process = process = await asyncio.create_subprocess_exec(
            *machine.start(container.folder, self._places(container), environment),
            env=machine.environment(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            limit=2**24,
        )
        if container.reason:  # it was ended before it began
            self.end(container, container.reason)
        seconds = container.definition.startup_timeout_secs or 300
        why = f"Container did not start in {seconds}s"
        self.later(container, seconds, self.end, container, RESULT(status=RESULT.GENERIC_STATUS_TIMEOUT, exception=why))
        readers = [
            asyncio.create_task(self._read(container, process.stdout, api_pb2.FILE_DESCRIPTOR_STDOUT)),
            asyncio.create_task(self._read(container, process.stderr, api_pb2.FILE_DESCRIPTOR_STDERR)),
        ]
        await process.wait()
        with suppress(ProcessLookupError):  # whatever it started goes with it
            os.killpg(process.pid, signal.SIGKILL)
        await asyncio.wait(readers, timeout=GRACE)
        await machine.clear(container.id)

    def _places(self, container: Container) -> dict[str, Path]:
        """The contents of its file system, by path: the files of mounts, and a copy of each volume as it is now."""
        definition = container.definition
        places = self.files.materialise(definition.mount_ids, container.folder / "mounts")
        for mount in definition.volume_mounts:
            copy = container.volumes[mount.volume_id] = container.folder / mount.volume_id
            shutil.copytree(self.state.volumes[mount.volume_id].folder, copy)
            places[mount.mount_path] = copy
        return places

    def _environment(self, container: Container) -> dict[str, str]:
        """Its environment: that of the image, then the secrets in their order, then what modal's worker says."""
        definition = container.definition
        secrets = [self.state.secrets[one].values for one in definition.secret_ids]
        return {
            "PATH": rootfs.TOOLS,
            "HOME": "/root",
            "PYTHONPATH": "/root",
            "PYTHONUNBUFFERED": "1",
            **variables(self.state.images, definition.image_id),
            **{key: value for values in secrets for key, value in values.items()},
            **({"PORT": str(container.port)} if container.port else {}),
            "MODAL_SERVER_URL": f"unix://{container.folder}/sock",
            "MODAL_CONTAINER_ARGUMENTS_PATH": str(self._arguments(container)),
            "MODAL_IS_REMOTE": "1",
            "MODAL_TASK_ID": container.id,
            "MODAL_IMAGE_ID": definition.image_id,
            "MODAL_ENVIRONMENT": self.state.apps[container.function.app_id].environment,
        }

    def _arguments(self, container: Container) -> Path:
        """The file that tells the entrypoint what it is to run."""
        app, path = self.state.apps[container.function.app_id], container.folder / "arguments"
        arguments = api_pb2.ContainerArguments(
            task_id=container.id,
            function_id=container.function.id,
            app_id=app.id,
            function_def=container.definition,
            environment_name=app.environment,
            app_layout=layout(self.state, app),
        )
        path.write_bytes(arguments.SerializeToString())
        return path

    async def _read(self, container: Container, stream: asyncio.StreamReader | None, source: int) -> None:
        assert stream is not None
        while line := await stream.readline():
            self._log(container, source, line.decode(errors="replace"))

    def _log(self, container: Container, source: int, text: str) -> None:
        function = container.function
        call = container.inputs[0].call.id if container.inputs else ""
        self.state.logs.append(LogLine(function.app_id, function.id, container.id, call, source, text))
        self.state.bell.ring()

    def _bury(self, container: Container) -> None:
        """End the inputs of a container that was ended; begin those of one that crashed anew in another.

        Where it never got as far as asking for an input, what waits ends as well, for the next container would do no
        better.
        """
        for timer in container.timers:
            timer.cancel()
        container.ended_at = time.time()
        if container.crashed:
            self._tell_crash(container)
        for one in container.inputs:
            self._give_back(one, container)
        if container.reason is not None and not container.ready:
            for one in self.queued(container.function):
                one.finish(container.reason)
        del self.state.containers[container.id]
        shutil.rmtree(container.folder, ignore_errors=True)
        asyncio.get_running_loop().call_later(BACKOFF if container.crashed else 0, self.scale, container.function)
        self.state.bell.ring()

    def _tell_crash(self, container: Container) -> None:
        """Say how a container ended that nobody wanted to end, as far as the service says so."""
        code = (container.process.returncode if container.process else None) or 0
        why = f"Runner failed with exit code: {code if code >= 0 else 128 - code}"
        if self.state.failed_starts == "logged":
            self._log(container, api_pb2.FILE_DESCRIPTOR_INFO, f"{why}\n")
        if self.state.failed_starts == "refused" and not container.ready:
            for one in self.queued(container.function):
                one.finish(RESULT(status=RESULT.GENERIC_STATUS_INIT_FAILURE, exception=why))

    def _give_back(self, one: Input, container: Container) -> None:
        """End an input as its container was ended, or have it run anew after a crash: without end, where an app is
        deployed (modal.com/docs/guide/retries)."""
        code = container.process.returncode if container.process else None
        why = f"Container {container.id} ended in the middle of a call (exit status {code})"
        failed = RESULT(status=RESULT.GENERIC_STATUS_INTERNAL_FAILURE, exception=why)
        if container.reason is not None or one.is_cancelled or one.attempts >= self.state.attempts:
            one.finish(container.reason or failed)
        else:
            one.container = None

    async def close(self) -> None:
        """Kill them all, and wait until they are gone."""
        self.state.held = True
        for container in list(self.state.containers.values()):
            self.kill(container, "The tests' Modal ends")
        await asyncio.gather(*self.tasks, return_exceptions=True)
