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
  const find = document.getElementById("find");
  const state = document.getElementById("state");
  const ring = document.getElementById("ring");
  const shown = document.getElementById("shown");
  const all = document.getElementById("open-all");
  if (!table) {
    return;
  }
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const detail = (row) => document.getElementById(row.dataset.detail);
  page.classList.add("js");

  const filter = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const fits =
        words.every((word) => row.dataset.text.includes(word)) &&
        (!state.value || row.dataset.state === state.value) &&
        (!ring.value || row.dataset.ring === ring.value);
      row.hidden = !fits;
      detail(row).hidden = !fits;
      count += fits;
    }
    shown.textContent = `${count} of ${rows.length} clusters`;
  };

  const value = (row, column, number) => {
    const text = row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
    return number ? Number(text) : text;
  };

  const sort = (heading) => {
    const column = heading.cellIndex;
    const number = heading.classList.contains("number");
    const down = heading.getAttribute("aria-sort") === "ascending";
    for (const other of heading.parentNode.cells) {
      other.removeAttribute("aria-sort");
    }
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const collator = new Intl.Collator(undefined, { numeric: true });
    rows.sort((a, b) => {
      const [x, y] = [value(a, column, number), value(b, column, number)];
      return (number ? x - y : collator.compare(x, y)) * (down ? -1 : 1);
    });
    for (const row of rows) {
      body.append(row);
      detail(row).parentNode.append(detail(row));
    }
  };

  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target?.matches("details")) {
      if (target.hidden) {
        find.value = state.value = ring.value = "";
        filter();
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
    button.addEventListener("click", () => sort(heading));
  }
  for (const one of [find, state, ring]) {
    one.addEventListener("input", filter);
  }
  for (const link of document.querySelectorAll("a[data-only]")) {
    link.addEventListener("click", () => {
      state.value = link.dataset.only;
      find.value = ring.value = "";
      filter();
    });
  }
  const details = [...document.querySelectorAll("details.detail")];
  all.addEventListener("click", () => {
    const open = details.some((one) => !one.hidden && !one.open);
    for (const one of details) {
      if (!one.hidden) {
        one.open = open;
      }
    }
    all.textContent = open ? "Close all" : "Open all";
  });
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    for (const one of closed) {
      one.open = true;
    }
  });
  addEventListener("afterprint", () => {
    for (const one of closed) {
      one.open = false;
    }
  });
  addEventListener("hashchange", reveal);
  filter();
  reveal();
})();
