"""The endpoint of an app on Modal: what a start says of it, and what leads clients to it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from theoryctl.actions.instance_env import leading_to
from theoryctl.actions.modal_image import pinned_here
from theoryctl.errors import DigestDrift, NotDeployed, UsageError
from theoryctl.hints import again, command
from theoryctl.manifests.cache import read_manifest
from theoryctl.manifests.catalog import Found
from theoryctl.manifests.model import Manifest
from theoryctl.modal import apps
from theoryctl.modal.deployment import Deployment, Endpoint
from theoryctl.modal.sdk import connected
from theoryctl.progress import Progress
from theoryctl.refs import ProviderRef
from theoryctl.requests.mock_flags import MockFlags
from theoryctl.results.modal import EndpointEnv
from theoryctl.runtimes.config import provider_config
from theoryctl_providers.contract import ProviderConfig, sha256, stated_mode


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointOptions:
    """Options of a start about the endpoint; for None it stays as it is.

    `max_containers` goes before that of the manifest.
    """

    serve: bool | None = None
    mode: str | None = None
    proxy_auth: bool | None = None
    rotate_token: bool = False
    max_containers: int | None = None


def planned(
    found: Found, wanted: Deployment, before: Deployment | None, options: EndpointOptions
) -> tuple[Deployment, bytes | None]:
    """Return the deployment with the endpoint that it is to have, and the document of that.

    Raises UsageError for options of an endpoint without one, and where nobody said how many containers strangers may
    start.
    """
    from theoryctl.modal.endpoint import document

    had = before.endpoint if before else None
    wanted = _limited(wanted, options.max_containers)
    if not (had is not None if options.serve is None else options.serve):
        _refuse_alone(options)
        return wanted, None
    if options.max_containers is None and not _says_limit(found):
        if had is None or before is None:
            most = wanted.resources.max_containers
            message = "--serve: anybody can have containers started, and nothing says how many there may be"
            raise UsageError(message, hint=again(f"add --max-containers {most}", max_containers=most))
        wanted = _limited(wanted, before.resources.max_containers)
    mode = options.mode or (had.mode if had else None)
    data = document(_config(found.load(), mode), wanted.resources.concurrency)
    proxy_auth = options.proxy_auth if options.proxy_auth is not None else bool(had and had.proxy_auth)
    return replace(wanted, endpoint=Endpoint(document=sha256(data), mode=mode, proxy_auth=proxy_auth)), data


def env(
    ref: ProviderRef, environment: str, app: str | None, manifests: str | None, *, wait: bool, progress: Progress
) -> EndpointEnv:
    """Return the variables that lead clients to the endpoint of an app; with `wait`, once a container takes requests.

    An endpoint with `proxy_auth` is not waited for: Modal lets only its own tokens through. Raises NotDeployed for an
    app without an endpoint, and DigestDrift for one that runs another image than the manifest or the app's tags say.
    """
    from theoryctl.modal.access import access, await_server, wake

    look = command("modal logs", ref=ref, env=environment)
    pinned = pinned_here(ref, manifests)
    with connected(look) as modal:
        deployment = apps.find(modal, ref, environment, app)
        endpoint = deployment.endpoint
        if endpoint is None or endpoint.url is None:
            hint = deployment.start_again(serve=True, max_containers=deployment.resources.max_containers)
            raise NotDeployed(f"{deployment.app} is deployed without an endpoint", hint=hint)
        if wait and not endpoint.proxy_auth:
            wake(endpoint.url)
        given = access(modal, deployment, look, progress)
        _check_image(deployment, given.image, pinned)
        if wait and not endpoint.proxy_auth:
            await_server(modal, deployment, given.token, look, progress)
    return EndpointEnv(leading_to(endpoint.url, given.token), endpoint.proxy_auth)


def _config(manifest: Manifest, mode: str | None) -> ProviderConfig:
    """The configuration of what is served, without its secrets, which Modal has."""
    return provider_config(
        manifest,
        runtime="modal",
        mode=stated_mode({}, mode, "mock"),
        mocks=MockFlags(),
        env_file=None,
        with_secrets=False,
    )


def _limited(wanted: Deployment, most: int | None) -> Deployment:
    """The deployment with `most` containers at most. Raises UsageError for fewer than it keeps running."""
    if most is None:
        return wanted
    if most < (least := wanted.resources.min_containers):
        hint = again(f"use --max-containers {least}", max_containers=least)
        raise UsageError(f"--max-containers {most}: expected at least min_containers, which is {least}", hint=hint)
    return replace(wanted, resources=replace(wanted.resources, max_containers=most))


def _refuse_alone(options: EndpointOptions) -> None:
    given = {
        "--mode": options.mode is not None,
        "--proxy-auth": options.proxy_auth is not None,
        "--rotate-token": options.rotate_token,
    }
    for flag, is_given in given.items():
        if is_given:
            message = f"{flag}: expected an app with an endpoint, got one without"
            raise UsageError(message, hint=again("add --serve", serve=True))


def _says_limit(found: Found) -> bool:
    """Return whether the manifest itself says `max_containers`."""
    from theoryctl_providers.authored.yaml_document import parse

    return ("resources", "max_containers") in parse(read_manifest(found.file)).places


def _check_image(deployment: Deployment, runs: str, pinned: str | None) -> None:
    """Raise DigestDrift where what `runs` is not the image of the app's tags, or that is not the one that is pinned."""
    if runs != deployment.image:
        message = f"{deployment.image} was deployed last, but {runs} is live: the app was rolled back"
        raise DigestDrift(message, hint=deployment.start_again())
    deployment.check_pin(pinned)
