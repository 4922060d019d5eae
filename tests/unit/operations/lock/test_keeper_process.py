# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keeper of a run: a controller, its workers and what they start are processes of their own (safety rule S8)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.run.lock_lease import PROCESS_ANNOTATION, STATE_NAME
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_record import RECORD_KEY
from unit.paths import COLLECTIONS
from unit.support import builders as b
from unit.support.fake_api import FakeApi

SECONDS, SECRET = 3, "s3cr3t-t0ken"
#: A controller. Each line that it reads is a URL for a worker, for how long that works after it has written, or what it
#: does instead, and of what its environment is.
SCRIPT = """
import os, subprocess, sys, time
from ansible_collections.meshops.istio.plugins.module_utils.client.auth import Connection
from ansible_collections.meshops.istio.plugins.module_utils.client import process
from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import MeshError
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock import keeper_client
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.lock import Lock
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_options import RunOptions

controller = os.getpid()
print(keeper_client.SOCKET_FOLDER, flush=True)
for line in sys.stdin:
    url, seconds, environment = line.split()
    if os.fork() == 0:
        os.setsid()
        os.environ["LOGIN"] = environment
        client = Client(Connection(host=url, api_key=sys.argv[2]))
        keeping = keeper_client.KeeperClient(controller)
        lock = Lock(client, "istio-system", RunOptions(lock_seconds=int(sys.argv[1])), controller, keeping)
        try:
            if seconds == "close":
                print("closed" if lock.end_run("done") else "nothing", flush=True)
            else:
                lock.before_write()
                print("wrote", *lock.warnings, flush=True)
                if seconds == "installer":
                    # it lives longer than its worker
                    subprocess.Popen(["sleep", "4"], pass_fds=process.INHERITED_FILES, stdout=subprocess.DEVNULL)
                else:
                    time.sleep(float(seconds))
            lock.finish()
        except MeshError as exc:
            print(type(exc).__name__, exc.message, flush=True)
        os._exit(0)
    os.wait() if seconds in ("0", "close", "installer") else None
"""


class Controller:
    """An ansible-playbook."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(SECONDS), SECRET],
            env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.place = Path(self.heard())

    def heard(self) -> str:
        """The next line that one of its workers says."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def run_worker(self, api: FakeApi, seconds: float | str = 0, environment: str = "one") -> str:
        """Let a worker write on a cluster, and return what it says."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{api.url} {seconds} {environment}\n")
        self.process.stdin.flush()
        return self.heard()

    def task(self, api: FakeApi, seconds: float | str = 0, environment: str = "one") -> None:
        """Let a worker write on a cluster."""
        assert self.run_worker(api, seconds, environment) == "wrote"

    def keepers(self) -> list[Path]:
        """The processes that renew its locks."""
        return [entry for entry in Path("/proc").glob("[0-9]*") if str(self.place) in command(entry)]


def command(process: Path) -> str:
    """The arguments of a process."""
    try:
        return (process / "cmdline").read_text(errors="replace")
    except OSError:
        return ""


@pytest.fixture
def controller() -> Iterator[Controller]:
    """A controller that does not outlive the test, and leaves nothing behind."""
    found = Controller()
    yield found
    found.process.kill()
    found.process.communicate()
    until(lambda: not found.keepers())
    assert not found.place.exists()


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """A cluster."""
    with FakeApi(*b.plane(b.OLD)) as found:
        yield found


def until(holds: Callable[[], object]) -> None:
    """Wait for what happens soon."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def locked(api: FakeApi) -> bool:
    """Whether there is a lock."""
    return any(obj["kind"] == "Lease" for obj in api.objects)


def renewed(api: FakeApi) -> str:
    """When the lock was renewed last."""
    return str(api.get("Lease", STATE_NAME)["spec"]["renewTime"])


def state(api: FakeApi) -> str:
    """The record."""
    return str(json.loads(api.get("ConfigMap", STATE_NAME)["data"][RECORD_KEY])["state"])


