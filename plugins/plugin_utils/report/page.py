# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of the report: its template. Jinja escapes every value; nothing here is `safe`."""

from __future__ import annotations

#: What both templates build on.
PARTS = """
{%- macro badge(state) %}
<span class="badge {{ tones[state] }}">{{ glyphs[state] }} {{ labels[state] }}</span>
{%- endmacro %}
{%- macro mark(tone, text) %}<span class="badge {{ tone }}">{{ text }}</span>{% endmacro %}
{%- macro bar(parts) %}
<svg class="bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">
{% for part in parts %}<rect class="{{ part.tone }}" x="{{ part.x }}" width="{{ part.width }}" height="1"/>{% endfor %}
</svg>
{%- endmacro %}
{%- macro heads(names) %}
<thead><tr>
{% for name in names %}<th scope="col"{% if name in numbers %} class="number"{% endif %}>{{ name }}</th>{% endfor %}
</tr></thead>
{%- endmacro %}
{%- macro cell(label, value, class="text", sort=none, more="") %}
<td data-label="{{ label }}" class="{{ "number" if label in numbers else class }}{{ " none" if value == "" }}"
{%- if sort is not none %} data-sort="{{ sort }}"{% endif %}><span class="cell">{{ value }}
{%- if more %}<span class="soft small">{{ more }}</span>{% endif %}</span></td>
{%- endmacro %}
{%- macro counted(numbers, names=none) -%}
{% for name, number in numbers.items() %}{{ number }} {{ names[name] if names else name | replace("_", " ") }}
{{- ", " if not loop.last }}{% endfor %}
{%- endmacro %}
"""

