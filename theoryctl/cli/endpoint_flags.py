"""The flags of `modal start` about an endpoint as one value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

if TYPE_CHECKING:
    from theoryctl.actions.modal_endpoint import EndpointOptions

Serve = Annotated[
    bool | None,
    typer.Option("--serve/--no-serve", help="Give the app an endpoint for clients over HTTP. [default: as it was]"),
]
EndpointMode = Annotated[
    str | None,
    typer.Option(
        "--mode",
        metavar="mock|real",
        help="Of the endpoint: serve only mocks, with no keys; or answer in real mode where a request names no mode. "
        "[default: as it was, and at first both, and mock where a request names none]",
    ),
]
ProxyAuth = Annotated[
    bool | None,
    typer.Option("--proxy-auth/--no-proxy-auth", help="Let only proxy tokens of Modal through. [default: as it was]"),
]
RotateToken = Annotated[bool, typer.Option("--rotate-token", help="Give the endpoint another token.")]
MaxContainers = Annotated[
    int | None,
    typer.Option(
        "--max-containers",
        metavar="N",
        min=1,
        max=1000,
        help="Run at most N containers. [default: max_containers of the manifest]",
    ),
]


class EndpointFlags(NamedTuple):
    """The flags."""

    serve: Serve = None
    mode: EndpointMode = None
    proxy_auth: ProxyAuth = None
    rotate_token: RotateToken = False
    max_containers: MaxContainers = None

    def options(self) -> EndpointOptions:
        """Turn the flags into what a start is told. Raises UsageError for a mode that is none."""
        from theoryctl.actions.modal_endpoint import EndpointOptions
        from theoryctl.actions.run import checked_mode

        return EndpointOptions(**{**self._asdict(), "mode": checked_mode(self.mode)})
