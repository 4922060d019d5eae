/*
 * Copyright (c) 2026, meshops.istio contributors
 * GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Search, filters, sorting, opening of details and printing on the report page.
 */
(() => {
  const page = document.documentElement;
  const table = document.getElementById("clusters");
  const search = document.getElementById("find");
  const state = document.getElementById("state");
  const ring = document.getElementById("ring");
  const visibleCount = document.getElementById("shown");
  const toggleAll = document.getElementById("open-all");
  if (!table) {
    return;
  }
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const detailsOf = (row) => document.getElementById(row.dataset.detail);
  page.classList.add("js");

  const applyFilters = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const matches =
        words.every((word) => row.dataset.text.includes(word)) &&
        (!state.value || row.dataset.state === state.value) &&
        (!ring.value || row.dataset.ring === ring.value);
      row.hidden = !matches;
      detailsOf(row).hidden = !matches;
      count += matches;
    }
    visibleCount.textContent = `${count} of ${rows.length} clusters`;
  };

  const cellValue = (row, column, isNumeric) => {
    const text = row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
    return isNumeric ? Number(text) : text;
  };

  const sortBy = (heading) => {
    const column = heading.cellIndex;
    const isNumeric = heading.classList.contains("number");
    const descending = heading.getAttribute("aria-sort") === "ascending";
    for (const other of heading.parentNode.cells) {
      other.removeAttribute("aria-sort");
    }
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const collator = new Intl.Collator(undefined, { numeric: true });
    rows.sort((a, b) => {
      const [x, y] = [cellValue(a, column, isNumeric), cellValue(b, column, isNumeric)];
      return (isNumeric ? x - y : collator.compare(x, y)) * (descending ? -1 : 1);
    });
    for (const row of rows) {
      body.append(row);
      detailsOf(row).parentNode.append(detailsOf(row));
    }
  };

  const revealTarget = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target?.matches("details")) {
      if (target.hidden) {
        search.value = state.value = ring.value = "";
        applyFilters();
      }
      target.open = true;
      target.scrollIntoView();
    }
  };

  for (const heading of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => sortBy(heading));
  }
  for (const input of [search, state, ring]) {
    input.addEventListener("input", applyFilters);
  }
  for (const link of document.querySelectorAll("a[data-only]")) {
    link.addEventListener("click", () => {
      state.value = link.dataset.only;
      search.value = ring.value = "";
      applyFilters();
    });
  }
  const details = [...document.querySelectorAll("details.detail")];
  toggleAll.addEventListener("click", () => {
    const open = details.some((entry) => !entry.hidden && !entry.open);
    for (const entry of details) {
      if (!entry.hidden) {
        entry.open = open;
      }
    }
    toggleAll.textContent = open ? "Close all" : "Open all";
  });
  let openedForPrint = [];
  addEventListener("beforeprint", () => {
    openedForPrint = [...document.querySelectorAll("details:not([open])")];
    for (const entry of openedForPrint) {
      entry.open = true;
    }
  });
  addEventListener("afterprint", () => {
    for (const entry of openedForPrint) {
      entry.open = false;
    }
  });
  addEventListener("hashchange", revealTarget);
  applyFilters();
  revealTarget();
})();
