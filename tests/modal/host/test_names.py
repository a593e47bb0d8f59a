"""Names on Modal, and the tags of an app."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from theoryctl.errors import UsageError
from theoryctl.manifests.model import Resources
from theoryctl.modal.deployment import Deployment, fingerprint_key, from_tags, tags_of
from theoryctl.modal.names import Owner, app_ending, app_name, environment_name, registry_secret_name, slug
from theoryctl.refs import ProviderRef

#: modal 1.6.4, `modal/_utils/name_utils.py`.
OBJECT_NAME = re.compile(r"[a-zA-Z0-9\-_.]{1,64}")
APP_ID = re.compile("ap-[a-zA-Z0-9]{22}")
TAG = re.compile("[a-zA-Z0-9._-]{1,63}")

SEGMENT = st.from_regex("[a-z0-9][a-z0-9._-]{0,62}", fullmatch=True)
REFS = st.builds(ProviderRef, SEGMENT, SEGMENT, st.integers(1, 999_999_999))
OWNERS = st.builds(lambda branch, user: Owner(slug(branch), slug(user)), st.text(min_size=1), st.text(min_size=1))
LITELLM = ProviderRef("llm", "litellm", 1)


def test_an_app_is_called_after_its_ref_and_in_dev_after_branch_and_user_as_well() -> None:
    assert app_name(LITELLM, "prod", None) == "llm-litellm-v1"
    assert app_name(LITELLM, "prod", Owner("main", "alice")) == "llm-litellm-v1"
    assert app_name(LITELLM, "dev", Owner("main", "alice")) == "main-alice-llm-litellm-v1"
    assert app_name(LITELLM, "dev", None) is None


@given(REFS, OWNERS, st.sampled_from(["dev", "prod"]))
@example(ProviderRef("a" * 63, "b" * 63, 999_999_999), Owner("x" * 300, "y" * 300), "dev")
@example(ProviderRef("ap", "a" * 19, 1), Owner("x", "y"), "prod")
def test_modal_takes_every_name(ref: ProviderRef, owner: Owner, environment: str) -> None:
    name = app_name(ref, environment, owner)
    assert name is not None
    for each in (name, registry_secret_name(name)):
        assert OBJECT_NAME.fullmatch(each) and not APP_ID.fullmatch(each)
    if environment == "dev":
        assert name.endswith(app_ending(ref))


@given(REFS, REFS)
@example(ProviderRef("a-b", "c", 1), ProviderRef("a", "b-c", 1))
@example(ProviderRef("a-", "b", 1), ProviderRef("a", "b", 1))
@example(ProviderRef("a", "b", 1), ProviderRef("a", "b-v1", 1))
@example(ProviderRef("a" * 63, "b" * 63, 1), ProviderRef("a" * 63, "b" * 63, 2))
def test_two_refs_never_have_one_name(one: ProviderRef, other: ProviderRef) -> None:
    owner = Owner("main", "alice")
    for environment in ("dev", "prod"):
        same = app_name(one, environment, owner) == app_name(other, environment, owner)
        assert same == (one == other)


def test_two_branches_never_have_one_name_where_it_is_cut() -> None:
    names = {app_name(LITELLM, "dev", Owner(f"feature-{'x' * 60}-{number}", "alice")) for number in range(50)}
    assert len(names) == 50


@given(st.text(min_size=1))
@example("Feature/ÄÖÜ_42")
@example("李")
@example("---")
def test_a_slug_has_letters_digits_and_single_hyphens(text: str) -> None:
    assert re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", slug(text))


def test_a_slug_keeps_what_it_can() -> None:
    assert slug("Feature/Ünï_42  ") == "feature-uni-42"
    assert slug("李") != slug("王")


def test_the_environment_is_that_of_the_flag_then_of_the_variables_then_dev(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MODAL_CONFIG_PATH", str(tmp_path / "none"))
    for name in ("THEORYCTL_ENV", "MODAL_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    assert environment_name(None) == "dev"
    monkeypatch.setenv("MODAL_ENVIRONMENT", "main")
    assert environment_name(None) == "main"
    monkeypatch.setenv("THEORYCTL_ENV", "staging")
    assert environment_name(None) == "staging"
    assert environment_name("prod") == "prod"


def test_modals_own_file_says_the_environment_where_nothing_else_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("THEORYCTL_ENV", "MODAL_ENVIRONMENT", "MODAL_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "modal.toml"
    monkeypatch.setenv("MODAL_CONFIG_PATH", str(file))
    assert environment_name(None) == "dev"
    file.write_text('[one]\nenvironment = "first"\n[two]\nactive = true\nenvironment = "second"\n[three]\n')
    assert environment_name(None) == "second"
    monkeypatch.setenv("MODAL_PROFILE", "one")
    assert environment_name(None) == "first"
    monkeypatch.setenv("MODAL_PROFILE", "three")
    assert environment_name(None) == "dev"
    monkeypatch.setenv("MODAL_ENVIRONMENT", "main")
    assert environment_name(None) == "main"
    monkeypatch.delenv("MODAL_ENVIRONMENT")
    file.write_text("no TOML at all")
    assert environment_name(None) == "dev"


@pytest.mark.parametrize("name", ["en-x", "-x", "a b", "x" * 65, "ü", "a\n"])
def test_what_modal_takes_for_no_environment_is_refused_at_once(name: str) -> None:
    with pytest.raises(UsageError, match="environment"):
        environment_name(name)


def slugs(owner: Owner | None) -> tuple[str, str] | None:
    return None if owner is None else (owner.branch, owner.user)


def test_the_owner_is_in_the_variables_or_in_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("GIT_BRANCH", "GIT_USER", "GIT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    assert Owner.current() is None
    with pytest.raises(UsageError, match="neither GIT_BRANCH nor GIT_USER nor git"):
        Owner.required()
    subprocess.run(["git", "init", "--quiet", "--initial-branch", "Topic/One"], check=True)
    subprocess.run(["git", "config", "user.email", "bob.b@example.com"], check=True)
    assert slugs(Owner.current()) == ("topic-one", "bob-b")
    subprocess.run(["git", "config", "user.name", "Bob B."], check=True)
    assert slugs(Owner.required()) == ("topic-one", "bob-b")
    monkeypatch.setenv("GIT_BRANCH", "ci")
    monkeypatch.setenv("GIT_USER", "The Bot")
    first = Owner.current()
    assert slugs(first) == ("ci", "the-bot")
    monkeypatch.setenv("GIT_USER", "the/bot")
    assert slugs(Owner.current()) == ("ci", "the-bot")
    assert Owner.current() != first


DIGESTS = st.binary(min_size=32, max_size=32).map(lambda data: f"sha256:{data.hex()}")
NAMES = st.from_regex("[A-Z_][A-Z0-9_]{0,80}", fullmatch=True)
GPUS = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1)
DEPLOYMENTS = st.builds(
    Deployment,
    ref=REFS,
    environment=st.just("dev"),
    app=st.just("app"),
    repository=st.text("abcxyz0189/:.-_", min_size=1, max_size=300),
    digest=DIGESTS,
    resources=st.builds(
        Resources,
        cpu=st.floats(0.1, 64),
        timeout=st.integers(1, 86400),
        gpu=st.none() | GPUS,
        min_containers=st.integers(0, 1000),
        scaledown_window=st.none() | st.integers(2, 3600),
        region=st.none() | st.just("us-east"),
        nonpreemptible=st.booleans(),
    ),
    owner=st.none() | st.builds(lambda text: Owner(slug(text)[:63], slug(text)[:63]), st.text(min_size=1)),
    pin=st.none() | DIGESTS,
    previous=st.none() | DIGESTS.map("registry.test/a/b@{}".format),
    registry_secret=st.none() | st.text("abc-_.", min_size=1, max_size=64),
    generation=st.none() | st.just("0123456789abcdef"),
    secret_id=st.none() | st.just("st-0123456789abcdefABCDEF"),
    fingerprints=st.dictionaries(NAMES.map(fingerprint_key), st.just("x" * 43), max_size=5),
)


@given(DEPLOYMENTS)
def test_tags_that_modal_takes_say_everything(deployment: Deployment) -> None:
    tags = tags_of(deployment)
    assert all(TAG.fullmatch(text) for pair in tags.items() for text in pair)
    assert from_tags("dev", "app", tags) == deployment
    assert len(deployment.deploy_tag) == 43


@pytest.mark.parametrize(
    "change",
    [
        {"theoryctl-version": "one"},
        {"theoryctl-digest": "!"},
        {"theoryctl-name": None},
        {"theoryctl-resources-0": "W10"},
    ],
)
def test_an_app_with_other_tags_is_not_theoryctls(change: dict[str, str | None]) -> None:
    known: dict[str, Any] = {
        "ref": LITELLM,
        "environment": "dev",
        "app": "app",
        "repository": "a/b",
        "resources": Resources(),
    }
    deployment = Deployment(**known, digest="sha256:" + "0" * 64)
    tags = {**tags_of(deployment), **change}
    assert from_tags("dev", "app", {key: value for key, value in tags.items() if value}) is None
    assert from_tags("dev", "app", {}) is None
