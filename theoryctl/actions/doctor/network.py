"""The way out: proxies, certificates, and the clock that certificates are checked by."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from theoryctl.actions.doctor.commands import as_root, unset
from theoryctl.results.doctor import Checked, Finding
from theoryctl_providers.contract import install_command

_PROXIES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
#: Files and folders of certificates: of OpenSSL, requests and curl.
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
#: Schemes that httpx takes, which LiteLLM's connections are made with.
_SCHEMES = ("http", "https", "socks5", "socks5h")
_CODE = "ERR_UNREACHABLE"


def check() -> Checked:
    """Check the variables that every connection goes by."""
    proxies = {name: value for name in _PROXIES if (value := os.environ.get(name))}
    findings = [finding for name, value in proxies.items() if (finding := _proxy(name, value))]
    findings += [*_local(proxies), *_certificates(), *_clock(time.time())]
    used = ", ".join(f"{name}={_shown(value)}" for name, value in proxies.items())
    return Checked("network", used or "no proxy", tuple(findings))


def _proxy(name: str, value: str) -> Finding | None:
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        well_formed = parts.scheme in _SCHEMES and parts.hostname and parts.port != 0
    except ValueError:
        well_formed = False
    if not well_formed:
        what = f"{name}: expected an address such as http://proxy:3128, got {_shown(value)[:80]!r}"
        return Finding(what, "no vendor can be reached", unset(name), _CODE)
    if parts.scheme.startswith("socks") and not _is_installed("socksio"):
        what = f"{name} names a SOCKS proxy, and the package socksio is not installed"
        return Finding(what, "no vendor can be reached", install_command("socksio"), _CODE)
    return None


def _shown(address: str) -> str:
    """An address without the user and the password that may stand in it."""
    scheme, separator, rest = address.rpartition("://")
    return scheme + separator + rest.rpartition("@")[2]


def _is_installed(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package) is not None


def _local(proxies: dict[str, str]) -> Iterator[Finding]:
    """A proxy cannot reach this machine's loopback addresses."""
    name = "no_proxy" if "no_proxy" in os.environ else "NO_PROXY"
    direct = {each.strip() for each in os.environ.get(name, "").split(",")}
    is_used = any("http_" in each.lower() or "all" in each.lower() for each in proxies)
    if is_used and direct.isdisjoint(("*", "127.0.0.1", "localhost")):
        what = f"{name} leaves out localhost and 127.0.0.1"
        why = "clients that `theoryctl local env` leads to an instance ask the proxy for it"
        yield Finding(what, why, f'export {name}="${{{name}:+${name},}}localhost,127.0.0.1"')


def _certificates() -> Iterator[Finding]:
    for name in _CERTIFICATES:
        path = os.environ.get(name)
        if path and not os.path.exists(path):
            yield Finding(f"{name}: {path} does not exist", "no certificate can be checked", unset(name), _CODE)


def _clock(now: float) -> Iterator[Finding]:
    """A clock that is behind the time at which this file was installed is wrong."""
    if now < Path(__file__).stat().st_mtime - 86400:
        what = f"the clock says {time.strftime('%Y-%m-%d', time.gmtime(now))}, before theoryctl was installed"
        yield Finding(what, "certificates count as not yet valid", as_root("timedatectl set-ntp true"), _CODE)
