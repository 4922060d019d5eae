# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Callback meshops.istio.fleet_report: documentation, and what core tells; the core of it is in plugin_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_report
type: aggregate
version_added: 1.0.0
author: Meshops maintainers (@meshops)
short_description: Write a report of the whole run over all clusters
description:
  - Writes what a run did to each cluster as JSON for programs, as one HTML page for people, and as a short Markdown
    text for a pull request or a chat.
  - It says first how the run ended. Then for each cluster what it was, what it is, how many proxies run which version,
    the waves with their times, the findings, the failures with their evidence, and what cannot be restarted.
  - Clusters that the run did not come to are in it too.
  - It is written while the run goes on, so that it is there after the run was interrupted or killed.
  - It changes nothing in the output of a run. A report that cannot be written is a warning, and never fails a run.
  - Rings are the inventory groups C(istio_ring_0), C(istio_ring_1) and so on.
  - What tasks with C(no_log) return is not in it, and no arguments of tasks are.
requirements:
  - Enable it in the configuration, with C(callbacks_enabled = meshops.istio.fleet_report).
options:
  folder:
    description:
      - Folder to write to, which is made if it is missing. The files in it are called C(report.json), C(report.html)
        and C(report.md), and are replaced by the next run.
      - Variables of the environment in it are filled in, such as C(${AWX_ISOLATED_DATA_DIR}) under ansible-runner.
      - An empty text stands for the default.
    type: str
    default: istio-report
    env:
      - name: ISTIO_REPORT_FOLDER
    ini:
      - section: istio_report
        key: folder
  formats:
    description:
      - What to write. Any of V(json), V(html) and V(markdown).
      - Nothing, or an empty text, stands for the default.
    type: list
    elements: str
    default: [json, html, markdown]
    env:
      - name: ISTIO_REPORT_FORMATS
    ini:
      - section: istio_report
        key: formats
  title:
    description:
      - Heading of the report.
      - An empty text stands for the default.
    type: str
    default: Istio fleet
    env:
      - name: ISTIO_REPORT_TITLE
    ini:
      - section: istio_report
        key: title
