"""Modal's SDK: a connection, and its errors in our words."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from typing import Any

from theoryctl.errors import (
    MissingSecret,
    ModalAuth,
    ModalRefused,
    ModalUnavailable,
    NoEnvironment,
    TheoryctlError,
    UnfitPackage,
    UsageError,
)
from theoryctl.hints import command
from theoryctl.modal import deadlines
from theoryctl.modal.program import new_token
from theoryctl_providers.contract import ProviderError

#: Versions of the SDK that are known to do: from the first on, and older than the second.
OLDEST, TOO_NEW = (1, 6, 3), (2,)
#: Seconds until a Modal that says nothing is given up. The SDK itself goes on for a minute.
CONNECT_SECONDS = 5.0

#: Settings that its SDK reads when it is imported. Older builders add layers with pip on top of an image's digest, and
#: pickles of one Python cannot be read by another.
_SETTINGS = {"MODAL_IMAGE_BUILDER_VERSION": "2025.06", "MODAL_PAYLOAD_FORMAT": "cbor"}

_SYNC = command("modal sync-secrets")
_LOOK = command("modal logs")
AGAIN_HINT = "run it again; https://status.modal.com says how Modal is"


@contextmanager
def connected(look: str = _LOOK) -> Iterator[Any]:
    """The SDK (the module `modal`), with a connection that its objects use.

    `look` is the command that shows what a container says, for the error of one that failed. Raises ModalAuth
    (`ERR_MODAL_AUTH`) at once where there is no token, ModalUnavailable (`ERR_MODAL_UNAVAILABLE`) where nobody answers
    in CONNECT_SECONDS, and for whatever Modal says inside that nobody else has explained.
    """
    modal = imported()
    with explaining(modal, look):
        client = _connect(modal)
        try:
            deadlines.limit(modal)
            yield modal
        finally:
            client.__exit__(None, None, None)  # else the SDK uses it for the next connection too, wherever that leads


@contextmanager
def explaining(modal: Any, look: str) -> Iterator[None]:
    """Raise what the SDK raises inside as our errors; `look` as for `connected`."""
    try:
        yield
    except (AttributeError, ImportError) as error:
        raise (_lacking(modal, error) or error) from None
    except modal.exception.Error as error:
        raise explained(modal, error, look) from None
    except OSError as error:  # the SDK lets some failures of the network through
        raise ModalUnavailable(f"Modal broke off: {error.strerror or error}", hint=AGAIN_HINT) from None


def found(modal: Any, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Return what a call of the SDK returns; None where Modal says that there is no such thing."""
    try:
        return call(*arguments, **options)
    except modal.exception.NotFoundError:
        return None


def upload(volume: Any, files: Mapping[str, Any], size: int, what: str) -> None:
    """Put files, as paths or binary streams by their names there, into a Volume. Raises what `uploaded` does."""

    async def put() -> None:
        async with volume.batch_upload(force=True) as batch:
            for name, file in files.items():
                batch.put_file(file, name)

    uploaded(put(), size, what)


def uploaded(sending: Coroutine[Any, Any, Any], size: int, what: str) -> Any:
    """Return the result of an upload of so many bytes.

    Raises ModalUnavailable, which names `what`, where it takes longer than a slow connection would need.
    """
    import asyncio

    seconds = deadlines.upload_seconds(size)
    try:
        return asyncio.run(asyncio.wait_for(sending, seconds))
    except TimeoutError as error:
        said = str(error) or f"{seconds:.0f} s have passed"
        raise ModalUnavailable(f"Modal has not taken {what}: {said}", hint=AGAIN_HINT) from None


def holds(modal: Any, name: str, environment: str, *keys: str) -> bool:
    """Return whether there is a Secret that has all of these keys."""
    named = modal.Secret.from_name(name, environment_name=environment, required_keys=list(keys))
    try:
        return found(modal, named.hydrate) is not None
    except modal.exception.ConflictError:  # FAILED_PRECONDITION "Secret is missing key(s)" (modal-js/src/secret.ts)
        return False


def check_environment(modal: Any, name: str) -> None:
    """Raise NoEnvironment (`ERR_MODAL_ENVIRONMENT`) where Modal has no environment of that name."""
    names = [environment.name for environment in modal.Environment.objects.list()]
    if name not in names:
        there = ", ".join(sorted(names)) or "none"
        hint = f"modal environment create {name}"
        raise NoEnvironment(f"Modal has no environment {name!r}; there are: {there}", hint=hint)


def token_key() -> bytes:
    """Return a key for fingerprints that only users of the same token have."""
    from modal.config import config

    settings = ("token_secret", "oauth_client_secret", "oauth_refresh_token", "oauth_jwt_key")
    return next((str(config.get(name)) for name in settings if config.get(name)), "").encode()


