"""docs/configuration.md: the settings as the code has them, and the variables and folders around them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from theoryctl.settings import SETTINGS, Setting

Table = Callable[[Sequence[str], Iterable[Sequence[str]]], str]

#: Variables that are no settings: their name, and their meaning.
VARIABLES = (
    ("`THEORYCTL_STATE_DIR`", "the folder of state; default `theoryctl` in `XDG_STATE_HOME` (`~/.local/state`)"),
    ("`THEORYCTL_CACHE_DIR`", "the folder of the cache; default `theoryctl` in `XDG_CACHE_HOME` (`~/.cache`)"),
    (
        "`XDG_CONFIG_HOME`",
        "the folder of the user's `theoryctl/config.toml` and `theoryctl/manifests`; default `~/.config`",
    ),
    ("`THEORYCTL_BASE_IMAGE`", "the image that images are built on; default `python:3.12-slim`"),
    (
        "`THEORYCTL_ENV`, else `MODAL_ENVIRONMENT`",
        "the environment on Modal; default that of Modal's profile, else `dev`",
    ),
    ("`GIT_BRANCH`, `GIT_USER`", "the branch and the user in the names of apps in `dev`; default those of git"),
    (
        "`MODAL_PROFILE`, `MODAL_CONFIG_PATH`",
        "the profile of Modal, and the file that holds it; default the active one in `~/.modal.toml`",
    ),
    ("`MODAL_TOKEN_ID`, `MODAL_TOKEN_SECRET`", "the token for Modal; default that of `modal token new`"),
    (
        "`REGISTRY_USERNAME`, `REGISTRY_PASSWORD`",
        "the login with which Modal pulls an image from a private registry ([Modal](modal.md))",
    ),
    (
        "`DOCKER_HOST`, `DOCKER_CONTEXT`, `DOCKER_CONFIG`, `DOCKER_TLS`, `DOCKER_TLS_VERIFY`, `DOCKER_CERT_PATH`",
        "the Docker daemon and its logins, as for `docker`",
    ),
    ("`REGISTRY_AUTH_FILE`", "the logins of `podman login`, if `docker login` has none"),
    ("`NO_COLOR`", "output without colours, as with `--no-color`"),
    ("`FORCE_COLOR`, `CLICOLOR_FORCE`", "output with colours and layout, even if it is not a terminal"),
    (
        "`THEORYCTL_URL`, `THEORYCTL_TOKEN`, `OPENAI_BASE_URL`, `OPENAI_API_KEY` and those of [other APIs](wires.md)",
        "the address and the token of a started instance, or of an endpoint on Modal, as `theoryctl local env` and "
        "`theoryctl modal env` print them for other programs; "
        "a container that is told nothing else serves mocks with this token ([In CI](ci.md))",
    ),
)


def configuration_page(table: Table) -> str:
    """Return the page."""
    settings = table(("setting", "variable", "in a project's file", "default"), map(_setting, SETTINGS.values()))
    variables = table(("variable", "meaning"), VARIABLES)
    return f"""\
# Configuration

theoryctl needs no configuration. Each value comes from the first of these places that has it:

1. the flag
2. the environment variable
3. `theoryctl.toml` of the project: the nearest one in the working folder or above it
4. `config.toml` of the user, in `$XDG_CONFIG_HOME/theoryctl` (default `~/.config/theoryctl`)
5. the default

`theoryctl config` shows each setting, its value, and the place that it comes from.

## Settings

{settings}

Where a command needs the manifest, as `local run` does, a started instance counts only if its manifest is found from
the working folder; one that was started in another project is no default there.

Files name a setting as the first column does, and have no tables; `pyproject.toml` is not read. A relative path in a
file starts at the folder of the file. A variable that is empty sets nothing.

A wrong name in a file is an error. So is a wrong value, in a file or a variable, for each command that uses it; the
error names the variable, or the file and the line. `theoryctl config` and `theoryctl doctor` check every setting.

```sh
cat > theoryctl.toml <<'END'
model = "anthropic/claude-sonnet-4-5"
timeout = "1m"
END
theoryctl config
theoryctl local run "Say hello in one word."
THEORYCTL_MODEL=openai/gpt-4o-mini theoryctl local run "Say hello in one word."
```

A project's file may come from somebody else. Therefore it cannot set the mode, an address or a key. It is read only if
you own the file and its folder, and not every user may write to the file; otherwise a note on standard error says so.

## Mode

The mode decides whether a run costs money, so more places can name it. The first one counts:

1. `--mode`, or for HTTP the header `X-Theoryctl-Mode`
2. `mode` in the inputs
3. `THEORYCTL_MODE`
4. `mode` in the user's `config.toml`
5. the mode of the started instance (`local start --mode`)
6. mock

For HTTP only 1, 2, 5 and 6 count, and from [Python](python.md) the argument `mode`, 2, 3 and 6. If a run is real
although neither a flag or argument nor the inputs say so, a note on standard error says it before the vendor is asked.

## Keys

theoryctl reads a vendor's key from the file that `--env-file` names, else from the environment. It does not read a
`.env` file unless it is named. A key never stands in a flag or in a settings file. [Vendors](vendors.md) lists the
variables.

A started instance has the keys that `local start` gave it, and `local run` sends it none.

## Other variables

{variables}

## State and cache

The folder of state holds the records and the logs of started instances. The cache holds checked manifests, names of
models and parts of images. [Privacy](privacy.md) lists their files. You can delete the cache at any time, and the
state after `theoryctl local stop --all`.

theoryctl creates both folders for you alone. It refuses a folder that another user owns or can write to.

Instances belong to the folder of state. Two jobs on one machine do not see each other's instances if each has its own:

```sh
export THEORYCTL_STATE_DIR="$PWD/state"
theoryctl local start --ref llm/litellm@1 --runtime process
THEORYCTL_STATE_DIR="$PWD/other" theoryctl local status
theoryctl local stop --ref llm/litellm@1
```
"""


def _setting(setting: Setting) -> Sequence[str]:
    allowed = "yes" if setting.by_project else "no"
    return f"`{setting.name}`", f"`{setting.variable}`", allowed, setting.default
