# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Callback meshops.istio.fleet_report: its documentation, and the events of ansible-core that the report needs."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_report
type: aggregate
version_added: 1.0.0
author: Meshops maintainers (@meshops)
short_description: Write a report of a run over all clusters
description:
  - Writes what a run did to each cluster as JSON for programs, as one HTML page for people, and as a short Markdown
    text for a pull request or a chat.
  - The report starts with the result of the run. Each cluster follows with its state before and after the run, the
    number of proxies of each version, the waves with their times, the findings, the failures with their evidence, and
    the pods that cannot be restarted.
  - It includes clusters that the run did not reach.
  - It is updated during the run, so that it also exists after the run was interrupted or killed.
  - It does not change the output of a run. A report that cannot be written is a warning, and never fails a run.
  - Rings are the inventory groups C(istio_ring_0), C(istio_ring_1) and so on.
  - It contains neither results of tasks with C(no_log) nor arguments of tasks.
requirements:
  - Enable it in the configuration, with C(callbacks_enabled = meshops.istio.fleet_report).
options:
  folder:
    description:
      - Folder for the files, which is created if it is missing. The files are called C(report.json), C(report.html)
        and C(report.md), and the next run replaces them.
      - Environment variables in it are expanded, such as C(${AWX_ISOLATED_DATA_DIR}) under ansible-runner.
      - An empty string selects the default.
    type: str
    default: istio-report
    env:
      - name: ISTIO_REPORT_FOLDER
    ini:
      - section: istio_report
        key: folder
  formats:
    description:
      - Formats to write. Any of V(json), V(html) and V(markdown).
      - An empty list or string selects the default.
    type: list
    elements: str
    default: [json, html, markdown]
    env:
      - name: ISTIO_REPORT_FORMATS
    ini:
      - section: istio_report
        key: formats
  title:
    description: Heading of the report. An empty string selects the default.
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

from ansible_collections.meshops.istio.plugins.plugin_utils.compat import handler_or_default, result_parts
from ansible_collections.meshops.istio.plugins.plugin_utils.interrupts import CONTROLLER_KILLED_HOOKS
from ansible_collections.meshops.istio.plugins.plugin_utils.report.batch import Batch
from ansible_collections.meshops.istio.plugins.plugin_utils.report.document import build_document
from ansible_collections.meshops.istio.plugins.plugin_utils.report.files import FORMATS
from ansible_collections.meshops.istio.plugins.plugin_utils.report.killed_run import record_kill
from ansible_collections.meshops.istio.plugins.plugin_utils.report.playbook import module_of, uses_collection
from ansible_collections.meshops.istio.plugins.plugin_utils.report.report_writer import ReportWriter
from ansible_collections.meshops.istio.plugins.plugin_utils.report.reported_run import (
    ABORTED,
    FINISHED,
    INTERRUPTED,
    RUNNING,
    ReportedPlay,
    ReportedRun,
)
from ansible_collections.meshops.istio.plugins.plugin_utils.report.task_event import CHANGING_MODULES, TaskEvent

RING_GROUP = "istio_ring_"
META = ("meta", "ansible.builtin.meta")


