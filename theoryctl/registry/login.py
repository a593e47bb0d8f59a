"""Logins to registries, challenges, and the token services that may have a login."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

#: Registries whose tokens come from another host of theirs, as they say themselves in their challenges.
TOKEN_HOSTS = {
    "registry-1.docker.io": "auth.docker.io",
    "registry.gitlab.com": "gitlab.com",
    "registry.digitalocean.com": "api.digitalocean.com",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A login that `docker login` keeps: a user with a password, or an identity token."""

    user: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    @property
    def basic(self) -> str | None:
        """User and password as a header (RFC 7617); None for an identity token, which is for token services only."""
        from base64 import b64encode

        if not self.user:
            return None
        return f"Basic {b64encode(f'{self.user}:{self.password}'.encode()).decode()}"

    def refresh_form(self, query: dict[str, str]) -> dict[str, str]:
        """The form that exchanges an identity token at a token service (distribution's `docs/spec/auth/oauth.md`)."""
        return {
            "grant_type": "refresh_token",
            "refresh_token": self.identity_token,
            "client_id": "theoryctl",
            **query,
        }


@dataclass(frozen=True, slots=True)
class Challenge:
    """A registry's demand for a login: the scheme in lower case, and its parameters (RFC 9110, section 11.6.1)."""

    scheme: str
    parameters: dict[str, str]

    @classmethod
    def parse(cls, header: str) -> Challenge:
        """Read a `WWW-Authenticate`; parts that are none are left out."""
        from urllib.request import parse_http_list

        scheme, _, rest = header.partition(" ")
        pairs = (part.partition("=") for part in parse_http_list(rest) if "=" in part)
        return cls(scheme.lower(), {name: value.removeprefix('"').removesuffix('"') for name, _, value in pairs})

    @property
    def realm(self) -> str:
        """Address of the token service."""
        return self.parameters.get("realm", "")

    def query(self, scope: str) -> dict[str, str]:
        """Query of the token service; `scope` is used where the registry names none."""
        asked = {"scope": scope}
        asked |= {name: value for name, value in self.parameters.items() if name in ("service", "scope")}
        return asked

    def may_be_asked(self, registry: str) -> bool:
        """Return whether the token service is reached over TLS, or is on this machine as the registry is."""
        where = _split(self.realm)
        return where[0] == "https" or (is_loopback(where[1]) and is_loopback(registry))

    def belongs_to(self, registry: str) -> bool:
        """Return whether the token service is the registry's own and may have its login: the same host, or one of
        `TOKEN_HOSTS`. A common domain proves nothing: hosts of two owners have one below co.uk, and below azurecr.io,
        which is not even in the Public Suffix List."""
        realm, host = _host(_split(self.realm)[1]), _host(registry)
        return realm in (host, TOKEN_HOSTS.get(host))


def is_loopback(host: str) -> bool:
    """Return whether `host` or `host:port` is this machine, the only one that is asked without TLS."""
    from ipaddress import ip_address

    name = _host(host)
    try:
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def _split(address: str) -> tuple[str, str]:
    """Scheme, and host with port; empty where the address is none."""
    try:
        return urlsplit(address)[:2]
    except ValueError:
        return "", ""


def _host(netloc: str) -> str:
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""
