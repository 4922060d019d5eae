# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page: one file that loads nothing, in which no value of a cluster is markup. tests/browser opens it."""

from __future__ import annotations

import base64
import collections
import hashlib
import json
import re
import typing as t
from html.parser import HTMLParser

import pytest

from ansible_collections.meshops.istio.plugins.plugin_utils.report.html import STATE_STYLES, render_html
from ansible_collections.meshops.istio.plugins.plugin_utils.report.reported_run import STATES
from unit.callback import results as r
from unit.callback.results import Json, SimulatedRun

PLAIN = "a value"
EVIL = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</style></title></textarea></pre></details>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "]]> --> <!-- <![CDATA[",
    "{{ 7 * 7 }} {% raw %}",
    "javascript:alert(1)",
    "&lt;b&gt;&#60;",
    "\u202e\u0000\ud800\U0001f600 \u00e9\u4e2d",
    "x" * 5000,
]
#: Elements without an end tag.
VOID = {"meta", "link", "input", "br", "img", "rect"}


class Page(HTMLParser):
    """A parsed page: its elements, attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: dict[str, int] = collections.Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.inside: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.inside.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.inside.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.inside):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def everywhere(value: str) -> Json:
    """Return a report in which each text from a cluster or the inventory is the same value."""
    finding = r.finding("MU021", "info", value, title=value, message=value, why=value, remedy=value, docs=value)
    waived = {**finding, "code": value, "waived": {"reason": value, "expires": value}}
    stuck = dict.fromkeys(("namespace", "kind", "name", "code", "reason", "remedy"), value) | {"pods": 1}
    evidence = dict.fromkeys(("workload", "pod", "container", "reason", "message"), value)
    blocker = dict.fromkeys(("code", "object", "message", "remedy"), value)
    failure = {"kind": value, "evidence": [{**evidence, "log": [value], "events": [value]}], "blockers": [blocker]}
    failure |= {"rolled_back": False, "rollback_problems": [value]}
    precheck = r.precheck(finding, waived, warnings=[value])
    precheck |= {"cluster": {"id": value, "name": value, "server": value}, "unrestartable": [stuck]}
    precheck |= {"source_revision": value, "source_version": value, "proxies": {value: {value: 3}}}
    planes = r.info() | {"control_planes": [{"revision": value, "version": value}], "tags": {value: value}}
    simulated = SimulatedRun(value)
    simulated.run.title = simulated.run.last_task = value
    simulated.run.playbooks = [value]
    simulated.task(value, "istio_precheck", precheck, stage=value)
    simulated.task(value, "istio_info", planes, stage=value)
    simulated.task(value, "istio_revision", r.install(revision=value, version=value, actions=[value]), stage=value)
    simulated.task(value, "namespace_revision", r.move(value), stage=value)
    simulated.task(value, "rollout_restart", r.restart(f"Deployment {value}/{value}"), stage=value)
    simulated.task(value, "", {"failed": True, "msg": value}, run_once=True)
    simulated.task(value, "rollout_restart", r.broken(value) | {"failure": failure}, stage=value)
    return simulated.end(**{value: 2})


@pytest.mark.parametrize("evil", EVIL, ids=[text[:20].encode("ascii", "replace").decode() for text in EVIL])
def test_no_value_of_a_cluster_is_markup(evil: str) -> None:
    plain, page = Page(render_html(everywhere(PLAIN))), Page(render_html(everywhere(evil)))
    assert page.elements == plain.elements
    assert [(tag, name) for tag, name, dummy in page.attributes] == [(a, b) for a, b, dummy in plain.attributes]
    assert not page.inside
    assert plain.text.count(PLAIN) > 40
    shown = " ".join(evil[:2000].replace("\u0000", "\ufffd").split())
    assert page.text.replace("\u0000", "\ufffd").count(shown) >= plain.text.count(PLAIN) - 5


def test_it_loads_nothing_and_runs_only_its_own_script() -> None:
    text = render_html(everywhere("https://evil.example.com/"))
    page = Page(text)
    targets = [(tag, value) for tag, name, value in page.attributes if name in ("href", "src", "action", "style")]
    assert {value for tag, value in targets if tag == "link"} == {"data:,"}
    assert all(value.startswith("#") for tag, value in targets if tag == "a" and "example.com" not in value)
    assert not [name for dummy, name, value in page.attributes if name.startswith("on") or name in ("src", "style")]
    policy = next(value for tag, name, value in page.attributes if tag == "meta" and "default-src 'none'" in value)
    for tag in ("script", "style"):
        content = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert len(content) == 1
        digest = base64.b64encode(hashlib.sha256(content[0].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


@pytest.mark.parametrize(("docs", "links"), [("https://example.com/x", 1), ("javascript:alert(1)", 0), ("http://x", 0)])
def test_only_an_https_url_is_a_link(docs: str, links: int) -> None:
    simulated = SimulatedRun("paris-1").task("paris-1", "istio_precheck", r.precheck(r.finding(docs=docs)))
    page = Page(render_html(simulated.end()))
    assert len([value for tag, name, value in page.attributes if name == "href" and value == docs]) == links


def test_verdict_first_then_what_needs_attention() -> None:
    simulated = SimulatedRun("paris-1", "paris-2", "paris-3", rings={"paris-1": 0, "paris-2": 1}).canary("paris-1")
    simulated.task("paris-2", "rollout_restart", r.broken())
    text = Page(render_html(simulated.end(**{"paris-2": 1}))).text
    order = [
        "failed 3 clusters: 1 done, 1 failed, 1 left untouched.",
        "Needs attention",
        "Deployment shop/web does not get ready.",
        "Ring 0",
        "No ring",
        "26 of 28",
        "cannot connect to the database",
    ]
    assert sorted(order, key=text.index) == order


@pytest.mark.parametrize(
    ("version", "plane", "proxies", "shown"),
    [
        pytest.param("1.31.0", "1.31.0", {"1.31.0": 26, "1.30.3": 2}, "26 of 28", id="a release"),
        pytest.param("1.31.0", "1.31.0", {"1.31.0-distroless": 26}, "26 of 26", id="a variant"),
        pytest.param("1.23.0", "asm-1-23", {"asm-1-23": 26, "asm-1-22": 2}, "26 of 28", id="a tag without a version"),
        pytest.param("1.23.0", "asm-1-23", {"asm-1-23-distroless": 5}, "5 of 5", id="a variant of such a tag"),
        pytest.param("1.23.0", "asm-1-23", {"latest": 26, "": 2}, "0 of 28", id="other tags"),
        pytest.param("1.31.0", "1.30.3", {"1.30.3": 26}, "0 of 26", id="a control plane of another version"),
        pytest.param("1.31.0", "", {"1.30.3": 26, "": 1}, "0 of 27", id="an unknown control plane"),
    ],
)
def test_the_proxies_that_are_up_to_date(version: str, plane: str, proxies: dict[str, int], shown: str) -> None:
    simulated = SimulatedRun("paris-1").task("paris-1", "istio_revision", r.install(version=version))
    planes = [{"revision": "1-31-0", "version": plane}]
    simulated.task("paris-1", "istio_info", r.base_result(control_planes=planes, proxies={"1-31-0": proxies}))
    page = Page(render_html(simulated.at_end("paris-1").end()))
    assert [text for text in page.texts if text.strip() == shown], page.text


@pytest.mark.parametrize("count", [1, 2, 200])
def test_any_number_of_clusters(count: int) -> None:
    hosts = [f"cluster-{number}" for number in range(count)]
    simulated = SimulatedRun(*hosts, rings={host: number // 50 for number, host in enumerate(hosts)})
    for host in hosts:
        simulated.canary(host)
    text = render_html(simulated.end())
    page = Page(text)
    assert page.elements["details"] == count
    ids = [value for dummy, name, value in page.attributes if name == "id"]
    assert len(set(ids)) == len(ids)
    targets = {value[1:] for dummy, name, value in page.attributes if name == "href" and value.startswith("#")}
    assert targets <= set(ids)
    assert len(text) < 20_000 + count * 15_000


def unfinished(simulated: SimulatedRun) -> Json:
    return simulated.report()


def aborted(simulated: SimulatedRun) -> Json:
    return simulated.end("aborted")


@pytest.mark.parametrize("ended", [unfinished, aborted])
def test_a_run_that_has_no_end(ended: t.Callable[[SimulatedRun], Json]) -> None:
    simulated = SimulatedRun("paris-1", "paris-2")
    simulated.task("paris-1", "istio_info", r.info())
    assert ended(simulated)["run"]["headline"] in Page(render_html(ended(simulated))).text


def test_every_state_has_a_style() -> None:
    assert [*STATE_STYLES] == [*STATES]
    json.dumps(STATE_STYLES)
