# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the page of the report looks: on a wide screen, a phone, in the dark and on paper."""

from __future__ import annotations

STYLE = """
:root {
  --page: #f4f6f9; --card: #ffffff; --ink: #17202e; --soft: #566277; --line: #dce2eb; --shade: #eef1f6;
  --bad: #b3261e; --warn: #8f5b00; --good: #17784a; --calm: #2f63a5; --idle: #596477;
  --bad-bg: #fdecea; --warn-bg: #fdf3df; --good-bg: #e6f5ec; --calm-bg: #e7f0fb; --idle-bg: #edf0f4;
  --v0: #8d99ab; --v1: #2f63a5; --v2: #17784a; --v3: #8f5b00; --v4: #7b4bb0; --v5: #0f7c86;
  --mono: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  color-scheme: light;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #0f141c; --card: #171e2a; --ink: #e5eaf2; --soft: #9eaabd; --line: #2b3546; --shade: #202938;
    --bad: #ff938a; --warn: #f0c069; --good: #72d6a3; --calm: #8fbcf5; --idle: #a3afc0;
    --bad-bg: #3a1d1f; --warn-bg: #35290f; --good-bg: #12301f; --calm-bg: #172a45; --idle-bg: #232c3a;
    --v0: #6f7c90; --v1: #6fa5ec; --v2: #5cc491; --v3: #dba94c; --v4: #b893e6; --v5: #4fc0ca;
    color-scheme: dark;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif; }
main, header, footer { max-width: 76rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-block: 2rem 1rem; }
h1, h2, h3, h4 { line-height: 1.25; margin: 0; text-wrap: balance; }
h1 { font-size: 1.75rem; margin: .5rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.25rem 0 .75rem; }
h3 { font-size: .95rem; }
h4 { font-size: .85rem; color: var(--soft); margin: 1.25rem 0 .4rem; }
p { margin: .35rem 0; }
a { color: var(--calm); text-underline-offset: .15em; }
a:focus-visible, button:focus-visible, input:focus-visible, select:focus-visible, summary:focus-visible {
  outline: 2px solid var(--calm); outline-offset: 2px; border-radius: 4px; }
.soft { color: var(--soft); }
.small { font-size: .85rem; }
.text { overflow-wrap: anywhere; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1rem 1.15rem; }
.grid { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); }
.bad { --tone: var(--bad); --tone-bg: var(--bad-bg); }
.warn { --tone: var(--warn); --tone-bg: var(--warn-bg); }
.good { --tone: var(--good); --tone-bg: var(--good-bg); }
.calm { --tone: var(--calm); --tone-bg: var(--calm-bg); }
.idle { --tone: var(--idle); --tone-bg: var(--idle-bg); }
.verdict { border-left: 6px solid var(--tone); padding-left: 1rem; }
.word { color: var(--tone); font-weight: 700; text-transform: uppercase; letter-spacing: .06em; font-size: .85rem; }
.badge { display: inline-block; white-space: nowrap; padding: .05rem .5rem; border-radius: 999px; font-size: .8rem;
  font-weight: 600; color: var(--tone); background: var(--tone-bg); }
svg.bar { display: block; width: 100%; height: 14px; border-radius: 7px; margin: .6rem 0; background: var(--shade); }
svg.bar rect { fill: var(--tone); stroke: var(--card); stroke-width: 2px; vector-effect: non-scaling-stroke; }
.v0 { --tone: var(--v0); } .v1 { --tone: var(--v1); } .v2 { --tone: var(--v2); }
.v3 { --tone: var(--v3); } .v4 { --tone: var(--v4); } .v5 { --tone: var(--v5); }
.key { display: flex; flex-wrap: wrap; gap: .2rem 1rem; list-style: none; margin: 0; padding: 0; font-size: .88rem; }
.key i { display: inline-block; width: .7rem; height: .7rem; border-radius: 3px; background: var(--tone);
  margin-right: .4rem; }
.key a { color: inherit; }
.tiles { display: flex; flex-wrap: wrap; gap: 5px; list-style: none; margin: .65rem 0 0; padding: 0; }
.tiles a { display: grid; place-items: center; width: 1.6rem; height: 1.6rem; border-radius: 5px; font-size: .85rem;
  font-weight: 700; text-decoration: none; color: var(--tone); background: var(--tone-bg);
  border: 1px solid var(--tone); }
.attention { list-style: none; margin: 0; padding: 0; display: grid; gap: .45rem; }
.attention li { display: grid; grid-template-columns: minmax(11rem, 18rem) 1fr; gap: .1rem 1rem;
  background: var(--card);
  border: 1px solid var(--line); border-left: 4px solid var(--tone); border-radius: 0 8px 8px 0; padding: .5rem .9rem; }
.attention li > * { min-width: 0; overflow-wrap: anywhere; }
.tools { display: none; flex-wrap: wrap; gap: .6rem; align-items: end; margin-bottom: .75rem; }
.js .tools { display: flex; }
.tools label { font-size: .8rem; color: var(--soft); display: grid; gap: .15rem; }
.tools .wide { flex: 1 1 14rem; }
input, select, button { font: inherit; color: inherit; }
input, select, .tools button { background: var(--card); border: 1px solid var(--line); border-radius: 7px;
  padding: .4rem .6rem; min-height: 2.4rem; width: 100%; }
.tools button { width: auto; cursor: pointer; }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .45rem .7rem; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; font-size: .8rem; white-space: nowrap; }
tr:last-child td { border-bottom: 0; }
td.number, th.number { text-align: right; }
td .soft { display: block; }
th button { all: unset; cursor: pointer; }
th button:focus-visible { outline: 2px solid var(--calm); outline-offset: 2px; }
th[aria-sort="ascending"] button::after { content: " \\2191"; }
th[aria-sort="descending"] button::after { content: " \\2193"; }
.clusters { padding: .25rem .5rem; }
.clusters tbody tr:hover { background: var(--shade); }
[hidden] { display: none !important; }
.detail { margin-bottom: .6rem; padding: 0; scroll-margin-top: 1rem; }
.detail > summary { cursor: pointer; padding: .7rem 1.15rem; display: flex; flex-wrap: wrap; gap: .35rem .75rem;
  align-items: baseline; list-style: none; }
.detail > summary::-webkit-details-marker { display: none; }
.detail > summary::before { content: "\\25B8\\FE0E"; color: var(--soft); width: .8rem; }
.detail[open] > summary::before { content: "\\25BE\\FE0E"; }
.detail > summary .text { flex: 1 1 18rem; color: var(--soft); font-size: .88rem; }
.detail .body { padding: 0 1.15rem 1.15rem; border-top: 1px solid var(--line); }
.brief { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden; }
.detail[open] .brief { display: none; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: .9rem 0 0; font-size: .9rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.stages { display: flex; flex-wrap: wrap; gap: .35rem; list-style: none; margin: 0; padding: 0; }
.failure { border-left: 4px solid var(--bad); padding: .1rem 0 .1rem .9rem; margin: .5rem 0 1rem; }
.mended { border-left-color: var(--idle); }
.evidence { margin: .6rem 0; }
pre { font: .82rem/1.45 var(--mono); background: var(--shade); border-radius: 7px; padding: .6rem .8rem;
  margin: .3rem 0; white-space: pre-wrap; overflow-wrap: anywhere; max-height: 24rem; overflow-y: auto; }
code { font: .88em/1.4 var(--mono); overflow-wrap: anywhere; }
ul.plain { margin: .2rem 0; padding-left: 1.1rem; font-size: .9rem; overflow-wrap: anywhere; }
footer { padding-block: 2.5rem; color: var(--soft); font-size: .85rem; }
@media (max-width: 44rem) {
  main, header, footer { padding-inline: .85rem; }
  h1 { font-size: 1.35rem; }
  .stack thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .stack tr { display: block; padding: .55rem 0; border-bottom: 1px solid var(--line); }
  .stack tr:last-child { border-bottom: 0; }
  .stack td, .stack td.number { display: grid; grid-template-columns: 7.5rem minmax(0, 1fr); text-align: left;
    gap: .5rem; border: 0; padding: .12rem .6rem; overflow-wrap: anywhere; }
  .stack td::before { content: attr(data-label); color: var(--soft); font-size: .8rem; }
  .stack td > span.cell { min-width: 0; }
  .stack td:empty, .stack td.none { display: none; }
  .attention li { grid-template-columns: 1fr; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: .4rem; }
  .tiles a { width: 2rem; height: 2rem; }
  .tools .half { flex: 1 1 8rem; }
}
@media print {
  :root { --page: #fff; }
  body { font-size: 10pt; }
  main, header, footer { max-width: none; padding-inline: 0; }
  .tools, .screen { display: none !important; }
  .card, .attention li, tr, .failure, .evidence { break-inside: avoid; }
  .detail { break-inside: auto; }
  .brief { display: none; }
  .badge, .tiles a, svg.bar, .key i, pre { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .badge, .tiles a { border: 1px solid var(--tone); }
  pre { max-height: none; }
  h2, h3, h4 { break-after: avoid; }
  details::details-content { content-visibility: visible; display: block; block-size: auto; }
  a { color: inherit; text-decoration: none; }
}
"""
