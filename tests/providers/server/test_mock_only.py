"""A server that was told to serve mocks and nothing else: no connection leaves it, whatever its provider tries."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.providers.started import ASK, CANARY, CONFIG, Server, Start, real
from tests.real.vendor import Vendor
from theoryctl_providers.contract import ProviderConfig

#: A provider that tries the way out which the prompt names, and says how it went.
TRYING = """
import asyncio, importlib, multiprocessing, os, socket, subprocess, sys, threading, urllib.request
from theoryctl_providers import Delta, Finish, LLMProvider

PORT = int(os.environ["TRIED_PORT"])
HERE = ("127.0.0.1", PORT)
CODE = f"import socket; socket.create_connection({HERE})"
AT_IMPORT = "untried"
try:
    socket.create_connection(HERE)
except PermissionError:
    AT_IMPORT = "refused"


async def at_import():
    if AT_IMPORT == "refused":
        raise PermissionError

async def sockets():
    socket.create_connection(HERE)

async def connect_ex():
    with socket.socket() as plain:
        plain.connect_ex(HERE)

async def loop():
    await asyncio.open_connection(*HERE)

async def loop_unix():
    await asyncio.open_unix_connection("/tmp/none")

async def loop_sock():
    with socket.socket() as plain:
        plain.setblocking(False)
        await asyncio.get_running_loop().sock_connect(plain, HERE)

async def loop_of_its_own():
    import uvloop
    in_a_thread(uvloop.new_event_loop)

async def loop_of_its_own_class():
    from uvloop.loop import Loop
    in_a_thread(Loop)

def in_a_thread(make):
    def work():
        try:
            make().run_until_complete(loop())
        except PermissionError:
            refused.append(True)
    refused = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if refused:
        raise PermissionError

async def datagram():
    with socket.socket(type=socket.SOCK_DGRAM) as plain:
        plain.sendto(b"x", HERE)

async def loop_datagram():
    await asyncio.get_running_loop().create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=HERE)

async def name():
    socket.getaddrinfo("localhost", PORT)

async def other_name():
    socket.gethostbyname("localhost")

async def loop_name():
    await asyncio.get_running_loop().getaddrinfo("localhost", PORT)

async def url():
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{PORT}")
    except urllib.error.URLError as error:
        raise error.reason

async def httpx():
    import httpx
    try:
        async with httpx.AsyncClient() as client:
            await client.get(f"http://127.0.0.1:{PORT}")
    except httpx.ConnectError:
        raise PermissionError

async def program():
    subprocess.run([sys.executable, "-c", CODE], check=True)

async def shell():
    os.system(f"{sys.executable} -c '{CODE}'")

async def loop_program():
    await asyncio.create_subprocess_exec(sys.executable, "-c", CODE)

async def spawned():
    os.posix_spawn(sys.executable, [sys.executable, "-c", CODE], {})

async def interpreter():
    try:
        import _interpreters as made
    except ImportError:
        import _xxsubinterpreters as made
    made.run_string(made.create(), CODE)

async def interpreter_by_a_module_that_is_loaded_anew():
    name = "_interpreters" if "_interpreters" in sys.modules else "_xxsubinterpreters"
    sys.modules.pop(name)
    made = importlib.import_module(name)
    made.run_string(made.create(), CODE)

async def interpreter_by_a_loader_that_is_loaded_anew():
    sys.modules.pop("_imp")
    importlib.import_module("_imp")

async def interpreter_of_pythons_own_tests():
    try:
        import _testcapi
    except ModuleNotFoundError:  # not every Python comes with them
        raise PermissionError
    _testcapi.run_in_subinterp(CODE)

async def multiprocessed():
    multiprocessing.get_context("spawn").Process(target=print).start()

async def forked():
    if (child := os.fork()) == 0:
        try:
            socket.create_connection(HERE)
        except PermissionError:
            os._exit(7)
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7:
        raise PermissionError


class Trying(LLMProvider):
    suspends_in_mock = True
    default_model = "trying/this"

    async def stream(self, request):
        way = globals()[request.inputs["messages"][0]["content"]]
        try:
            await way()
            yield Delta(text="got through")
        except PermissionError:
            yield Delta(text="refused")
        yield Finish()
"""

WAYS = [line[10:-3] for line in TRYING.splitlines() if line.startswith("async def ")]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.settimeout(0.2)
        yield listener


def told(server: Server, text: str) -> str:
    document = server.run({"inputs": {"messages": [{"role": "user", "content": text}]}}).document
    assert document["status"] == "success", document["error"]
    return str(document["outputs"][0]["text"])


def test_no_way_out_that_a_provider_tries_is_open_and_each_is_logged(
    start: Start, tmp_path: Path, listener: socket.socket, record_property: Callable[[str, object], None]
) -> None:
    record_property("tried", len(WAYS))
    (tmp_path / "trying.py").write_text(TRYING)
    env = {"PYTHONPATH": str(tmp_path), "TRIED_PORT": str(listener.getsockname()[1]), "OPENAI_API_KEY": CANARY}
    config = replace(CONFIG, provider=ProviderConfig(provider="trying:Trying"))
    server = start(config, env=env | {"THEORYCTL_SERVES": "mock"})
    assert {way: told(server, way) for way in WAYS} == dict.fromkeys(WAYS, "refused")
    with pytest.raises(TimeoutError):
        listener.accept()
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    refused = [line["refused"] for line in lines if "refused" in line]
    assert len(refused) >= len(WAYS)
    assert any(line.startswith("socket.connect [('127.0.0.1', ") for line in refused)
    assert any(line.startswith("socket.getaddrinfo ['localhost', ") for line in refused)
    assert CANARY not in server.log.read_text()
    server.stop()
    # The same provider has its ways where nobody asked for mocks alone.
    open_server = start(config, env=env)
    assert told(open_server, "loop") == told(open_server, "sockets") == "got through"
    listener.accept()[0].close()


def test_it_refuses_real_requests_on_every_wire_and_has_no_keys_to_send(start: Start) -> None:
    with Vendor() as vendor:
        config = real(vendor)
        server = start(config, env={"THEORYCTL_SERVES": "mock"})
        refused = server.run({"inputs": ASK, "mode": "real"})
        assert (refused.status, refused.error["code"]) == (400, "ERR_UNSUPPORTED_PARAM")
        chat = server.ask("POST", "/v1/chat/completions", ASK, x_theoryctl_mode="real")
        assert (chat.status, chat.error["param"]) == (400, "mode")
        mocked = server.run()
        assert (mocked.status, mocked.document["mode"], mocked.document["meta"]["secrets_present"]) == (200, "mock", [])
        assert vendor.requests == []
