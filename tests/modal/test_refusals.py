"""Refusals of the tests' own Modal, and the failures that it is told to have."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from grpclib import Status

from tests.modal.sdk import Calling, Remote, Sdk
from tests.modal.service import Modal
from tests.waiting import until

# What is refused.


REFUSED = (
    ("modal.App.lookup('none', environment_name='prod')", "NotFoundError: Environment 'prod' not found"),
    (
        "modal.App.lookup('none', environment_name='dev')",
        "NotFoundError: App 'none' not found in environment 'dev'",
    ),
    ("modal.Secret.from_name('none').hydrate()", "NotFoundError: Secret 'none' not found in environment 'main'"),
    ("modal.Secret.from_name('x' * 65).hydrate()", "InvalidError: Invalid Secret name: "),
    ("modal.Secret.from_name('a b').hydrate()", "InvalidError: Invalid Secret name: "),
    ("modal.Volume.from_name('none').hydrate()", "NotFoundError: Volume 'none' not found in environment 'main'"),
    (
        "modal.Secret.objects.create('keys', {'A': '1'})\n"
        "modal.Secret.from_name('keys', required_keys=['A', 'B', 'C']).hydrate()",
        "ConflictError: Secret is missing key(s): B, C",
    ),
    ("modal.Secret.objects.create('empty', {})", "InvalidError: Secret has no keys"),
    (
        "for _ in range(2): modal.Secret.objects.create('twice', {'A': '1'})",
        "AlreadyExistsError: Secret 'twice' already exists in environment 'main'",
    ),
    ("modal.Environment.objects.create('dev')", "AlreadyExistsError: Environment 'dev' already exists"),
    ("modal.Environment.from_name('none').hydrate()", "NotFoundError: Environment 'none' not found"),
    ("modal.Queue.from_name('none').hydrate()", "UnimplementedError: the tests' Modal has no QueueGetOrCreate"),
)


def test_a_refusal_says_what_was_refused(sdk: Sdk) -> None:
    # One program for all: to load modal's client costs more than all calls.
    program = f"""
    import json
    for text in {[text for text, _ in REFUSED]!r}:
        try:
            exec(text)
        except Exception as error:
            print(json.dumps(f"{{type(error).__name__}}: {{error}}"))
        else:
            print(json.dumps("it was taken"))
    """
    lines = map(json.loads, sdk(program).out.splitlines())
    assert [(*each, line) for each, line in zip(REFUSED, lines, strict=True) if each[1] not in line] == []


REFUSED_TO_OTHERS = (
    ("AppPublish(request(app_id=app, name='x' * 65))", "Invalid App name"),
    ("AppPublish(request(app_id=app, name='a', deployment_tag='x' * 51))", "Invalid tag"),
    ("AppPublish(request(app_id=app, name='a', tags={'key': 'x' * 64}))", "Invalid tag"),
    ("AppSetTags(request(app_id=app, tags={'key': 'a b'}))", "Invalid tag"),
    ("VolumeGetOrCreate(request(deployment_name='x' * 65, object_creation_type=1))", "Invalid Volume name"),
)


def test_what_the_client_refuses_itself_is_refused_here_as_well(sdk: Sdk) -> None:
    program = f"""
    import asyncio, json, os, grpclib.client
    from modal_proto import api_grpc, api_pb2
    async def main():
        host, port = os.environ["MODAL_SERVER_URL"].removeprefix("http://").split(":")
        token = {{f"x-modal-token-{{it}}": os.environ[f"MODAL_TOKEN_{{it.upper()}}"] for it in ("id", "secret")}}
        async with grpclib.client.Channel(host, int(port)) as channel:
            stub = api_grpc.ModalClientStub(channel)
            app = (await stub.AppCreate(api_pb2.AppCreateRequest(), metadata=token)).app_id
            for rpc in {[rpc for rpc, _ in REFUSED_TO_OTHERS]!r}:
                name, request = rpc.split("(", 1)
                request = eval(request[:-1], {{"request": getattr(api_pb2, name + "Request"), "app": app}})
                try:
                    await getattr(stub, name)(request, metadata=token)
                except grpclib.GRPCError as error:
                    print(json.dumps([error.status.name, error.message]))
                else:
                    print(json.dumps(["OK", "it was taken"]))
    asyncio.run(main())
    """
    answers = [json.loads(line) for line in sdk(program).out.splitlines()]
    assert [status for status, _ in answers] == ["INVALID_ARGUMENT"] * len(REFUSED_TO_OTHERS)
    assert [
        (*each, said) for each, (_, said) in zip(REFUSED_TO_OTHERS, answers, strict=True) if each[1] not in said
    ] == []


@pytest.mark.parametrize("variables", [{"MODAL_TOKEN_SECRET": "as-wrong"}, {"MODAL_TOKEN_ID": "ak-wrong"}])
def test_a_wrong_token_is_refused(sdk: Sdk, variables: dict[str, Any]) -> None:
    assert "AuthError: Token validation failed" in sdk("modal.App.lookup('app')", fails=True, **variables).err


def test_a_token_can_be_revoked_and_a_container_does_not_need_it(
    remote: Remote, calling: Calling, modal: Modal
) -> None:
    remote.deploy("yield 'first'; time.sleep(1); yield 'second'")
    process = calling()
    modal.revoke()
    assert "Token validation failed" in remote.fail()
    until(lambda: "FunctionPutOutputs" in {entry.method for entry in modal.journal})
    process.kill()


# When the service is not well.


def test_requests_are_refused_as_often_as_asked_and_the_client_tries_again(sdk: Sdk, modal: Modal) -> None:
    modal.refuse("EnvironmentGetOrCreate", Status.UNAVAILABLE, times=2)
    sdk("modal.Environment.from_name('dev').hydrate()")
    assert len(modal.requests("EnvironmentGetOrCreate")) == 3
    modal.refuse("SecretGetOrCreate", Status.RESOURCE_EXHAUSTED, message="slow down")
    failed = sdk("modal.Secret.from_name('none').hydrate()", fails=True, MODAL_MAX_THROTTLE_WAIT="1")
    assert "ResourceExhaustedError: slow down" in failed.err


def test_a_call_waits_where_there_is_no_machine_for_its_container(
    remote: Remote, calling: Calling, modal: Modal
) -> None:
    remote.deploy("yield 'first'")
    modal.hold_containers()
    process = calling(waits=True)
    until(lambda: modal.requests("FunctionCallGetDataOut"))
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    assert modal.containers() == []


def test_requests_can_be_left_without_an_answer(sdk: Sdk, modal: Modal) -> None:
    modal.hang("AppGetOrCreate")
    with pytest.raises(subprocess.TimeoutExpired):
        sdk("modal.App.lookup('app')", timeout=2)


def test_a_call_outlives_its_connection(remote: Remote, calling: Calling, modal: Modal) -> None:
    remote.deploy("yield 'first'; time.sleep(1); yield 'second'")
    process = calling()
    modal.drop_connections()
    out, err = process.communicate()
    assert out == '"second"\n', err


def test_a_call_does_not_outlive_the_service_which_can_come_back(
    remote: Remote, calling: Calling, modal: Modal
) -> None:
    remote.deploy("yield 'first'; time.sleep(it or 60)")
    process = calling()
    modal.go_away()
    assert "ConnectionRefusedError" in process.communicate()[1]
    modal.come_back()
    assert remote.call(0.01) == ["first"]
