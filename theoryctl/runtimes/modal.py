"""The modal runtime: the provider in a container that Modal starts when there is something to do."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, replace
from types import MappingProxyType
from typing import Any

from theoryctl.errors import ModalRefused, ModalUnavailable, UsageError
from theoryctl.hints import Hint, command
from theoryctl.manifests.model import Manifest
from theoryctl.modal import apps, attachments, batch_calls, calls
from theoryctl.modal.answers import AnswerIndex, KeptAnswers
from theoryctl.modal.deploy import BATCH_FUNCTIONS, FUNCTIONS
from theoryctl.modal.deployment import PLATFORM, Deployment
from theoryctl.modal.names import Owner
from theoryctl.modal.sdk import connected, explaining, found
from theoryctl.modal.sent_journal import SentCalls
from theoryctl.refs import ProviderRef
from theoryctl_providers.contract import (
    ERRORS,
    Event,
    Log,
    ProviderError,
    Request,
    Result,
    dump_config,
    is_mock,
    read_events,
)


class ModalSession:
    """Requests to what is deployed, looked up once: the image by its digest, as many times as there are requests."""

    def __init__(self, ref: ProviderRef, environment: str, app: str | None, manifest: Manifest) -> None:
        """Look it up, by the name `app` where there is one.

        Raises NotDeployed, DigestDrift, and what `connected` raises.
        """
        self._look = command("modal logs", ref=ref, env=environment)
        with ExitStack() as connection:
            self._modal = connection.enter_context(connected(self._look))
            self._deployment = apps.find(self._modal, ref, environment, app)
            self._deployment.check_pin(manifest.pin(PLATFORM))
            self._connection = connection.pop_all()
        owner = self._deployment.owner
        self._payer = owner if owner and owner != Owner.current() else None
        self._hints = {"ERR_DIGEST_DRIFT": self._deployment.start_again(), "ERR_PROVIDER": self._look}
        self._functions: dict[str, Any] = {}
        self._looking = threading.Lock()
        self.where = f"modal: {self._deployment.app} in {environment}"

    def ask(self, request: Request) -> Generator[Event, None, None]:
        """Yield the events of one request, the last one a `Result`. Closing the generator cancels the call.

        Raises UsageError for a time-out longer than Modal would allow, and what `connected` raises.
        """
        deployment = self._deployment
        _check_timeout(deployment, request)
        if self._payer is not None and not is_mock(request.effective_mode):
            yield Log(f"real mode spends the keys of {self._payer.user}, on the branch {self._payer.branch}")
        with explaining(self._modal, self._look):
            call = {**self._call(request), "request": _request(request)}
            function = self._function(FUNCTIONS, request)
            with closing(calls.answers(self._modal, deployment, function, call, self._look)) as items:
                try:
                    yield from read_events(event_lines(items, self._hints))
                except ConnectionResetError:
                    raise ModalUnavailable("the answer broke off", hint="run it again") from None

    def ask_for_batch(
        self, request: Request, sent: SentCalls, digest: str, index: AnswerIndex | None
    ) -> Generator[Event, None, None]:
        """Yield the notes of a batch's request, and its `Result`: of the call that was sent for it, else of a new one.

        The answer of a call that was sent may be in the `index` of the Volume. A call that was sent stays so, whatever
        ends the waiting for it. Raises what `ask` does.
        """
        answer = None
        while answer is None:
            if (call := sent.claim(digest)) is None:
                self.send(request, sent, digest)
            elif index is not None and (answer := index.pop(digest)) is not None:
                sent.take(digest)
            else:
                answer = self._result(request, sent, digest, call)
        yield from map(Log, answer.get("notes", ()))
        for event in read_events(event_lines([answer], self._hints)):
            yield _wished(event, answer.get("retry_after"))

    def send(
        self,
        request: Request,
        sent: SentCalls,
        digest: str,
        rows: Sequence[tuple[int, str | None]] = (),
        facts: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Give Modal a request of a batch, and wait for nothing.

        With `rows`, the number and the id of each line that it is of, the answer goes to the app's Volume too, with
        these `facts`, and the container tries again what may pass: nobody else will. Raises what `ask` does.
        """
        _check_timeout(self._deployment, request)
        kept = {"kept": {**facts, **self._facts(request, sent, digest, rows)}} if rows else {}
        with explaining(self._modal, self._look):
            told = {**_request(request), "operation": request.operation, "retries": request.retries or bool(rows)}
            call = {**self._call(request), "request": told, "image": self._deployment.image, **kept}
            sent.add(digest, batch_calls.send(self._function(BATCH_FUNCTIONS, request), call), kept=bool(rows))

    def _facts(self, request: Request, sent: SentCalls, digest: str, rows: Sequence[tuple[int, str | None]]) -> Any:
        config = request.config
        return {
            "batch": sent.batch,
            "digest": digest,
            "rows": [*rows],
            "ref": config.ref or "",
            "mode": request.effective_mode,
            "model": request.inputs.get("model") or config.default_model,
            "operation": request.operation,
        }

    def check_keeps(self) -> None:
        """Raise ModalRefused for an app whose containers cannot write into its Volume."""
        if not self._deployment.keeps_answers:
            message = f"{self._deployment.app} was deployed by an older theoryctl, which keeps no answers"
            raise ModalRefused(message, hint=self._deployment.start_again())

    @contextmanager
    def kept(self) -> Iterator[KeptAnswers]:
        """Look into the app's Volume. Raises what `ask` does."""
        with explaining(self._modal, self._look):
            yield KeptAnswers(self._modal, self._deployment.app, self._deployment.environment)

    def _result(self, request: Request, sent: SentCalls, digest: str, call: str) -> dict[str, Any] | None:
        with explaining(self._modal, self._look):
            try:
                answer = batch_calls.result(self._modal, self._function(BATCH_FUNCTIONS, request), call, self._look)
            except BaseException as error:
                if batch_calls.is_final(self._modal, error):
                    sent.take(digest)
                else:
                    sent.unclaim(digest, call)
                raise
        sent.take(digest)
        return answer

    @property
    def app(self) -> str:
        """The app's name and environment, as one text."""
        return f"{self._deployment.environment}/{self._deployment.app}"

    def _call(self, request: Request) -> dict[str, Any]:
        return {
            "config": _config(request),
            "secret_rules": [asdict(rule) for rule in request.config.secret_rules],
            "attachments": attachments.sent(self._modal, self._deployment, request),
        }

    def _function(self, functions: Mapping[str, str], request: Request) -> Any:
        """The function for the mode of a request, looked up once. Raises ModalRefused for an app that has none."""
        tag = functions["mock" if is_mock(request.effective_mode) else "real"]
        with self._looking:
            if tag not in self._functions:
                name, environment = self._deployment.app, self._deployment.environment
                named = self._modal.Function.from_name(name, tag, environment_name=environment)
                self._functions[tag] = found(self._modal, named.hydrate)
        if self._functions[tag] is None:
            message = f"{self._deployment.app} was deployed by another version of theoryctl"
            raise ModalRefused(message, hint=self._deployment.start_again())
        return self._functions[tag]

    def close(self) -> None:
        """End the connection, with all that is asked over it."""
        self._connection.close()


