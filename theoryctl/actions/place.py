"""The place of an instance that is to start: what is there goes when its successor is ready, or before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from theoryctl.actions.stop import ended, save_recordings
from theoryctl.errors import StartFailed
from theoryctl.hints import again
from theoryctl.instances import records
from theoryctl.instances.instance import Instance
from theoryctl.instances.key import RecordKey
from theoryctl.instances.restart import start_again
from theoryctl.runtimes.base import StartedRuntime, State
from theoryctl.runtimes.start_request import StartRequest
from theoryctl_providers.contract import ProviderError


class Place:
    """The place of a record, for the holder of its lock who starts an instance there, at `port` if that is not None.

    `recorded` is the instance that is recorded there, in this `state`. If it runs, it serves until the new one is
    ready, unless it has the port itself; what is dead, or has lost its record, goes before.
    """

    def __init__(
        self,
        runtime: StartedRuntime,
        key: RecordKey,
        port: int | None,
        recorded: Instance | None,
        state: State | None,
    ) -> None:
        self._runtime, self._port = runtime, port
        runs = state is not None and state.name not in ("dead", "created")
        self._serving = recorded if runs else None
        others = [each for each in runtime.there() if each.key == key and not (recorded and each.is_same(recorded))]
        self._rests = others if runs or recorded is None else [recorded, *others]
        self._ended: Instance | None = None

    def check(self) -> None:
        """Raise StartFailed for a port that another program has, before anything is ended, or built, for it."""
        there = [*self._rests, *([self._serving] if self._serving else [])]
        if self._port is not None and not any(self._runtime.holds(each, self._port) for each in there):
            self._must_be_free(self._port)

    def take(self, request: StartRequest) -> Instance:
        """Start an instance, record it, and end the one that has served until then.

        Raises what starting it does: then what served serves on, and is recorded still, unless it had the port; and
        what ending that one does: then the new one serves.
        """
        with self._told(), self._runtime.starting(request, self._make_room) as instance:
            if self._serving:
                save_recordings(self._serving)
            records.save(instance)
        if self._serving:
            ended(self._serving)
        return instance

    def _make_room(self) -> None:
        """End what cannot stay beside a new instance."""
        for each in self._rests:
            ended(each)
        if self._port is None:
            return
        if self._serving and self._runtime.holds(self._serving, self._port):
            ended(self._serving)
            self._ended, self._serving = self._serving, None
        self._must_be_free(self._port)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell in an error that the instance that had the port is gone, with the command that starts it again."""
        try:
            yield
        except ProviderError as error:
            if self._ended is None:
                raise
            message = f"{error.message}; the instance that ran there had port {self._port}, and was ended before"
            raise ProviderError(error.code, message, hint=start_again(self._ended)) from error

    def _must_be_free(self, port: int) -> None:
        import errno
        import socket

        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                if error.errno == errno.EACCES and self._runtime.has_image:
                    return  # a daemon may take ports that its user may not
                hint = again("choose another --port, or leave it out", port=None)
                raise StartFailed(f"--port {port}: {error.strerror}", hint=hint) from None
