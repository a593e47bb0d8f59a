"""`python -m theoryctl_providers --port 8000`: serve one provider, told the rest as JSON on standard input.

Without a document there it serves mocks only, if THEORYCTL_TOKEN holds a token of 32 characters or more.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import suppress

from theoryctl_providers.contract import ProviderError, dumps


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; 0 after a drain, 2 when standard input holds no configuration."""
    chosen = _parser().parse_args(arguments)
    try:
        return _serve(chosen)
    except ProviderError as error:
        _say_why(error)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m theoryctl_providers", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="the port; 0 takes a free one (default: %(default)s)")
    parser.add_argument("--ready-fd", type=int, help="write the port to this file descriptor once requests are taken")
    parser.add_argument("--log-file", help="the file that standard error is, to be rotated when it is large")
    parser.add_argument("--log-bytes", type=int, default=10 << 20, help="that size (default: %(default)s)")
    parser.add_argument("--log-taken", type=json.loads, help="a command to run after that, as a JSON list of words")
    return parser


def _serve(chosen: argparse.Namespace) -> int:
    from theoryctl_providers.server.log import Log
    from theoryctl_providers.server.offline import stay_offline
    from theoryctl_providers.server.process import serve
    from theoryctl_providers.server.told import told

    log = Log(chosen.log_file, chosen.log_bytes, chosen.log_taken)
    config = told()
    if config.provider.mock_only:
        # Before the provider's code is there.
        stay_offline(log.line)
    return serve(config, chosen.host, chosen.port, chosen.ready_fd, log)


def _say_why(error: ProviderError) -> None:
    """Write why nothing is served as the last line of standard error, after what a provider has printed."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    line = dumps({"code": error.code, "message": error.message, "hint": error.hint})
    os.write(2, f"{line}\n".encode())


if __name__ == "__main__":
    sys.exit(main())
