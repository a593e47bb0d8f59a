"""Run one request in a container on Modal: ask the engine of the image, and pass on its events.

It is one of two files of the host that go there, and is loaded as a module of its own before anything of the image is:
so it imports the standard library alone, the rest inside the call, and says what fails instead of raising it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator, Container, Iterator
from contextlib import aclosing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

#: The full reference of the image, the names of the app's Volume and Dict, and their environment: set by the
#: deployment.
IMAGE, VOLUME, CALLS = "THEORYCTL_IMAGE", "THEORYCTL_VOLUME", "THEORYCTL_CALLS"
ENVIRONMENT = "THEORYCTL_ENVIRONMENT"
#: Where the Volume is, and the folder in it with the answers of batches that nobody waits for.
MOUNT = "/theoryctl/attachments"
ANSWERS = "answers"
PLATFORM = "linux/amd64"
#: Times that Modal may run one request: once more after a container was lost, but not without end, as it would.
ATTEMPTS = 2
#: Items that come before anything of the answer. The client of Modal skips items of a later attempt whose numbers it
#: has had, so the answer of each attempt begins at the same number.
LEAD = 8
#: Seconds that the Dict has to answer, and seconds between two looks whether the caller has ended the request.
DICT_SECONDS, WATCH_SECONDS = 10.0, 3.0
#: Seconds that the Volume has to show a new file.
RELOAD_SECONDS = 60.0
#: Seconds that it has to take an answer, and times that it is asked to: less than `deploy.SLACK`, because Modal ends a
#: call that takes longer, and its answer would be nowhere.
KEEP_SECONDS, COMMITS = 15.0, 3
#: The names of the entries, after the request's ID, by which a caller ends it, and which it changes while it listens.
ENDED, LISTENING = "ended", "listening"


async def generate(call: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
    """The events of one request, each as `{"event": server-sent event}`; of one that could not be made, `{"error": …}`.

    Each item says its `number` and the `attempt` that it is of; the first one has `call` instead, the ID of Modal's
    function call, and the last one `last`.

    `call` has `config` (a ProviderConfig without secrets), `secret_rules` (with what does in each other's place; a CLI
    of before has none), `request` (inputs, mode, timeout, run_id, checked), `image` (the reference that the caller
    expects to run), `until` (the time, in seconds since the epoch, at which the caller gives up), `vanished` (seconds
    after which a caller that changes no entry is gone; a CLI of before has none) and `attachments`: each as an envelope
    shows it, with `data` in base64, or `volume`, its path there, or neither in mock mode, where the digest is all that
    counts.
    """
    import modal

    items = _Items()
    yield items.item(call=modal.current_function_call_id())  # before anything is paid: with it the call can be ended
    try:
        _check(call)
        items.attempt = await _attempt(call["request"]["run_id"])
        with tempfile.TemporaryDirectory(prefix="theoryctl-") as folder, _watched(call):
            async with aclosing(_events(call, Path(folder))) as events:
                async for text, lead, last in events:
                    for filler in items.up_to(lead):
                        yield filler
                    yield items.item(event=text, last=last)
    except AttemptsUsedUp:
        raise  # an item could have a number that the caller has had
    except Exception as error:
        for filler in items.up_to(LEAD):
            yield filler
        yield items.item(error=_failure(error), last=True)


async def mock(call: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
    """Yield what `generate` does of a request in mock mode: a function of its own, whose containers have no secrets."""
    async with aclosing(generate(call)) as items:
        async for item in items:
            yield item


async def answer(call: dict[str, Any]) -> dict[str, Any]:
    """Return the end of one request of a batch: `{"event": its last event}`, or `{"error": …}` if it was not run.

    `notes` are lines for people, `retry_after` is the vendor's wish in seconds. `call` is as for `generate`, but for
    `until` and `vanished`: nobody has to wait, for Modal keeps what this returns. With `kept`, the facts of a detached
    batch's line, the answer is in the Volume too before this returns.
    """
    said = await _answered(call)
    if "kept" in call:
        await _keep({**call["kept"], "run_id": call["request"]["run_id"], "answer": said})
    return said


async def _answered(call: dict[str, Any]) -> dict[str, Any]:
    try:
        _check(call)
        await _attempt(call["request"]["run_id"])
        with tempfile.TemporaryDirectory(prefix="theoryctl-") as folder:
            return await _end(call, Path(folder))
    except AttemptsUsedUp as error:
        return {"error": {"code": "ERR_PROVIDER", "message": str(error), "hint": None}}
    except Exception as error:
        return {"error": _failure(error)}


async def mock_answer(call: dict[str, Any]) -> dict[str, Any]:
    """Return what `answer` does of a request in mock mode, without secrets."""
    return await answer(call)


class _Volume:
    """The app's Volume, as this container sees it.

    One change is made at a time: a reload replaces what was not committed yet, and fails where a file is open.
    """

    def __init__(self) -> None:
        import asyncio

        self._lock = asyncio.Lock()
        self._waiting: list[tuple[str, bytes]] = []
        #: Containers have files of their own, because of two that write to the same file the last one wins.
        self._name = f"{os.urandom(8).hex()}.jsonl"

    async def keep(self, batch: str, line: bytes) -> None:
        """Append a line to this container's file of a batch. What waits meanwhile is committed together."""
        mine = (batch, line)
        self._waiting.append(mine)
        async with self._lock:
            if any(each is mine for each in self._waiting):
                taken, self._waiting = self._waiting, []
                for each in taken:
                    self._append(*each)
                await self._commit()

    async def reload(self) -> None:
        """Look at the Volume again. Raises what the SDK does, and TimeoutError."""
        import asyncio

        async with self._lock:
            await asyncio.wait_for(_volume().reload.aio(), RELOAD_SECONDS)

    def _append(self, batch: str, line: bytes) -> None:
        folder = Path(MOUNT, ANSWERS, batch)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / self._name).open("ab") as file:
            file.write(line)

    async def _commit(self) -> None:
        """Commit what was written; where that fails, Modal commits it later, or at the end of the container."""
        import modal

        for _ in range(COMMITS):
            with suppress(modal.exception.Error, RuntimeError):
                await _volume().commit.aio()
                return


