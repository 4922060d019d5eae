# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Markdown summary: short, verdict first, and nothing of a cluster is markup in it."""

from __future__ import annotations

import markdown_it
import pytest

from ansible_collections.meshops.istio.plugins.plugin_utils.report.markdown import (
    escape,
    format_duration,
    render_markdown,
)
from unit.callback import results as r
from unit.callback.results import SimulatedRun

EVIL = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "a | b",
    "[click](https://evil.example.com)",
    "![x](https://evil.example.com/x.png)",
    "`code` **bold** _it_ ~~gone~~",
    "line\n\n# heading\n\n- item",
    "&lt;b&gt; &#60;b&#62;",
    "\\<b>",
    "```\nfence",
]


def test_two_clusters() -> None:
    simulated = SimulatedRun("paris-1", "paris-2", rings={"paris-1": 0, "paris-2": 1}).canary("paris-1")
    simulated.task("paris-2", "rollout_restart", r.broken())
    text = render_markdown(simulated.end(**{"paris-2": 1}))
    assert text.splitlines()[:3] == [
        "## Istio fleet: failed",
        "",
        "**2 clusters: 1 done, 1 failed.**",
    ]
    assert "| ring | clusters | failed | done |" in text
    assert "| 0 | 1 |  | 1 |" in text
    assert "Proxies: 28 x 1.30.3 before, 2 x 1.30.3, 26 x 1.31.0 now." in text
    assert "- **paris-2** (failed): Deployment shop/web does not get ready." in text


def test_two_hundred_clusters_fit_a_comment() -> None:
    hosts = [f"cluster-{number:03}" for number in range(200)]
    simulated = SimulatedRun(*hosts, rings={host: int(host[-3:]) // 50 for host in hosts})
    for host in hosts:
        simulated.task(host, "rollout_restart", r.broken("x" * 5000))
    text = render_markdown(simulated.end(**dict.fromkeys(hosts, 1)))
    assert len(text) < 10_000
    assert "- and 180 more, see the full report" in text


@pytest.mark.parametrize("evil", EVIL)
def test_no_value_of_a_cluster_is_markup(evil: str) -> None:
    html = markdown_it.MarkdownIt("commonmark").enable("table").enable("strikethrough").render(f"x {escape(evil)} y")
    assert html.count("<") == len(["<p>", "</p>"])
    assert html.count("\n") == 1


def test_no_value_of_a_cluster_mentions_a_user() -> None:
    assert "@everyone" not in escape("@everyone")


@pytest.mark.parametrize("evil", EVIL)
def test_the_whole_summary_keeps_its_form(evil: str) -> None:
    simulated = SimulatedRun(evil, "good").canary("good")
    simulated.task(evil, "istio_info", r.info())
    simulated.task(evil, "rollout_restart", r.broken(evil))
    renderer = markdown_it.MarkdownIt("commonmark", {"html": True}).enable("table")
    html = renderer.render(render_markdown(simulated.end(**{evil: 1})))
    for markup in ("<script", "<img", "<a ", "<h1", "<code"):
        assert markup not in html
    assert (html.count("<h2>"), html.count("<li>"), html.count("<table>")) == (1, 1, 1)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (61, "1 min 1 s"), (3700, "1 h 1 min")]
)
def test_times(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