def test_one_process_renews_all_locks_of_a_run_between_its_tasks(controller: Controller, api: FakeApi) -> None:
    with FakeApi(*b.plane(b.OLD)) as other:
        controller.task(api)
        controller.task(other)
        controller.task(api)
        first = [renewed(one) for one in (api, other)]
        # no worker is left that could renew anything
        until(lambda: all(renewed(one) > before for one, before in zip((api, other), first, strict=True)))
        (keeper,) = controller.keepers()
        assert SECRET not in command(keeper)
        controller.process.kill()
        until(lambda: not locked(api) and not locked(other))


@pytest.mark.parametrize("number", [None, signal.SIGTERM, signal.SIGKILL], ids=["normal", "SIGTERM", "SIGKILL"])
def test_it_ends_with_the_run_and_gives_back_what_that_left(
    controller: Controller, api: FakeApi, number: signal.Signals | None
) -> None:
    controller.task(api)
    if number is None:
        controller.process.communicate()
    else:
        controller.process.send_signal(number)
    until(lambda: not locked(api))
    until(lambda: not controller.keepers())
    assert state(api) == "stopped"
    assert not controller.place.exists()


def test_a_lock_stays_while_a_worker_of_a_killed_run_lives(controller: Controller, api: FakeApi) -> None:
    controller.task(api, seconds=2)
    controller.process.kill()
    time.sleep(1)
    assert locked(api)
    until(lambda: not locked(api))
    assert state(api) == "stopped"


def test_what_was_given_back_is_not_taken_again(controller: Controller, api: FakeApi) -> None:
    controller.task(api)
    api.objects.remove(api.get("Lease", STATE_NAME))
    asked = len(api.seen)
    until(lambda: len(api.seen) > asked)
    time.sleep(SECONDS / 2)
    assert not locked(api)


def test_what_somebody_else_took_is_left_alone(controller: Controller, api: FakeApi) -> None:
    controller.task(api)
    lock = api.get("Lease", STATE_NAME)
    lock["metadata"]["annotations"][PROCESS_ANNOTATION] = "another run"
    before = renewed(api)
    asked = len(api.seen)
    until(lambda: len(api.seen) > asked)
    controller.process.kill()
    until(lambda: not controller.keepers())
    assert renewed(api) == before


def test_a_keeper_that_was_killed_is_started_again(controller: Controller, api: FakeApi) -> None:
    controller.task(api)
    (keeper,) = controller.keepers()
    os.kill(int(keeper.name), signal.SIGKILL)
    until(lambda: not controller.keepers())
    controller.task(api)
    first = renewed(api)
    until(lambda: renewed(api) > first)
    (again,) = controller.keepers()
    assert again != keeper


@pytest.mark.parametrize("environment", ["one", "another"])
@pytest.mark.parametrize("by", ["another run", "no holder"])
def test_what_was_lost_between_two_tasks_is_not_taken_again(
    controller: Controller, api: FakeApi, by: str, environment: str
) -> None:
    """A whole run of another run may have been there meanwhile, also if its lock has run out by now."""
    controller.task(api)
    if by == "no holder":
        api.objects.remove(api.get("Lease", STATE_NAME))
    else:
        lock = api.get("Lease", STATE_NAME)
        lock["metadata"]["annotations"] = {PROCESS_ANNOTATION: by}
        lock["spec"]["leaseDurationSeconds"] = 0
    before = len(api.writes(lock=True))
    for dummy in range(2):
        assert controller.run_worker(api, environment=environment).startswith("LockedError")
    assert len(api.writes(lock=True)) == before


def test_what_the_run_gave_back_it_may_take_again(controller: Controller, api: FakeApi) -> None:
    controller.task(api)
    controller.task(api)
    assert controller.run_worker(api, "close") == "closed"
    assert not locked(api)
    controller.task(api)
    assert locked(api)


def test_a_keeper_gives_nothing_back_while_another_ones_worker_may_write(controller: Controller, api: FakeApi) -> None:
    """Its installer too, which outlives the worker: each environment has a keeper of its own."""
    controller.task(api, environment="one")
    controller.task(api, "installer", environment="another")
    assert len(controller.keepers()) == 2
    controller.process.kill()
    time.sleep(1)
    assert locked(api)
    until(lambda: not locked(api))