PAGE = """
{% from "parts" import badge, bar, cell, counted, heads, mark with context %}
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{{ policy }}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{{ report.title }}: {{ run.verdict }}</title>
<link rel="icon" href="data:,">
<style>{{ style }}</style>
</head>
<body>
<header>
  <p class="soft">{{ report.title }}{% if run.check_mode %} {{ mark("calm", "check mode") }}{% endif %}</p>
  <div class="verdict {{ verdict_tone }}">
    <span class="word">{{ run.verdict }}</span>
    <h1>{{ run.headline }}</h1>
  </div>
  <p class="soft small">{{ run.playbooks | join(", ") }} · began {{ run.began | at }}
    · {% if run.ended %}took {{ run.seconds | duration }}{% else %}last written {{ run.written | at }}{% endif %}
    · times are UTC</p>
</header>
<main>
<section class="grid" aria-label="Overview">
  <div class="card">
    <h3>Clusters</h3>
    {{ bar(state_parts) }}
    <ul class="key">
    {% for part in state_parts %}
      <li class="{{ part.tone }}"><a href="#h-clusters" data-only="{{ part.name }}"><i></i>{{ part.count }}
        {{ labels[part.name] }}</a></li>
    {% endfor %}
    </ul>
  </div>
  {% if versions %}
  <div class="card">
    <h3>Proxies by version</h3>
    {% for when, parts in version_parts.items() %}
    <p class="small soft">{{ when }}: {{ parts | sum(attribute="count") }}</p>
    {{ bar(parts) }}
    <ul class="key">
    {% for part in parts %}<li class="{{ part.tone }}"><i></i>{{ part.count }} &times; {{ part.name }}</li>{% endfor %}
    </ul>
    {% endfor %}
    {% if report.proxies.not_read_since %}
    <p class="small soft">{{ report.proxies.not_read_since }} of the clusters changed after they were last read.</p>
    {% endif %}
  </div>
  {% endif %}
</section>
{% if run.problems %}
<section aria-labelledby="h-problems">
  <h2 id="h-problems">About the run as a whole</h2>
  <ul class="attention">
  {% for one in run.problems %}
    <li class="bad"><span><strong>{{ one.task }}</strong> <span class="soft small">on {{ one.host }},
      {{ one.at | at }}</span></span><span class="text">{{ one.message }}</span></li>
  {% endfor %}
  </ul>
</section>
{% endif %}
{% if attention or untouched %}
<section aria-labelledby="h-attention">
  <h2 id="h-attention">What needs attention</h2>
  <ul class="attention">
  {% for one in attention[:first] %}
    <li class="{{ tones[one.state] }}"><span><a href="#{{ ids[one.host] }}"><strong>{{ one.host }}</strong></a>
      {{ badge(one.state) }}</span><span class="text">{{ one.detail }}</span></li>
  {% endfor %}
  {% if untouched %}
    <li class="idle"><span><strong>{{ untouched | length }}</strong> {{ badge("untouched") }}</span>
      <span class="text">{% for one in untouched[:first] %}<a href="#{{ ids[one.host] }}">{{ one.host }}</a>
      {{- ", " if not loop.last }}{% endfor %}
      {%- if untouched | length > first %} and {{ untouched | length - first }} more{% endif %}</span></li>
  {% endif %}
  </ul>
  {% if attention | length > first %}
  <p class="soft">{{ attention | length - first }} more with a failure, or stopped, are in the table.</p>
  {% endif %}
</section>
{% endif %}
{% if report.rings | length > 1 or (report.rings and report.rings[0].ring is not none) %}
<section aria-labelledby="h-rings">
  <h2 id="h-rings">Rings</h2>
  <div class="grid">
  {% for ring in report.rings %}
    <div class="card">
      <h3>{{ "Ring " ~ ring.ring if ring.ring is not none else "No ring" }}</h3>
      <p class="small soft">{{ ring.clusters }} cluster{{ "s" if ring.clusters != 1 }}:
        {{ counted(ring.counts, labels) }}
        {%- if ring.began %} · {{ ring.began | at }} to {{ ring.ended | time }}{% endif %}</p>
      <ul class="tiles">
      {% for one in report.clusters if one.ring == ring.ring %}
        {% set says = one.host ~ ": " ~ labels[one.state] %}
        <li><a class="{{ tones[one.state] }}" href="#{{ ids[one.host] }}" title="{{ says }}"
          aria-label="{{ says }}">{{ glyphs[one.state] }}</a></li>
      {% endfor %}
      </ul>
    </div>
  {% endfor %}
  </div>
</section>
{% endif %}
<section aria-labelledby="h-clusters">
  <h2 id="h-clusters">Clusters</h2>
  <div class="tools">
    <label class="wide">Search<input id="find" type="search" autocomplete="off"
      placeholder="name, version, message, code"></label>
    <label class="half">State<select id="state"><option value="">all</option>
      {% for part in state_parts %}
      <option value="{{ part.name }}">{{ labels[part.name] }} ({{ part.count }})</option>
      {% endfor %}
    </select></label>
    <label class="half">Ring<select id="ring"><option value="">all</option>
      {% for ring in report.rings %}
      {% set name = ring.ring if ring.ring is not none else "none" %}
      <option value="{{ name }}">{{ name }} ({{ ring.clusters }})</option>
      {% endfor %}
    </select></label>
    <span id="shown" class="soft small" role="status"></span>
  </div>
  <div class="card clusters scroll">
  <table id="clusters" class="stack">
    {{ heads(("Cluster", "Ring", "State", "Control plane", "Proxies up to date", "Findings", "Stuck", "Time")) }}
    <tbody>
    {% for row in rows %}
      <tr data-detail="{{ row.id }}" data-state="{{ row.state }}" data-ring="{{ row.ring }}" data-text="{{ row.text }}">
        <td data-label="Cluster" class="text" data-sort="{{ row.host }}"><span class="cell"><a
          href="#{{ row.id }}">{{ row.host }}</a></span></td>
        {{ cell("Ring", row.ring if row.ring != "none" else "", sort=row.ring_order) }}
        {{ cell("State", badge(row.state), "", sort=row.order) }}
        {{ cell("Control plane", row.planes) }}
        {{ cell("Proxies up to date", row.proxies, sort=row.share, more=row.stale) }}
        {{ cell("Findings", row.findings, sort=row.weight) }}
        {{ cell("Stuck", row.stuck or "", sort=row.stuck) }}
        {{ cell("Time", row.seconds | duration if row.seconds else "", sort=row.seconds) }}
      </tr>
    {% endfor %}
    </tbody>
  </table>
  </div>
</section>
{% if codes %}
<section aria-labelledby="h-codes">
  <h2 id="h-codes">Findings</h2>
  <div class="card scroll">
  <table class="stack">
    {{ heads(("Code", "Severity", "Finding", "Why it matters", "Clusters")) }}
    <tbody>
    {% for one in codes %}
      <tr>
        <td data-label="Code"><span class="cell">
          {%- if one.link %}<a href="{{ one.link }}" rel="noreferrer noopener">{{ one.code }}</a>
          {%- else %}{{ one.code }}{% endif %}</span></td>
        {{ cell("Severity", mark(weights.get(one.weight, "idle"), one.weight), "") }}
        {{ cell("Finding", one.title) }}
        {{ cell("Why it matters", one.why) }}
        {{ cell("Clusters", one.clusters) }}
      </tr>
    {% endfor %}
    </tbody>
  </table>
  </div>
</section>
{% endif %}
<section aria-labelledby="h-details">
  <h2 id="h-details">Cluster by cluster</h2>
  <div class="tools"><button type="button" id="open-all">Open all</button></div>
  <div>
  {% for one in report.clusters %}{% include "cluster" %}{% endfor %}
  </div>
</section>
</main>
<footer>Written by meshops.istio.fleet_report at {{ run.written | at }}. The same for programs: report.json.</footer>
<script>{{ script }}</script>
</body>
</html>
"""