"""

import atexit
import contextlib
import os
import signal
import threading
import time
import typing as t
from pathlib import Path

from ansible import context
from ansible.errors import AnsibleError
from ansible.plugins.callback import CallbackBase
from ansible.template import Templar

from ansible_collections.meshops.istio.plugins.plugin_utils.interrupts import WHEN_KILLED
from ansible_collections.meshops.istio.plugins.plugin_utils.report.document import document
from ansible_collections.meshops.istio.plugins.plugin_utils.report.facts import CHANGING, Event
from ansible_collections.meshops.istio.plugins.plugin_utils.report.files import FORMATS, write
from ansible_collections.meshops.istio.plugins.plugin_utils.report.interrupted import tell
from ansible_collections.meshops.istio.plugins.plugin_utils.report.playbook import about_meshes, action_of
from ansible_collections.meshops.istio.plugins.plugin_utils.report.run import (
    ABORTED,
    FINISHED,
    INTERRUPTED,
    RUNNING,
    Play,
    Run,
)

RING = "istio_ring_"
META = ("meta", "ansible.builtin.meta")
#: Writing takes at most this share of the time, and before that so many seconds at once.
SHARE = 0.05
BURST = 0.5


class CallbackModule(CallbackBase):
    """Hands what core tells to the report, and writes it from time to time."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "meshops.istio.fleet_report"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, **more: t.Any) -> None:
        super().__init__(**more)
        self._report: Run | None = None
        self._process = os.getpid()
        self._folder = Path()
        self._formats: list[str] = []
        #: When the task that a host is at began.
        self._began: dict[str, float] = {}
        #: The texts of the plays; the place of a play among them is its key.
        self._texts: list[t.Any] = []
        self._play: t.Any = None
        self._batch: set[str] = set()
        self._left: set[str] = set()
        self._sending: set[str] = set()
        self._debt = self._written = 0.0
        self._warned = False

    # What core tells.

    def v2_playbook_on_start(self, playbook: t.Any) -> None:
        """Note the plays that are about clusters, also those that the run may never come to."""
        run = self._run
        run.state, run.ended = RUNNING, 0.0
        run.playbooks.append(os.path.basename(str(getattr(playbook, "_file_name", ""))))
        for play in playbook.get_plays():
            if about_meshes(play):
                # core does the same as the play begins
                play.get_loader().set_basedir(play._included_path or playbook._basedir)
                with contextlib.suppress(AnsibleError):
                    variables = play.get_variable_manager().get_vars(play=play)
                    hosts = Templar(loader=play.get_loader(), variables=variables).template(play.hosts)
                    self._announce(play, hosts)

    def v2_playbook_on_play_start(self, play: t.Any) -> None:
        """End the batch before, and begin one."""
        self._end_batch()
        inventory = play.get_variable_manager()._inventory
        self._play = play
        self._batch = {host.name for host in inventory.get_hosts(play.hosts)}
        key = self._key(play)
        known = any(key == one.key for one in self._run.plays)
        if not known and about_meshes(play):
            self._announce(play, play.hosts)
        self._write(soon=True)

    def v2_playbook_on_task_start(self, task: t.Any, is_conditional: bool) -> None:
        """Note what is being done, and that it sends hosts home: all but those that core says skip it."""
        if task.action in META:
            # awx_display of ansible-runner appends counters to what repeats
            key = str(task._uuid).partition("_")[0]
            if task.args.get("_raw_params") == "end_host" and key not in self._sending:
                self._sending.add(key)
                self._left |= self._batch
            return
        self._run.during = task.get_name()
        self._run.at_work.clear()
        # what follows may take long, or be the end
        self._write(soon=True)

    def v2_runner_on_start(self, host: t.Any, task: t.Any) -> None:
        """Note when a task begins on a host."""
        self._began[host.name] = time.time()
        if action_of(task) in CHANGING and not self._is_dry(task):
            self._run.at_work.add(host.name)

    def v2_runner_on_ok(self, result: t.Any) -> None:
        """Keep what a module returned."""
        self._take(result, "ok")

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        """Keep a failure with its evidence."""
        self._take(result, "ignored" if ignore_errors else "failed")

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        """Keep that a host was not reached."""
        self._take(result, "unreachable")

    def v2_runner_on_skipped(self, result: t.Any) -> None:
        """Note that a host goes on."""
        self._left.discard(result.host.name)
        self._take(result, "skipped")

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        """End the report of a run that came to its end, well or not."""
        self._end_batch()
        counted = {host: stats.failures.get(host, 0) + stats.dark.get(host, 0) for host in stats.processed}
        self._finish(FINISHED, counted)
        if self._run.clusters and not self._warned and self._formats:
            found = document(self._run, time.time())
            self._display.display(f"{found['run']['headline']} Report: {self._folder}")

    # What becomes of it.

    @property
    def _run(self) -> Run:
        if self._report is None:
            self._begin()
        return t.cast("Run", self._report)

    def _begin(self) -> None:
        folder = os.path.expandvars(os.path.expanduser(self.get_option("folder") or "istio-report"))
        self._folder = Path(folder).absolute()
        self._formats = [one for one in self.get_option("formats") or [] if one] or [*FORMATS]
        unknown = sorted(set(self._formats) - set(FORMATS))
        if unknown:
            self._display.warning(
                f"fleet_report: option formats names {', '.join(unknown)}, which is none of {', '.join(FORMATS)}."
            )
        self._report = Run(self.get_option("title") or "Istio fleet", began=time.time())
        self._report.check_mode = bool(context.CLIARGS.get("check"))
        self._process = os.getpid()
        atexit.register(self._at_exit)
        WHEN_KILLED.append(lambda: tell(self._folder, self._formats, self._run, time.time()))
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._listen(number)

    def _listen(self, number: signal.Signals) -> None:
        """Finish the report when a signal ends the run: core calls no callback then, and SIGTERM not even atexit."""
        before = signal.getsignal(number)
        if not callable(before):
            return

        def on_signal(caught: int, frame: t.Any) -> None:
            if os.getpid() == self._process:
                self._run.signal = self._run.signal or number.name
                if number == signal.SIGTERM:
                    self._at_exit()
            before(caught, frame)

        signal.signal(number, on_signal)

    def _at_exit(self) -> None:
        """Finish the report of a run that did not come to its end; workers are copies of this process."""
        if os.getpid() == self._process and self._run.state == RUNNING:
            self._finish(INTERRUPTED if self._run.signal else ABORTED)

    def _finish(self, state: str, failures: dict[str, int] | None = None) -> None:
        if state == FINISHED or self._play is not None:
            self._run.finish(state, time.time(), failures)
            self._write(soon=True)

    def _announce(self, play: t.Any, pattern: t.Any) -> None:
        hosts = play.get_variable_manager()._inventory.get_hosts(pattern, ignore_restrictions=True)
        for host in hosts:
            rings = [name.removeprefix(RING) for group in host.get_groups() if (name := group.name).startswith(RING)]
            self._run.rings[host.name] = min((int(one) for one in rings if one.isdecimal()), default=None)
        self._run.announce(Play(self._key(play), tuple(host.name for host in hosts)))

    def _key(self, play: t.Any) -> str:
        """Return which play of the run this is: each batch has a copy of it, and other callbacks change their UUIDs."""
        text = play.get_ds()
        place = next((place for place, known in enumerate(self._texts) if known is text), len(self._texts))
        if place == len(self._texts):
            self._texts.append(text)
        return str(place)

    def _end_batch(self) -> None:
        play, self._play = self._play, None
        if play is not None:
            alive = play.get_variable_manager().get_vars(play=play)["ansible_play_hosts"]
            self._run.batch_ended(self._key(play), self._batch, alive, self._left)
        self._batch, self._left, self._sending = set(), set(), set()

    def _take(self, result: t.Any, outcome: str) -> None:
        task, host, now = result.task, result.host.name, time.time()
        action = action_of(task)
        began = self._began.pop(host, now)
        if outcome in ("failed", "unreachable"):
            self._left.discard(host)
        if action and self._play is not None and host not in self._run.clusters:
            self._announce(self._play, self._play.hosts)
        role = task._role.get_name().rpartition(".")[2] if task._role else ""
        event = Event(
            host=host,
            task=task.get_name(),
            action=action,
            stage=role,
            began=began,
            ended=now,
            outcome=outcome,
            once=bool(task.run_once),
            dry_run=self._is_dry(task),
            result=result.result,
        )
        self._run.take(event)
        if action or event.bad:
            self._write()

    def _is_dry(self, task: t.Any) -> bool:
        return task.check_mode if isinstance(task.check_mode, bool) else self._run.check_mode

    def _write(self, *, soon: bool = False) -> None:
        began = time.monotonic()
        self._debt = max(0.0, self._debt - SHARE * (began - self._written))
        self._written = began
        if not self._run.clusters or (self._debt > BURST and not soon):
            return
        try:
            write(self._folder, self._formats, document(self._run, time.time()))
        except OSError as exc:
            if not self._warned:
                self._display.warning(f"fleet_report: the report cannot be written to {self._folder}: {exc}")
            self._warned = True
        self._debt += time.monotonic() - began
