"""The docker runtime: the provider's server in a container that may do nothing else, published on 127.0.0.1.

The daemon is the truth about containers, found by their labels; the record is for `run`, which asks no daemon.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from theoryctl.docker import containers
from theoryctl.docker.containers import ContainerSpec
from theoryctl.docker.daemon import connected, platform_of
from theoryctl.errors import DockerFailed, NotRunning, StartFailed
from theoryctl.hints import NO_IMAGE, again
from theoryctl.images.choice import BuildPlan, Pinned, choose
from theoryctl.instances import connection, records
from theoryctl.instances.connection import Health
from theoryctl.instances.last_words import last_words, own_refusal
from theoryctl.instances.records import Instance
from theoryctl.instances.restart import start_again
from theoryctl.instances.session import InstanceSession
from theoryctl.paths import file_lock, state_dir
from theoryctl.platforms import same_platform
from theoryctl.refs import ProviderRef
from theoryctl.runtimes.base import StartedRuntime, StartRequest, State, running_state
from theoryctl.secrets import on_this_host
from theoryctl_providers.contract import Event, ProviderError, Request, ServerConfig, limits_told, served_modes

#: Seconds in which a container that has broken off an answer may prove to have ended.
_SECONDS_TO_END = 1.0
#: The label of a container that was started under a name.
_NAME = "name"


@dataclass(frozen=True, slots=True)
class _Ready:
    """An image that is here: what to name it, its digest (or ID, where it was built here), and the choice it was."""

    image_id: str
    reference: str
    digest: str
    choice: Pinned | BuildPlan


class DockerRuntime(StartedRuntime):
    """The same image as anywhere else."""

    name = "docker"
    has_image = True

    def must_answer(self, ref: ProviderRef) -> None:
        with connected(again("start Docker, or use --runtime process", runtime="process", **NO_IMAGE)):
            pass

    def start(self, request: StartRequest) -> Instance:
        """Start a container and return when it is ready. Nothing is left on failure, nor on Ctrl-C.

        Raises StartFailed, DockerFailed (`ERR_DOCKER`), and what choosing, pulling and building an image raise.
        """
        with connected() as api:
            image = _image(api, request)
            state = records.state_id(make=True)
            assert state is not None
            for leftover in containers.labelled(api, state=state, ref=str(request.ref)):
                if _name_of(leftover) == request.key.name:
                    containers.remove(api, leftover["Id"])
            request.progress.step(f"starting {request.ref} in a container")
            return self._start(api, request, image, state)

    def _start(self, api: Any, request: StartRequest, image: _Ready, state: str) -> Instance:
        container = None
        platform = image.choice.platform
        try:
            server = _server(request, image)
            with _network_alone():
                # Its labels come with it: should this command be killed from here on, the next one finds it.
                container = containers.create(api, _spec(request, image, state))
                containers.start_and_tell(api, container, server.dump())
            instance = request.instance(
                url="",
                server_port=containers.PORT,
                platform=platform,
                container=container,
                image=image.reference,
                digest=image.digest,
                pin=request.image.image and request.image.image.pin(platform),
                source=image.choice.source,
            )
            instance = _wait(api, instance, request)
            records.save(instance)
            return instance
        except BaseException:
            if container is not None:
                containers.remove(api, container)
            with _network_alone():
                containers.drop_network(api, _network(state))
            raise

    def differs(self, instance: Instance, request: StartRequest) -> str | None:
        platform = request.image.platform or instance.platform
        if not same_platform(platform, instance.platform):
            return f"it runs for {instance.platform}, and {platform} is wanted"
        wanted = choose(request.image, instance.platform)
        if wanted.source == instance.source:
            return None
        if isinstance(wanted, Pinned):
            return f"it runs {instance.digest}, and {wanted.digest} is wanted"
        return f"it runs {instance.image}, and what that is built from has changed"

    def stop(self, instance: Instance) -> bool:
        """Raises DockerFailed where the daemon does not answer; the record stays then."""
        with connected() as api:
            was_running = containers.stop(api, _id(instance))
            with _network_alone():
                containers.drop_network(api, _network(records.state_id() or ""))
        records.forget(instance)
        return was_running

    def state(self, instance: Instance) -> State:
        try:
            with connected() as api:
                seen = containers.inspect(api, _id(instance))
                if not containers.is_running(seen):
                    created = seen is not None and seen["State"]["Status"] == "created"
                    return State("created" if created else "dead", healthy=False)
                used = containers.usage(api, _id(instance))
        except ProviderError:
            health = _health(instance, None)  # there is no daemon to ask, or Docker's own settings make no sense
            return State("unknown", healthy=health is not None and health.ready)
        cpu, memory = used if used else (None, None)
        return running_state(_health(instance, seen), cpu_percent=cpu, memory_bytes=memory)

    def listens(self, instance: Instance) -> bool:
        try:
            with connected() as api:
                return _is_published(containers.inspect(api, _id(instance)), instance)
        except ProviderError:
            return False

    def unrecorded(self, recorded: list[Instance]) -> list[Instance]:
        """Containers of this state folder without a record; none where the daemon does not answer."""
        state = records.state_id()
        if state is None:
            return []
        known = {instance.container for instance in recorded}
        try:
            with connected() as api:
                found = containers.labelled(api, state=state)
        except ProviderError:
            return []
        return [_from_labels(seen) for seen in found if seen["Id"] not in known]

    def log_lines(self, instance: Instance, follow: bool) -> Generator[str]:
        with connected() as api:
            if containers.inspect(api, _id(instance)) is None:
                message = f"the container of {instance.ref} is gone, and its log with it"
                raise NotRunning(message, hint=start_again(instance))
            rest = b""
            for chunk in api.logs(_id(instance), stream=True, follow=follow):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (line.decode(errors="replace") for line in lines)
            if rest:
                yield rest.decode(errors="replace")

    def open(self, instance: Instance, restart: str) -> InstanceSession:
        return _Session(instance, restart, self.listens)


def _id(instance: Instance) -> str:
    return instance.container or ""


def _health(instance: Instance, seen: Any) -> Health | None:
    """The health of an instance; `seen` is what the daemon knows of its container, None where it cannot be asked."""
    if not instance.url or not instance.token:
        return None
    return connection.health(instance, lambda _: _is_published(seen, instance))


def _is_published(seen: Any, instance: Instance) -> bool:
    return containers.is_running(seen) and containers.url_of(seen) == instance.url


class _Session(InstanceSession):
    """Requests to a container. Where it is gone, the daemon knows why."""

    def ask(self, request: Request) -> Generator[Event, None, None]:
        try:
            yield from super().ask(request)
        except NotRunning as error:
            raise _explained(self._instance, error) from None


def _explained(instance: Instance, error: NotRunning) -> NotRunning:
    """The error, with the reason that the daemon knows and the kernel gave."""
    with suppress(DockerFailed), connected() as api:
        if containers.died_of_memory(_ended(api, instance)):
            message = f"{error.message}: it was ended because it took more memory than it may have"
            again = start_again(instance)
            return NotRunning(message, hint=again.after("raise resources.memory in the manifest"))
    return error


def _ended(api: Any, instance: Instance) -> Any:
    """Inspect a container that broke off: the daemon may hear of its end a moment after its clients."""
    end = time.monotonic() + _SECONDS_TO_END
    while containers.is_running(seen := containers.inspect(api, _id(instance))) and time.monotonic() < end:
        time.sleep(0.05)
    return seen


def _image(api: Any, request: StartRequest) -> _Ready:
    # A run against an instance comes this way as well, and needs none of it.
    from theoryctl.images.build import build
    from theoryctl.images.pull import pull

    choice = choose(request.image, request.image.platform or platform_of(api))
    if isinstance(choice, Pinned):
        image_id, digest = pull(api, choice, request.progress)
        return _Ready(image_id, f"{choice.reference.partition('@')[0]}@{digest}", digest, choice)
    image_id, built = build(api, choice, request.progress)
    if not built:
        request.progress.step(f"{choice.tag} is up to date")
    return _Ready(image_id, choice.tag, image_id, choice)


def _spec(request: StartRequest, image: _Ready, state: str) -> ContainerSpec:
    ref, name = request.ref, request.key.name
    return ContainerSpec(
        name="-".join(filter(None, ("theoryctl", ref.namespace, ref.name, str(ref.version), state[:8], name))),
        port=request.port,
        image=image.image_id,
        network=_network(state),
        labels={
            "ref": str(ref),
            **({_NAME: name} if name else {}),
            "state": state,
            "instance": secrets.token_hex(8),
            "digest": image.digest,
            "image": image.reference,
            "mode": request.server.provider.mode,
            "platform": image.choice.platform,
            "manifest": request.manifest_digest,
        },
        resources=request.resources,
        reaches_host=any(map(on_this_host, request.server.provider.secrets.values())),
        environment={
            **served_modes(request.server.provider),
            **limits_told(request.resources.cpu, request.resources.memory),
        },
    )


def _server(request: StartRequest, image: _Ready) -> ServerConfig:
    """Make the server's settings: its image and platform, and addresses of this host as the container sees them."""
    provider = request.server.provider
    seen_from_there = {name: _from_inside(value) for name, value in provider.secrets.items()}
    named = image.reference if isinstance(image.choice, Pinned) else f"{image.reference}@{image.digest}"
    provider = replace(provider, secrets=seen_from_there, image=named, platform=image.choice.platform)
    return replace(request.server, provider=provider)