class CallbackModule(CallbackBase):
    """Passes the events of ansible-core to the report, and writes its files during and after the run."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "meshops.istio.fleet_report"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, **options: t.Any) -> None:
        super().__init__(**options)
        self._report: ReportedRun | None = None
        self._writer = ReportWriter(Path(), [], self._display.warning)
        self._process = os.getpid()
        #: Host -> time at which its current task started.
        self._started: dict[str, float] = {}
        #: The data of each play as YAML; the index of a play is its key.
        self._play_data: list[t.Any] = []
        self._play: t.Any = None
        self._batch = Batch()

    # Callbacks of ansible-core.

    def v2_playbook_on_start(self, playbook: t.Any) -> None:
        """Add the plays of the playbook that use this collection, also those that the run may never reach."""
        run = self._run
        run.state, run.ended = RUNNING, 0.0
        run.playbooks.append(os.path.basename(str(getattr(playbook, "_file_name", ""))))
        for play in playbook.get_plays():
            if uses_collection(play):
                # ansible-core does the same when the play starts.
                play.get_loader().set_basedir(play._included_path or playbook._basedir)
                with contextlib.suppress(AnsibleError):
                    variables = play.get_variable_manager().get_vars(play=play)
                    hosts = Templar(loader=play.get_loader(), variables=variables).template(play.hosts)
                    self._add_play(play, hosts)

    def v2_playbook_on_play_start(self, play: t.Any) -> None:
        """End the previous batch and start one."""
        self._end_batch()
        inventory = play.get_variable_manager()._inventory
        self._play = play
        self._batch = Batch({host.name for host in inventory.get_hosts(play.hosts)})
        key = self._key(play)
        if uses_collection(play) and all(key != other.key for other in self._run.plays):
            self._add_play(play, play.hosts)
        self._writer.write(self._run, force=True)

    def v2_playbook_on_task_start(self, task: t.Any, is_conditional: bool) -> None:
        """Record the current task."""
        if task.action in META:
            if task.args.get("_raw_params") == "end_host":
                self._batch.start_end_host(str(task._uuid))
            return
        self._batch.broken_off = False
        self._run.last_task = task.get_name()
        self._run.changing.clear()
        # The task may take long, or be the last one.
        self._writer.write(self._run, force=True)

    def v2_runner_on_start(self, host: t.Any, task: t.Any) -> None:
        """Record when a task starts on a host."""
        self._started[host.name] = time.time()
        if module_of(task) in CHANGING_MODULES and not self._is_dry_run(task):
            self._run.changing.add(host.name)

    def v2_runner_on_ok(self, result: t.Any) -> None:
        """Record the result of a task."""
        self._record(result, "ok")

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        """Record a failure with its evidence."""
        self._record(result, "ignored" if ignore_errors else "failed")

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        """Record that a host was not reached."""
        self._record(result, "unreachable")

    def v2_runner_on_skipped(self, result: t.Any) -> None:
        """Record that a host skips a task: an end_host that it skips does not end the play for it."""
        host, dummy, dummy = result_parts(result)
        self._batch.ended_early.discard(host)
        self._record(result, "skipped")

    def v2_playbook_on_no_hosts_remaining(self) -> None:
        """Record that a failure ends the batch."""
        self._batch.broken_off = True

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        """Finish the report of a run that reached its end, with or without failures."""
        self._end_batch()
        failures = {host: stats.failures.get(host, 0) + stats.dark.get(host, 0) for host in stats.processed}
        self._finish(FINISHED, failures)
        if self._run.clusters and not self._writer.failed:
            report = build_document(self._run, time.time())
            self._display.display(f"{report['run']['headline']} Report: {self._writer.folder}")

    # The report.

    @property
    def _run(self) -> ReportedRun:
        if self._report is None:
            self._start_report()
        return t.cast("ReportedRun", self._report)

    def _start_report(self) -> None:
        folder = os.path.expandvars(os.path.expanduser(self.get_option("folder") or "istio-report"))
        formats = [name for name in self.get_option("formats") or [] if name] or [*FORMATS]
        self._writer.folder, self._writer.formats = Path(folder).absolute(), formats
        unknown = sorted(set(formats) - set(FORMATS))
        if unknown:
            self._display.warning(
                f"fleet_report: option formats has unknown values {', '.join(unknown)}. Use {', '.join(FORMATS)}."
            )
        self._report = ReportedRun(self.get_option("title") or "Istio fleet", started=time.time())
        self._report.check_mode = bool(context.CLIARGS.get("check"))
        self._process = os.getpid()
        atexit.register(self._finish_at_exit)
        CONTROLLER_KILLED_HOOKS.append(
            lambda: record_kill(self._writer.folder, self._writer.formats, self._run, time.time())
        )
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._finish_on_signal(number)

    def _finish_on_signal(self, number: signal.Signals) -> None:
        """Finish the report when a signal ends the run: ansible-core calls no callback, and SIGTERM skips atexit."""
        previous_handler = handler_or_default(number)
        if previous_handler is None:
            return

        def on_signal(received: int, frame: t.Any) -> None:
            if os.getpid() == self._process:
                self._run.signal = self._run.signal or number.name
                if number == signal.SIGTERM:
                    self._finish_at_exit()
            previous_handler(received, frame)

        signal.signal(number, on_signal)

    def _finish_at_exit(self) -> None:
        """Finish the report of a run that did not reach its end. Workers, which are forks of this process, do not."""
        if os.getpid() == self._process and self._run.state == RUNNING:
            self._finish(INTERRUPTED if self._run.signal else ABORTED)

    def _finish(self, state: str, failures: dict[str, int] | None = None) -> None:
        if state == FINISHED or self._play is not None:
            self._run.finish(state, time.time(), failures)
            self._writer.write(self._run, force=True)

    def _add_play(self, play: t.Any, pattern: t.Any) -> None:
        hosts = play.get_variable_manager()._inventory.get_hosts(pattern, ignore_restrictions=True)
        for host in hosts:
            names = [group.name for group in host.get_groups() if group.name.startswith(RING_GROUP)]
            numbers = [name.removeprefix(RING_GROUP) for name in names]
            self._run.rings[host.name] = min((int(number) for number in numbers if number.isdecimal()), default=None)
        self._run.add_play(ReportedPlay(self._key(play), tuple(host.name for host in hosts)))

    def _key(self, play: t.Any) -> str:
        """Return the index of a play in the run.

        Each batch has a copy of its play, and other callbacks change their UUIDs; only the data is the same object.
        """
        data = play.get_ds()
        index = next((index for index, other in enumerate(self._play_data) if other is data), len(self._play_data))
        if index == len(self._play_data):
            self._play_data.append(data)
        return str(index)

    def _end_batch(self) -> None:
        play, self._play = self._play, None
        if play is not None:
            active = play.get_variable_manager().get_vars(play=play)["ansible_play_hosts"]
            self._run.end_batch(self._key(play), self._batch.reached_end(active))
        self._batch = Batch()

    def _record(self, result: t.Any, outcome: str) -> None:
        (host, task, values), now = result_parts(result), time.time()
        module = module_of(task)
        started = self._started.pop(host, now)
        if outcome in ("failed", "unreachable"):
            self._batch.ended_early.discard(host)
        if module and self._play is not None and host not in self._run.clusters:
            self._add_play(self._play, self._play.hosts)
        event = TaskEvent(
            host=host,
            task=task.get_name(),
            module=module,
            stage=task._role.get_name().rpartition(".")[2] if task._role else "",
            started=started,
            ended=now,
            outcome=outcome,
            run_once=bool(task.run_once),
            dry_run=self._is_dry_run(task),
            result=values,
        )
        self._run.record(event)
        if module or event.failed:
            self._writer.write(self._run)

    def _is_dry_run(self, task: t.Any) -> bool:
        return task.check_mode if isinstance(task.check_mode, bool) else self._run.check_mode
