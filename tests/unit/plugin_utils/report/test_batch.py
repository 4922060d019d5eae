# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts of a batch that reach the end of its play."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.plugin_utils.report.batch import Batch


def test_only_hosts_of_the_batch_reach_the_end() -> None:
    assert Batch({"paris", "berlin"}).reached_end(["paris", "tokyo"]) == {"paris"}


def test_end_host_is_an_end_for_all_that_do_not_skip_it() -> None:
    batch = Batch({"paris", "berlin"})
    batch.start_end_host("0242-1")
    batch.ended_early.discard("berlin")
    # ansible-core 2.16 starts the task for each host, and ansible-runner changes its UUID.
    batch.start_end_host("0242-1_2")
    assert batch.reached_end([]) == {"paris"}


def test_a_batch_that_is_broken_off_has_no_active_hosts() -> None:
    batch = Batch({"paris", "berlin"}, ended_early={"paris"}, broken_off=True)
    assert batch.reached_end(["berlin"]) == {"paris"}
