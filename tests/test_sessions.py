"""Sessions: many requests to one place, which is prepared for them once."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli
from theoryctl.errors import BadAttachment
from theoryctl.instances import records
from theoryctl.instances.key import RecordKey
from theoryctl.instances.session import InstanceSession
from theoryctl.refs import ProviderRef
from theoryctl.runtimes.embedded import EmbeddedSession
from theoryctl_providers.contract import Delta, Envelope, Event, ProviderConfig, Request, Result

REF = "llm/mock@1"


def request(words: str = "Hi", **more: Any) -> Request:
    inputs = {"model": "mock", "messages": [{"role": "user", "content": words}]}
    return Request(config=ProviderConfig(ref=REF), inputs=inputs, mode="mock", **more)


def envelope(events: Iterator[Event]) -> Envelope:
    return next(event.envelope for event in events if isinstance(event, Result))


# -- embedded ---------------------------------------------------------------------------------------------------------


def test_an_embedded_session_leaves_the_process_filters_of_warnings_alone() -> None:
    before = list(warnings.filters)
    with closing(EmbeddedSession((), "here")) as session:
        assert envelope(session.ask(request()))["status"] == "success"
    assert warnings.filters == before


MANY_RUNS = """
import json, sys
from theoryctl.actions.run import RunOptions, run
from theoryctl.actions.targets import local_target
from theoryctl.refs import ProviderRef
from theoryctl.requests.input_flags import InputFlags
from theoryctl.requests.standard_input import StandardInput

ref = ProviderRef.parse("acme/echo@1")
seen = []
for _ in range(200):
    options = RunOptions(ref=ref, inputs=InputFlags(prompt="Hi"), max_attachment=1, standard_input=StandardInput())
    run(options, local_target(ref, "embedded"), lambda event: None)
    seen.append(len(sys.path))
print(json.dumps([seen[0], seen[-1], "asyncio" in sys.modules]))
"""


def test_the_code_of_a_provider_is_on_the_path_once_however_often_it_is_asked(
    cli: Cli, environment: dict[str, str], tmp_path: Path
) -> None:
    assert cli("manifest", "new", "acme/echo@1").status == 0
    command = [sys.executable, "-c", MANY_RUNS]
    done = subprocess.run(command, cwd=tmp_path / "work", env=environment, capture_output=True, text=True, check=True)
    first, last, in_a_loop = json.loads(done.stdout)
    assert (first, in_a_loop) == (last, False)


# -- started ----------------------------------------------------------------------------------------------------------


class Relay:
    """Passes bytes on to a port of this machine and back; `accepted` counts the connections that it was asked for."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.accepted = 0
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def drop(self) -> None:
        """Close every connection, as a server does with one that is idle for long."""
        for end in self._ends:
            with closing(end), suppress(OSError):  # closed by the other side already
                end.shutdown(socket.SHUT_RDWR)
        self._ends.clear()

    def _accept(self) -> None:
        while True:
            try:
                near = self._listener.accept()[0]
            except OSError:
                return
            self.accepted += 1
            far = socket.create_connection(("127.0.0.1", self._port))
            self._ends += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=(source, sink), daemon=True).start()

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:  # dropped
        pass


@pytest.fixture
def relay(cli: Cli, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """A way to a started instance."""
    started = cli("local", "start", "--ref", REF, "--runtime", "process", "--json")
    assert started.status == 0, started.err
    monkeypatch.setenv("HOME", environment["HOME"])
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    with Relay(int(started.document["url"].rpartition(":")[2])) as relay:
        yield relay
    cli("local", "stop", "--all")


@pytest.fixture
def session(relay: Relay) -> Iterator[InstanceSession]:
    instance = records.instance_at(RecordKey(ProviderRef.parse(REF), "process"))
    assert instance is not None
    # The proof is of the server's own port: without it, the relay would be a stranger.
    relayed = replace(instance, url=relay.url, server_port=int(instance.url.rpartition(":")[2]))
    with closing(InstanceSession(relayed, "start it", lambda _: False)) as session:
        yield session


def answer(found: Envelope) -> Any:
    return found["outputs"][0].get("text")


def test_requests_one_after_the_other_go_over_one_connection(session: InstanceSession, relay: Relay) -> None:
    texts = [answer(envelope(session.ask(request(f"no. {number}")))) for number in range(20)]
    assert len(set(texts)) == 20
    assert relay.accepted == 1


def test_requests_with_attachments_do_too(session: InstanceSession, relay: Relay, tmp_path: Path) -> None:
    from theoryctl.requests.attachments import load_attachments

    (tmp_path / "a.txt").write_text("x" * 100_000)
    files = load_attachments((f"a={tmp_path}/a.txt",), 1 << 20)
    for _ in range(3):
        asked = session.ask(request(attachments=files))
        assert "100000 bytes" not in str(envelope(asked)["error"])
    assert relay.accepted == 1


@pytest.mark.parametrize("change", [lambda file: os.truncate(file, 60_000), os.unlink])
def test_a_file_that_shrinks_before_it_is_sent_ends_at_once(
    session: InstanceSession, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    from theoryctl.requests.attachments import load_attachments

    file = tmp_path / "a.txt"
    file.write_bytes(b"x" * 100_000)
    files = load_attachments((f"a={file}",), 1 << 20)
    change(file)
    began = time.monotonic()
    with pytest.raises(BadAttachment, match=r"expected 100000 bytes, got 60000|No such file"):
        envelope(session.ask(request(attachments=files)))
    assert time.monotonic() - began < 2
    assert envelope(session.ask(request()))["status"] == "success"


def test_requests_at_the_same_time_have_a_connection_each_and_no_more(session: InstanceSession, relay: Relay) -> None:
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda number: envelope(session.ask(request(f"{number}"))), range(64)))
    assert {each["status"] for each in found} == {"success"}
    assert len({answer(each) for each in found}) == 64
    assert relay.accepted <= 4


def test_a_connection_that_was_closed_meanwhile_is_not_used(session: InstanceSession, relay: Relay) -> None:
    for expected in (1, 2, 3):
        assert envelope(session.ask(request()))["status"] == "success"
        assert relay.accepted == expected
        relay.drop()


def test_a_connection_that_was_idle_for_long_is_not_used(
    session: InstanceSession, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("theoryctl.instances.session.KEPT", 0.0)
    for expected in (1, 2):
        assert envelope(session.ask(request()))["status"] == "success"
        assert relay.accepted == expected


def test_a_request_that_is_left_ends_its_connection_and_the_next_one_is_answered(
    session: InstanceSession, relay: Relay
) -> None:
    events = session.ask(request("x" * 2000))
    assert any(isinstance(event, Delta) for event in events)
    events.close()
    assert envelope(session.ask(request()))["status"] == "success"
    assert relay.accepted == 2


def test_a_refusal_is_no_end_of_the_session(session: InstanceSession) -> None:
    refused = envelope(session.ask(replace(request(), inputs={"messages": []})))
    assert refused["error"] is not None and refused["error"]["code"] == "ERR_INPUTS"
    assert envelope(session.ask(request()))["status"] == "success"