def explained(modal: Any, error: Exception, look: str) -> ProviderError:
    """The SDK's exception as ours."""
    said = _first_line(error)
    kinds = modal.exception
    match error:
        case kinds.AuthError():
            return ModalAuth(f"Modal refused the token: {said}", hint=_token_hint())
        case kinds.PermissionDeniedError():
            return ProviderError("ERR_PERMISSION", f"Modal: {said}", hint="ask an owner of the workspace")
        case kinds.FunctionTimeoutError():
            hint = "raise resources.timeout in the manifest, and deploy it again"
            return ProviderError("ERR_TIMEOUT", f"Modal ended the request: {said}", hint=hint)
        case kinds.ResourceExhaustedError():
            return ModalUnavailable(f"Modal takes no more requests now: {said}", hint="run it again in a minute")
        case kinds.RemoteError() | kinds.ExecutionError() | kinds.InternalFailure():
            return _failed_there(said, look)
        case kinds.LogsFetchError():
            return UsageError(f"Modal: {said}", hint="ask for less with --since or --tail")
        case kinds.InvalidError() | kinds.NotFoundError() | kinds.AlreadyExistsError() | kinds.UnimplementedError():
            return ModalRefused(f"Modal refused: {said}", hint="look at Modal's dashboard")
    return ModalUnavailable(f"Modal broke off: {said or 'it does not answer'}", hint=AGAIN_HINT)


def _failed_there(said: str, look: str) -> ProviderError:
    """The failure of a call, by what Modal or its container says of it."""
    if not said:  # TERMINATED, which the entry point says of its requests when Modal interrupts it
        return ModalUnavailable("Modal ended the request, as when it moves a container", hint="run it again")
    if re.search(r"Secret st-\w+ not found", said):
        return MissingSecret(f"the app's Secret is gone from Modal: {said}", hint=_SYNC)
    if used_up := re.search(r"AttemptsUsedUp\('(.*)'\)", said):
        return ProviderError("ERR_PROVIDER", used_up[1], hint=look)
    return ProviderError("ERR_PROVIDER", f"the container on Modal failed: {said}", hint=look)


def imported() -> Any:
    """Import the SDK, and return it. Meanwhile nobody can write to standard output, in no thread.

    Raises ModuleNotFoundError, ModalAuth for settings of Modal's that cannot be read, and UnfitPackage.
    """
    os.environ.update(_SETTINGS)
    try:
        with redirect_stdout(StringIO()):  # where its import fails it prints more than the reason
            import modal
    except ModuleNotFoundError:
        raise
    except Exception as error:  # it reads ~/.modal.toml when it is imported
        raise ModalAuth(
            f"Modal's settings cannot be read: {' '.join(str(error).split())}", hint=_token_hint()
        ) from None
    _check_version(modal)
    return modal


def _check_version(modal: Any) -> None:
    """Raise UnfitPackage for a version of the SDK that we know nothing of, or that lacks what we use."""
    version = str(getattr(modal, "__version__", "0"))
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:3])
    if not OLDEST <= numbers < TOO_NEW:
        wanted = f"{'.'.join(map(str, OLDEST))} or later, and older than {'.'.join(map(str, TOO_NEW))}"
        raise UnfitPackage("modal", f"expected {wanted}, got {version}")


def _lacking(modal: Any, error: AttributeError | ImportError) -> UnfitPackage | None:
    """Explain an attribute or a module that the SDK does not have; None where it is not the SDK's."""
    if isinstance(error, ImportError):
        home, name = str(error.name), error.name
    else:
        owner, name = error.obj, error.name
        home = str(getattr(owner, "__module__", None) or getattr(owner, "__name__", None) or type(owner).__module__)
    if home.partition(".")[0] != "modal":
        return None
    return UnfitPackage("modal", f"{modal.__version__} lacks {name}")


def _connect(modal: Any) -> Any:
    """Say hello, and return the client, which the SDK keeps for all that follows."""
    import asyncio

    async def hello() -> Any:
        client = await modal.Client.from_env.aio()
        try:
            await client.hello.aio()
        except BaseException:
            await client.__aexit__(None, None, None)  # 1.6.3 has no `close`
            raise
        return client

    try:
        return asyncio.run(asyncio.wait_for(hello(), CONNECT_SECONDS))
    except modal.exception.ConflictError as error:
        # FAILED_PRECONDITION, which the service says of a client that is too old: before 1.3 it became VersionError.
        raise UnfitPackage("modal", f"Modal refused version {modal.__version__}: {_first_line(error)}") from None
    except (modal.exception.AuthError, modal.exception.InvalidError) as error:
        raise _unauthorised(modal, error) from None
    except (TimeoutError, OSError, modal.exception.ConnectionError) as error:
        said = _first_line(error) or f"no answer in {CONNECT_SECONDS:g} s"
        where = modal.config.config.get("server_url")
        raise ModalUnavailable(f"Modal ({where}) does not answer: {said}", hint=AGAIN_HINT) from None


def _unauthorised(modal: Any, error: Exception) -> TheoryctlError:
    config = modal.config.config
    if not (config.get("token_id") and config.get("token_secret")) and isinstance(error, modal.exception.AuthError):
        return ModalAuth("there is no token for Modal", hint=_token_hint())
    return ModalAuth(f"Modal refused the token: {_first_line(error)}", hint=_token_hint())


def _token_hint() -> str:
    return f"set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET, or run: {new_token()}"


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")
