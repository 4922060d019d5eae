# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of the report: the template of one cluster."""

from __future__ import annotations

CLUSTER = """
{%- macro side(one) %}
{{- one.revision if one else "-" }}{% if one and one.version %} ({{ one.version }}){% endif %}
{%- endmacro %}
{%- macro versions(proxies) %}
{%- for version, number in (proxies or {}).items() %}{{ number }} &times; {{ version or "unknown" }}
{{- ", " if not loop.last }}{% else %}-{% endfor %}
{%- endmacro %}
{%- macro planes(reading) %}
{%- for revision, version in reading.revisions.items() %}{{ revision }}
{%- if version %} ({{ version }}){% endif %}{{ ", " if not loop.last }}{% else %}-{% endfor %}
{%- endmacro %}
{%- macro tags(reading) %}
{%- for tag, revision in (reading.tags or {}).items() %}{{ tag }} → {{ revision }}{{ ", " if not loop.last }}
{%- else %}{{ "not read" if reading.tags is none else "none" }}{% endfor %}
{%- endmacro %}
{%- macro listed(texts) %}
<ul class="plain">{% for text in texts %}<li>{{ text }}</li>{% endfor %}</ul>
{%- endmacro %}
<details class="card detail" id="{{ ids[one.host] }}"{% if one.state in opened %} open{% endif %}>
<summary>{{ badge(one.state) }} <strong>{{ one.host }}</strong>
  {% if one.ring is not none %}<span class="soft small">ring {{ one.ring }}</span>{% endif %}
  <span class="text brief">{{ one.detail }}</span></summary>
<div class="body">
<dl>
  <dt>State</dt><dd>{{ one.detail }}</dd>
  {% if one.cluster %}
  <dt>Cluster</dt><dd>{{ one.cluster.name }} at {{ one.cluster.server }}
    {%- if one.cluster.id %}, <code>{{ one.cluster.id }}</code>{% endif %}</dd>
  {% endif %}
  {% if one.source or one.target %}<dt>Upgrade</dt><dd>{{ side(one.source) }} → {{ side(one.target) }}</dd>{% endif %}
  {% if one.began %}
  <dt>Time</dt><dd>{{ one.began | at }} to {{ one.ended | time }}, {{ one.seconds | duration }}</dd>
  {% endif %}
  {% if one.requests %}<dt>Requests</dt><dd>{{ counted(one.requests) }}</dd>{% endif %}
</dl>
{% if one.failures %}
<h4>Failures</h4>
{% for failure in one.failures %}
<div class="failure{{ " mended" if not failure.final }}">
  <strong>{{ failure.task }}</strong> <span class="soft small">
  {%- if failure.stage %}{{ failure.stage }}, {% endif %}{{ failure.at | at }}
  {%- if failure.kind %}, {{ failure.kind }}{% endif %}
  {%- if not failure.final %}, a rescue followed{% endif %}</span>
  <p class="text">{{ failure.message }}</p>
  {% if failure.rolled_back is not none %}
  <p class="small soft">{{ "It was put back." if failure.rolled_back else "It was not put back, or not in full." }}</p>
  {% endif %}
  {% if failure.rollback_problems %}{{ listed(failure.rollback_problems) }}{% endif %}
  {% for proof in failure.evidence %}
  <div class="evidence small text">
    <strong>{{ proof.workload }}</strong> {{ proof.pod }}
    {%- if proof.container %}, container {{ proof.container }}{% endif %}: {{ proof.reason }}
    {% if proof.message %}<p>{{ proof.message }}</p>{% endif %}
    {% if proof.log %}
    <pre tabindex="0" aria-label="Last lines of the log">{{ proof.log | join("\n") }}</pre>
    {% endif %}
    {% if proof.events %}{{ listed(proof.events) }}{% endif %}
  </div>
  {% endfor %}
  {% for blocker in failure.blockers %}
  <p class="small text"><strong>{{ blocker.object }}</strong>: {{ blocker.message }} Remedy: {{ blocker.remedy }}</p>
  {% endfor %}
</div>
{% endfor %}
{% endif %}
{% if one.before %}
<h4>What was, what is</h4>
<div class="scroll"><table class="stack">
  {{ heads(("", "Control planes", "Proxies by version", "Tags", "Read at")) }}
  <tbody>
  {% for when, reading in (("Before", one.before), ("Now", one.after)) if reading %}
    {% set late = ", before the last change" if when == "Now" and not reading.current else "" %}
    <tr>{{ cell("", when) }}{{ cell("Control planes", planes(reading)) }}
      {{ cell("Proxies by version", versions(reading.versions)) }}
      {{ cell("Tags", tags(reading)) }}{{ cell("Read at", (reading.at | time) ~ late) }}</tr>
  {% endfor %}
  </tbody>
</table></div>
{% endif %}
{% if one.stages %}
<h4>Stages</h4>
<ol class="stages">
{% for stage in one.stages %}
<li class="badge {{ "bad" if stage.failed else "good" if stage.changed else "idle" }}">
  {{- "✕" if stage.failed else "✓" if stage.changed else "=" }} {{ stage.stage or "playbook" }} ·
  {{ stage.seconds | duration }}</li>
{% endfor %}
</ol>
{% endif %}
{% if one.waves %}
<h4>Waves</h4>
<div class="scroll"><table class="stack">
  {{ heads(("Began", "Namespaces", "Workloads", "Batches", "Time", "Outcome")) }}
  <tbody>
  {% for wave in one.waves %}
    {% set again = " + " ~ wave.resumed ~ " begun before" if wave.resumed else "" %}
    {% set left = ", " ~ wave.remaining ~ " remain" if wave.remaining else "" %}
    {% set planned = " of " ~ wave.planned_batches if wave.planned_batches else "" %}
    <tr>{{ cell("Began", wave.began | time) }}
      {{ cell("Namespaces", wave.namespaces | join(", ") or wave.task) }}
      {{ cell("Workloads", wave.restarted ~ again ~ left) }}
      {{ cell("Batches", wave.batches ~ planned) }}
      {{ cell("Time", wave.seconds | duration) }}
      {{ cell("Outcome", mark(outcomes[wave.outcome], wave.outcome | replace("_", " ")), "") }}</tr>
  {% endfor %}
  </tbody>
</table></div>
{% endif %}
{% for when, findings in one.findings.items() if findings %}
<h4>Findings {{ when }} the upgrade</h4>
<div class="scroll"><table class="stack">
  {{ heads(("Severity", "Code", "Object", "Finding")) }}
  <tbody>
  {% for finding in findings %}
    {% set weight = "waived" if finding.waived else finding.severity %}
    <tr>{{ cell("Severity", mark(weights.get(weight, "idle"), weight), "") }}
      {{ cell("Code", finding.code) }}{{ cell("Object", finding.object) }}
      {% if finding.waived %}
      {% set more = "Waived until " ~ finding.waived.expires ~ ": " ~ finding.waived.reason %}
      {{ cell("Finding", finding.message, more=more) }}
      {% else %}
      {{ cell("Finding", finding.message, more="Remedy: " ~ finding.remedy) }}
      {% endif %}</tr>
  {% endfor %}
  </tbody>
</table></div>
{% endfor %}
{% if one.unrestartable %}
<h4>Stuck: what no rollout restarts</h4>
<div class="scroll"><table class="stack">
  {{ heads(("Owner", "Pods", "Why", "Remedy")) }}
  <tbody>
  {% for stuck in one.unrestartable %}
    <tr>{{ cell("Owner", stuck.kind ~ " " ~ stuck.namespace ~ "/" ~ stuck.name) }}{{ cell("Pods", stuck.pods) }}
      {{ cell("Why", stuck.reason) }}{{ cell("Remedy", stuck.remedy) }}</tr>
  {% endfor %}
  </tbody>
</table></div>
{% endif %}
{% if one.actions %}
<h4>What was done</h4>
{{ listed(one.actions | map(attribute="text")) }}
{% endif %}
{% if one.warnings %}
<h4>Warnings</h4>
{{ listed(one.warnings) }}
{% endif %}
{% if one.left_out %}<p class="small soft">Left out, as there were too many: {{ counted(one.left_out) }}.</p>{% endif %}
</div>
</details>
"""
