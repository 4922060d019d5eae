# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Live lines: one for each change, nothing twice, not more than one a second."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.progress import Progress


class Clock:
    """A clock that a test sets."""

    def __init__(self, *, watched: bool = True) -> None:
        self.now = 0.0
        self.lines: list[str] = []
        self.progress = Progress(self.lines.append, 20, watched, lambda: self.now)
        self.progress.begin()

    def at(self, second: float, done: int, pods: int, *waiting: str, label: str = "batch 1 of 2") -> list[str]:
        """The lines that one look makes."""
        self.now = second
        before = len(self.lines)
        self.progress.step(label, done, 2, pods, waiting)
        return self.lines[before:]


def test_a_change_is_written_once_and_not_directly_after_another() -> None:
    clock = Clock()
    assert clock.at(0, 0, 0, "shop/a", "shop/b") == ["batch 1 of 2: 0 of 2 workloads done, waiting for shop/a, shop/b"]
    assert clock.at(5, 0, 0, "shop/a", "shop/b") == []
    assert clock.at(5, 1, 5, "shop/b") == [
        "batch 1 of 2: 1 of 2 workloads done, 5 of 20 pods, 1.0 pods/s, about 15 s left, waiting for shop/b"
    ]
    assert clock.at(5.5, 0, 5, "shop/a", "shop/b") == []
    assert len(clock.at(6.0, 0, 5, "shop/a", "shop/b")) == 1


def test_the_end_of_a_batch_is_always_written() -> None:
    clock = Clock()
    clock.at(0, 0, 0, "shop/a")
    assert clock.at(0.1, 2, 10) == ["batch 1 of 2: 2 of 2 workloads done, 10 of 20 pods"]
    assert clock.at(0.2, 2, 10) == []
    clock.progress.finished(10)
    assert clock.at(4, 2, 10, label="batch 2 of 2") == ["batch 2 of 2: 2 of 2 workloads done, 20 of 20 pods"]


def test_pauses_and_soaks_count_for_the_end_and_not_for_the_rate() -> None:
    clock = Clock()
    clock.progress.upcoming_waits = 150
    clock.at(5, 2, 10)
    clock.progress.rest()
    clock.progress.finished(10)
    clock.progress.upcoming_waits = 30
    clock.now = 125
    clock.progress.begin()
    assert clock.at(130, 1, 5, "shop/b", label="batch 2 of 2") == [
        "batch 2 of 2: 1 of 2 workloads done, 15 of 20 pods, 1.5 pods/s, about 33 s left, waiting for shop/b"
    ]


def test_pods_alone_are_news_after_a_while() -> None:
    clock = Clock()
    clock.at(0, 0, 0, "shop/a")
    assert clock.at(14, 0, 4, "shop/a") == []
    assert len(clock.at(15, 0, 4, "shop/a")) == 1
    assert clock.at(60, 0, 4, "shop/a") == []


def test_only_some_names_are_shown() -> None:
    assert Clock().at(0, 0, 0, "a", "b", "c", "d")[0].endswith("waiting for a, b, c, ...")


def test_without_a_watching_user_a_batch_has_few_lines() -> None:
    clock = Clock(watched=False)
    assert len(clock.at(0, 0, 0, "shop/a", "shop/b")) == 1
    assert clock.at(5, 1, 5, "shop/b") == []
    assert len(clock.at(15, 1, 6, "shop/b")) == 1
    assert clock.at(16, 1, 7, "shop/b") == []
    assert len(clock.at(17, 2, 10)) == 1
    assert len(clock.at(18, 0, 0, "shop/c", label="batch 2 of 2")) == 1
    assert len(clock.at(18.5, 2, 10, label="batch 2 of 2")) == 1