def _check_timeout(deployment: Deployment, request: Request) -> None:
    """Refuse to run for longer than Modal would allow."""
    if (request.timeout or 0) > deployment.timeout:
        message = f"--timeout {request.timeout:g}: it was deployed for {deployment.timeout} s at most"
        raise UsageError(message, hint=deployment.start_again().after("raise resources.timeout in the manifest"))


def _config(request: Request) -> dict[str, Any]:
    """Make the provider's config without its secrets, which Modal has."""
    config = dump_config(request.config, None)
    del config["secrets"]
    return config


def _request(request: Request) -> dict[str, Any]:
    names = ("inputs", "mode", "timeout", "run_id", "checked", "streamed")
    return {name: getattr(request, name) for name in names}


def _wished(event: Event, seconds: float | None) -> Event:
    """A result with the wait that its vendor wished for, which its event does not carry."""
    if seconds is None or not isinstance(event, Result) or event.envelope["error"] is None:
        return event
    error = event.envelope["error"]
    return replace(event, cause=ProviderError(error["code"], error["message"], retry_after=seconds))


def event_lines(given: Iterable[dict[str, Any]], hints: Mapping[str, Hint]) -> Iterator[bytes]:
    """The lines of the server-sent events in what the shim gives.

    Raises ProviderError for what the shim says could not be run; where it has no hint, that of the code in `hints`.
    """
    for answer in given:
        if "error" in answer:
            error = answer["error"]
            code = error["code"] if error["code"] in ERRORS else "ERR_PROVIDER"
            raise ProviderError(code, error["message"], hint=error["hint"] or hints.get(code))
        yield from answer["event"].encode().splitlines(keepends=True)
