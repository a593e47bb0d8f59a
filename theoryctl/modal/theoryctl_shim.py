"""Run one request in a container on Modal: ask the engine of the image, and pass on its events.

It is the only file of the host that goes there, and is loaded as a module of its own before anything of the image is:
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
from pathlib import Path
from typing import Any

#: The full reference of the image, the app's Volume, and its environment: set by the deployment.
IMAGE, VOLUME, ENVIRONMENT = "THEORYCTL_IMAGE", "THEORYCTL_VOLUME", "THEORYCTL_ENVIRONMENT"
#: Where the Volume is.
MOUNT = "/theoryctl/attachments"
PLATFORM = "linux/amd64"


async def generate(call: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
    """The events of one request, each as `{"event": server-sent event}`; of one that could not be made, `{"error": …}`.

    `call` has `config` (a ProviderConfig without secrets), `secret_rules` (with what does in each other's place; a CLI
    of before has none), `request` (inputs, mode, timeout, run_id, checked) and
    `attachments`: each as an envelope shows it, with `data` in base64, or `volume`, its path there, or neither in mock
    mode, where the digest is all that counts.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="theoryctl-") as folder:
            async for event in _events(call, Path(folder)):
                yield event
    except Exception as error:
        yield {"error": _failure(error)}


async def _events(call: dict[str, Any], folder: Path) -> AsyncGenerator[dict[str, Any]]:
    from theoryctl_providers.contract import Result, encode_event
    from theoryctl_providers.engine.execute import execute

    start = time.monotonic()
    files = [await _attachment(said, folder) for said in call["attachments"]]
    async for event in execute(_request(call, files)):
        if isinstance(event, Result):
            _log(event.envelope, time.monotonic() - start)
        text = encode_event(event)
        if text is not None:
            yield {"event": text.decode()}


def _request(call: dict[str, Any], files: list[Any]) -> Any:
    from theoryctl_providers.contract import Request, load_config

    config = call["config"]
    names = [rule["name"] for rule in config["secret_rules"]]
    secrets = {name: os.environ[name].strip() for name in names if os.environ.get(name, "").strip()}
    rules = list(_settled(call["secret_rules"], secrets)) if "secret_rules" in call else config["secret_rules"]
    here = {"secrets": secrets, "secret_rules": rules, "image": os.environ.get(IMAGE), "platform": PLATFORM}
    return Request(config=load_config({**config, **here}), attachments=files, **call["request"])


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
    _check(path, said)
    return Attachment(**rest, path=str(path))


async def _in_volume(name: str) -> Path:
    """The file in the app's Volume, which a container that is older than the file sees once it has looked again."""
    path = Path(MOUNT, name)
    if not path.exists():
        import modal

        volume = modal.Volume.from_name(os.environ[VOLUME], environment_name=os.environ[ENVIRONMENT])
        await volume.reload.aio()  # type: ignore[no-untyped-call]
    return path


def _check(path: Path, said: dict[str, Any]) -> None:
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


def _log(envelope: Any, seconds: float) -> None:
    """One line of JSON on standard error, as a started server writes it: never inputs, outputs or keys."""
    error = envelope["error"]
    line = {
        "time": round(time.time(), 3),
        "run_id": envelope["run_id"],
        "mode": envelope["mode"],
        "model": envelope["model"],
        "code": error["code"] if error else None,
        "duration_ms": round(seconds * 1000),
        **envelope["usage"],
    }
    os.write(2, f"{json.dumps(line)}\n".encode())