def _from_inside(value: str) -> str:
    address = on_this_host(value)
    if address is None:
        return value
    port = f":{address.port}" if address.port else ""
    return address._replace(netloc=f"{containers.HOST_NAME}{port}").geturl()


def _wait(api: Any, instance: Instance, request: StartRequest) -> Instance:
    """The instance with its address, once it answers. Raises StartFailed with the last lines of its log."""
    seconds = request.wait_seconds
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        seen = containers.inspect(api, _id(instance))
        if not containers.is_running(seen):
            raise _died(api, instance, seen, request)
        url = containers.url_of(seen)
        if url is not None and (health := _health(found := replace(instance, url=url), seen)) and health.ready:
            return found
        time.sleep(0.05)
    raise StartFailed(
        f"{instance.ref}: not ready within {seconds:g} s{_last_words(api, instance, request)}",
        hint=again("give it more time with --wait-timeout", wait_timeout=2 * seconds),
    )


def _died(api: Any, instance: Instance, seen: Any, request: StartRequest) -> ProviderError:
    """The failure of a container that exited, in its server's own words where that gave its reason."""
    refusal = own_refusal(containers.last_lines(api, _id(instance)), request.server)
    if refusal is not None:
        # What the server would have one type counts inside the image.
        message = f"{request.ref}: in its image, {refusal['message']}"
        return ProviderError(refusal["code"], message, hint="fix the image, or pass another with --oci")
    words = _last_words(api, instance, request)
    status = seen["State"]["ExitCode"] if seen else "?"
    why, hint = "", "fix the problem that its log describes, and start it again"
    if "exec format error" in words:  # the kernel's words for a program of another machine
        why = f", because this machine runs no programs of {instance.platform}"
        hint = "install QEMU's user mode for it, or start it for another --platform"
    if containers.died_of_memory(seen):
        why = f", because it took more than its {request.resources.memory} MiB of memory"
        hint = "raise resources.memory in the manifest, and start it again"
    return StartFailed(
        f"{request.ref}: the container exited with status {status} while starting{why}{words}", hint=hint
    )


