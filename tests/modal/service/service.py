"""The service as a test holds it: it runs in a thread of its own, between `with` and the end of the block."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import threading
from collections.abc import Coroutine, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from grpclib.server import Server

from tests.modal.service.accounts import Accounts
from tests.modal.service.apps import Apps
from tests.modal.service.containers import Container, Fleet
from tests.modal.service.files import Files
from tests.modal.service.functions import Calls, Functions
from tests.modal.service.images import Images
from tests.modal.service.state import State, new_id
from tests.modal.service.wire import servicer


class Modal:
    """Modal's service, on loopback."""

    def __init__(self, environments: Sequence[str] = ("main", "dev"), image_python: str = sys.executable) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="modal-"))
        self._state = State(self.folder, image_python, 2)
        self._state.token = (new_id("ak"), new_id("as"))
        self._state.environments = {name: new_id("en") for name in environments}

    def __enter__(self) -> Modal:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._do(self._open())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        shutil.rmtree(self.folder)
        assert not self._state.wire.bugs, self._state.wire.bugs

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a client: where the service is, and a token that it takes."""
        token, secret = self._state.token
        return {
            "MODAL_SERVER_URL": f"http://127.0.0.1:{self.port}",
            "MODAL_TOKEN_ID": token,
            "MODAL_TOKEN_SECRET": secret,
            "MODAL_CONFIG_PATH": str(self.folder / "no-config"),
        }

    def containers(self) -> list[Container]:
        """Those that run. `pid` is the entrypoint's."""
        return [one for one in self._state.containers.values() if one.process]

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _open(self) -> None:
        state = self._state
        files = Files(state)
        self._http = await files.serve()
        accounts = Accounts(state)
        self._rooms: list[object] = [accounts, Images(state), files, Functions(state)]
        self._fleet = Fleet(state, files, self._rooms)
        self._rooms += [Apps(state, self._fleet), Calls(state, self._fleet)]
        self._server = Server([servicer(state.wire, self._rooms, accounts.admit)])
        await self._server.start("127.0.0.1", 0)
        self.port = self._server._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]

    async def _close(self) -> None:
        await self._fleet.close()
        self._server.close()
        await self._server.wait_closed()
        await self._http.cleanup()
