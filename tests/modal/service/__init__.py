"""The tests' own Modal: a service on loopback that modal's real client deploys to, and that runs what is deployed.

`with Modal() as modal:` starts it in a thread of its own; `modal.variables` is the environment of a client of it. It
speaks modal's gRPC (`modal_proto.api_grpc.ModalClientBase`, about seventy methods; the others are UNIMPLEMENTED). A
container is a real process of `python -m modal._container_entrypoint` in its own mount namespace: the files that the
client sent and the volumes are where the function says, the secrets and the image's ENV are its environment, and
nothing but a Unix socket leads back here; `docker.DockerImage` runs it in an image of Docker's instead. Nothing in this
package imports a shim or a provider. At the end every process and file is gone, and a bug of the service itself fails
the test.

A server (`modal.Server`) has an address on loopback, and a proxy leads from there to its containers, in which the real
server listens: `kill_server()`, and its clients fail. All containers have the network of this machine, so the port of
each is another one, which its variable PORT says in place of the deployment's.

For assertions: `journal`, `requests(method)`, `apps()`, `containers()`, `containers_of()`, `secrets()`, `volumes()`,
`dockerfile()`, `logs`. To have something happen: `kill_container()`, `preempt_container()`, `kill_server()`,
`new_proxy_token()`, `revoke()`, `refuse()`, `hang()`, `fail_builds()`, `log_builds()`, `release_builds()`,
`hold_containers()`, `release_containers()`, `roll_back()`, `forget_outputs()`, `cancel_unheard_calls()`,
`limit_attempts()`, `number_on()`, `answer_missing_keys()`, `answer_failed_starts()`, `drop_connections()`,
`go_away()`, `come_back()`, `image_python`, `run_on()`.

What is known of the real service, from its client's source or from its own messages in the open, is done the same
way: which RPC asks for what, that a publish makes pending definitions live, that a worker's socket needs no token,
the names and lengths that are refused, "… not found in environment …", FAILED_PRECONDITION "Secret is missing
key(s): …" (libmodal, modal-js/src/secret.ts; `answer_missing_keys` is for the other reading), "… hit its timeout of
…", that an input which hits it is cancelled first, and that an input whose container crashed runs anew, without end in
a deployed app (modal.com/docs/guide/retries, modal.com/docs/guide/preemption). Of servers, by
modal.com/docs/guide/servers: a request that finds no container is refused with 503 and starts one; a container is ready
when its port listens, and is replaced when it does so no more; one that ends gets no new requests, and SIGTERM once its
requests are done or the grace period is over, and SIGKILL 30 seconds later; without a proxy token the status is 401
and no container starts (modal.com/docs/guide/webhook-proxy-auth, which also has the message); the handle of the
function has the address (`modal/_server.py`, `get_url`), and a container calls ContainerServerLifecycleReady when its
methods have returned (modal/experimental/flash_server.py).

What is a guess, and the stricter one where there was a choice:
- An input that runs anew has the same ID, and its items are numbered from 1 again (the second is what
  modal/_runtime/container_io_manager.py does). `limit_attempts` ends it with INTERNAL_FAILURE instead, and
  `number_on` has its items numbered on.
- A container that is killed before it is ready is started anew without end, and counts as an error in the figures of
  its function. What the log and the caller learn of it, `answer_failed_starts` says: InftyAI/Nebula#68 shows a line.
- A container that never comes up gives TIMEOUT after the function's startup timeout; one that cannot import the
  function gives its error at once, without the real service's tries.
- A secret or volume that was deleted is gone for the functions that were deployed with it, also when there is a new
  one of its name.
- A call goes on when nobody listens to it any more. With `cancel_unheard_calls` it is cancelled after two seconds, as
  modal-labs/modal-client#4125 saw it.
- A Secret cannot be made without a key: `modal secret create` refuses that (modal/cli/secret.py).
- A rollback keeps the tags of the app.
- A server's address stays the same from one deployment to the next, and answers 404 when its app was stopped.
- Where a request has `Modal-Key` and `Modal-Secret`, its `Authorization` is left to the server. A proxy token that is
  wrong is refused as one that is missing.
- A server whose containers have as many requests as their target gets another one, and the least busy one the next
  request. A health check fails three times, within a fraction of a second, before its container is ended.
- Logs are followed from their beginning. Messages of refused tokens and names are our words.

What it does not imitate: images (none is pulled or built: one interpreter stands for all, and only ENV lines have an
effect), processors, memory, GPUs, regions, schedules, web endpoints, sticky sessions, HTTP/2, TLS, classes, sandboxes,
queues, most of dicts, memory snapshots, batching, retries of inputs that failed, the input plane, quotas, billing,
users, read-only volumes, files that a container removed from a volume, processes that leave their container's group,
and how long anything takes.
"""

from tests.modal.service.service import Modal

__all__ = ["Modal"]