def _last_words(api: Any, instance: Instance, request: StartRequest) -> str:
    return last_words(containers.last_lines(api, _id(instance)), request.server)


def _from_labels(seen: Any) -> Instance:
    """Read the labels of a container whose record is lost: without its token nobody can run anything in it."""
    labels = {name.removeprefix(f"{containers.LABEL}."): value for name, value in seen["Config"]["Labels"].items()}
    return Instance(
        ref=labels["ref"],
        runtime=DockerRuntime.name,
        name=_name_of(seen),
        url=(containers.is_running(seen) and containers.url_of(seen)) or "",
        mode=labels["mode"],
        token="",
        started_at=datetime.fromisoformat(seen["Created"]).timestamp(),
        manifest_digest=labels["manifest"],
        secrets_present=(),
        secrets_absent=(),
        max_attachment=0,
        platform=labels["platform"],
        container=seen["Id"],
        image=labels["image"],
        digest=labels["digest"],
    )


def _name_of(seen: Any) -> str | None:
    """The name that a container was started under."""
    name: str | None = seen["Config"]["Labels"].get(f"{containers.LABEL}.{_NAME}")
    return name


def _network(state: str) -> str:
    return f"theoryctl-{state}"


def _network_alone() -> Any:
    """Nobody drops the network between the creation of a container and its start."""
    return file_lock(state_dir() / "network.lock")