@cache
def _here() -> _Volume:
    """Return the Volume of this container."""
    return _Volume()


def _volume() -> Any:
    import modal

    return modal.Volume.from_name(os.environ[VOLUME], environment_name=os.environ[ENVIRONMENT])


async def _keep(record: dict[str, Any]) -> None:
    """Put an answer into the Volume. One that cannot be written there is in Modal's own store all the same."""
    import asyncio

    line = f"{json.dumps(record)}\n".encode()
    with suppress(OSError, TimeoutError):
        await asyncio.wait_for(_here().keep(record["batch"], line), KEEP_SECONDS)


class _Items:
    """Items of one attempt, numbered from 1."""

    def __init__(self) -> None:
        self.attempt = 0
        self._number = 0

    def item(self, **what: Any) -> dict[str, Any]:
        """The next item."""
        self._number += 1
        return {"attempt": self.attempt, "number": self._number, **what}

    def up_to(self, number: int) -> Iterator[dict[str, Any]]:
        """Empty items, so that the next one has a larger number than this."""
        while self._number < number:
            yield self.item()


class AttemptsUsedUp(Exception):
    """A request that was begun as often as it may be."""


class _Refused(Exception):
    """A request that is not run: `code`, `message` and `hint` are the contract's; a caller knows the other hints."""

    def __init__(self, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.hint = code, message, hint


def _check(call: dict[str, Any]) -> None:
    """Refuse what nobody waits for, and what another image was meant to run: tags can be older than what is live."""
    late = time.time() - call.get("until", float("inf"))
    if late > 0:
        message = f"Modal began the request {late:.0f} s after its caller had given up"
        raise _Refused("ERR_TIMEOUT", message, "set the clock of this machine, and run it again")
    image = os.environ.get(IMAGE)
    if image != call["image"]:
        message = f"{call['image']} was deployed last, but {image} is live: the app was rolled back"
        raise _Refused("ERR_DIGEST_DRIFT", message)


async def _attempt(run_id: str) -> int:
    """The number of this attempt, which is taken from the app's Dict; a caller that goes takes those that are left."""
    import asyncio

    import modal

    calls = _calls()
    try:
        for number in range(1, ATTEMPTS + 1):
            put = calls.put.aio(f"{run_id}/{number}", True, skip_if_exists=True)
            if await asyncio.wait_for(put, DICT_SECONDS):
                return number
    except (modal.exception.Error, TimeoutError) as error:
        message = f"Modal's Dict {os.environ[CALLS]} does not answer: {error or type(error).__name__}"
        raise _Refused("ERR_MODAL_UNAVAILABLE", message, "run it again") from None
    raise AttemptsUsedUp(f"the container ended in the middle of the request, {ATTEMPTS} times")


def _calls() -> Any:
    """The app's Dict."""
    import modal

    return modal.Dict.from_name(os.environ[CALLS], environment_name=os.environ[ENVIRONMENT], create_if_missing=True)


@contextmanager
def _watched(call: dict[str, Any]) -> Iterator[None]:
    """Cancel what runs inside once the caller has ended the request, or has vanished.

    Modal does so as well, on `FunctionCall.cancel`; nothing says that it does for every kind of call.
    """
    import asyncio

    this = asyncio.current_task()

    async def watch() -> None:
        import modal

        caller = _Caller(_calls(), call)
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            with suppress(modal.exception.Error):
                if this is not None and await caller.is_gone():
                    this.cancel()
                    return

    watcher = asyncio.ensure_future(watch())
    try:
        yield
    finally:
        watcher.cancel()


class _Caller:
    """The caller of a request, by its entries in the app's Dict."""

    def __init__(self, calls: Any, call: dict[str, Any]) -> None:
        self._calls, self._run_id, self._patience = calls, call["request"]["run_id"], call.get("vanished")
        self._said, self._at = None, time.monotonic()

    async def is_gone(self) -> bool:
        """Tell whether it has ended the request, or has changed nothing for too long."""
        if self._patience is not None:
            said = await self._calls.get.aio(f"{self._run_id}/{LISTENING}", None)
            if said != self._said:
                self._said, self._at = said, time.monotonic()
            if time.monotonic() - self._at > self._patience:
                return True
        return bool(await self._calls.contains.aio(f"{self._run_id}/{ENDED}"))


async def _events(call: dict[str, Any], folder: Path) -> AsyncGenerator[tuple[str, int, bool]]:
    """Each event as text, with the number that it comes after at the earliest, and whether it is the last one."""
    from theoryctl_providers.contract import Log, Result, Started, encode_event
    from theoryctl_providers.engine.execute import execute

    start = time.monotonic()
    files = [await _attachment(said, folder) for said in call["attachments"]]
    async for event in execute(_request(call, files)):
        if isinstance(event, Result):
            _log(call, event.envelope, time.monotonic() - start)
        text = encode_event(event)
        if text is not None:
            lead = 0 if isinstance(event, Log) else LEAD - 1 if isinstance(event, Started) else LEAD
            yield text.decode(), lead, isinstance(event, Result)


async def _end(call: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Run a request, and return its last event with the notes before it."""
    from theoryctl_providers.contract import Log, Result, encode_event
    from theoryctl_providers.engine.execute import execute

    start, notes = time.monotonic(), []
    files = [await _attachment(said, folder) for said in call["attachments"]]
    async for event in execute(_request(call, files)):
        if isinstance(event, Log) and not event.debug:
            notes.append(event.message)
        elif isinstance(event, Result):
            _log(call, event.envelope, time.monotonic() - start)
            text, wish = encode_event(event), getattr(event.cause, "retry_after", None)
            return {"event": (text or b"").decode(), "notes": notes, "retry_after": wish}
    raise RuntimeError("the provider ended without a result")


def _request(call: dict[str, Any], files: list[Any]) -> Any:
    from theoryctl_providers.contract import Request, load_config

    config = call["config"]
    names = [rule["name"] for rule in config["secret_rules"]]
    secrets = {name: os.environ[name].strip() for name in names if os.environ.get(name, "").strip()}
    rules = list(_settled(call["secret_rules"], secrets)) if "secret_rules" in call else config["secret_rules"]
    here = {"secrets": secrets, "secret_rules": rules, "image": os.environ.get(IMAGE), "platform": PLATFORM}
    said = {name: value for name, value in call["request"].items() if name in Request.__dataclass_fields__}
    return Request(config=_limited(load_config({**config, **here})), attachments=files, **said)


def _limited(config: Any) -> Any:
    """The configuration with this container's limits, which an older image shows nobody."""
    with suppress(ImportError):
        from theoryctl_providers.contract import told_limits

        return told_limits(config)
    return config


def _settled(rules: list[dict[str, Any]], given: Container[str]) -> Iterator[dict[str, Any]]:
    """The rules, each about one variable, as `contract.settled` makes them: an older image has no such function."""
    for rule in rules:
        plain = {key: value for key, value in rule.items() if key != "alternatives"}
        sets = [[rule["name"]], *rule["alternatives"]]
        chosen = next((names for names in sets if all(name in given for name in names)), sets[0])
        for name in dict.fromkeys(name for names in sets for name in names):
            yield {**plain, "name": name, "required": rule["required"] and name in chosen}


async def _attachment(said: dict[str, Any], folder: Path) -> Any:
    from theoryctl_providers.contract import Attachment

    rest = {key: value for key, value in said.items() if key not in ("data", "volume")}
    path = folder / said["digest"].removeprefix("sha256:")
    if "data" in said:
        path.write_bytes(base64.b64decode(said["data"]))
    elif "volume" in said:
        shutil.copyfile(await _in_volume(said["volume"]), path)
    else:
        return Attachment(**rest, path="")
    _check_digest(path, said)
    return Attachment(**rest, path=str(path))


async def _in_volume(name: str) -> Path:
    """The file in the app's Volume, which a container that is older than the file sees once it has looked again."""
    path = Path(MOUNT, name)
    if not path.exists():
        import modal

        try:
            await _here().reload()
        except (modal.exception.Error, RuntimeError, TimeoutError) as error:  # RuntimeError: there are open files
            message = f"Modal's Volume does not show the attachments: {error or type(error).__name__}"
            raise _Refused("ERR_MODAL_UNAVAILABLE", message, "run it again") from None
    return path


def _check_digest(path: Path, said: dict[str, Any]) -> None:
    from theoryctl_providers.contract import ProviderError

    with path.open("rb") as file:
        digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    if (path.stat().st_size, digest) != (said["size"], said["digest"]):
        message = f"attachment {said['name']} is not what was sent: {path.stat().st_size} bytes, {digest}"
        raise ProviderError("ERR_ATTACHMENT", message, hint="send it again")


def _failure(error: Exception) -> dict[str, Any]:
    """A failure outside of the engine, in the contract's words; the image may not even have the contract."""
    return {
        "code": getattr(error, "code", "ERR_PROVIDER"),
        "message": getattr(error, "message", f"the image cannot run the request: {type(error).__name__}: {error}"),
        "hint": getattr(error, "hint", "deploy an image that theoryctl has built"),
    }


def _log(call: dict[str, Any], envelope: Any, seconds: float) -> None:
    """One line of JSON on standard error, as a started server writes it: never inputs, outputs or keys."""
    error = envelope["error"]
    line = {
        "time": round(time.time(), 3),
        "run_id": envelope["run_id"],
        "operation": call["request"].get("operation", "chat"),  # the lines of a batch alone name another one
        "mode": envelope["mode"],
        "model": envelope["model"],
        "code": error["code"] if error else None,
        "duration_ms": round(seconds * 1000),
        **envelope["usage"],
    }
    os.write(2, f"{json.dumps(line)}\n".encode())
