// diagram.js — what happens between peer, kernel and script, a line for each step, and what a
// chosen line means — knows no bytes.

import { byId, el, flag, foreign, put, rem, Ring, soon, VirtualList } from "./dom.js";
import { colourOf } from "./connections.js";

// By the kind of event, the colour of its arrows and words. What an arrow of another kind means, its
// words say: colour only helps.
const KINDS = {
  accept: "in",
  connect: "in",
  open: "in",
  data: "in",
  message: "in",
  recv: "in",
  datagram: "in",
  proxy: "in",
  handshake: "in",
  arrive: "in",
  send: "out",
  sendto: "out",
  flush: "out",
  handler: "script",
  wait: "script",
  wake: "script",
  handled: "script",
  call: "script",
  eof: "end",
  shutdown: "end",
  close: "end",
  time_wait: "end",
  reset: "bad",
  error: "bad",
  timeout: "bad",
  dropped: "bad",
  worker: "bad",
  stall: "bad",
  tcp: "kernel",
  backlog: "kernel",
};
const NO_ROWS = new Ring(1);
const ROW_REM = 1.875;
const NARROW_ROW_REM = 3.375;
const NARROW_REM = 32;

export class Diagram {
  constructor(app) {
    this.app = app;
    this.wants = ["events", "choice", "row"];
    const { t } = app;
    this.title = el("h2");
    this.names = el(
      "div",
      { class: "names", "aria-hidden": "true" },
      el("span", { class: "blank" }),
      el("span", { class: "blank" }),
      el(
        "span",
        { class: "life" },
        el("span", {}, t("peer")),
        el("span", {}, t("kernel")),
        el("span", {}, t("script")),
      ),
      el("span", { class: "note blank" }, t("notes")),
    );
    const list = el("div", { id: "diagram", "aria-label": t("diagram") });
    this.empty = el("div", { class: "empty" }, el("p", {}, t("nothing_yet")));
    this.newest = el(
      "button",
      { class: "newest", type: "button", hidden: true, onclick: () => this.toEnd() },
      t("newest"),
    );
    this.detail = el("div", { class: "detail", "aria-live": "polite" });
    this.holder = el("div", { class: "holder" }, list, this.newest);
    byId("stage").append(
      el("div", { class: "head" }, this.title, this.legend(t)),
      app.controlsPlace,
      this.names,
      this.empty,
      this.holder,
      this.detail,
    );
    flag(byId("stage"), "aria-label", t("diagram"));
    this.list = new VirtualList(list, {
      follows: true,
      source: () => this.rows,
      height: () => this.rowHeight,
      make: () => this.make(),
      fill: (row, item) => this.fill(row, item),
      choose: (item) => app.model.chooseRow(item),
      isChosen: (item) => item === app.model.row,
    });
    list.addEventListener("scroll", () => soon((this.drawing ??= () => this.drawNewest())), {
      passive: true,
    });
    new ResizeObserver(() => this.measure()).observe(byId("stage"));
    this.measure();
  }

  legend(t) {
    return el(
      "p",
      { class: "legend" },
      ...["observed", "kernel", "inferred"].map((name) =>
        el("span", { class: name }, t(`legend_${name}`)),
      ),
    );
  }

  // As the container query of style.css decides.
  measure() {
    const isNarrow = byId("stage").clientWidth <= NARROW_REM * rem();
    this.rowHeight = Math.round((isNarrow ? NARROW_ROW_REM : ROW_REM) * rem());
    byId("stage").style.setProperty("--row", `${this.rowHeight}px`);
  }

  get rows() {
    const { model } = this.app;
    if (model.chosen === null) return model.rows;
    return model.chosenConn?.rows ?? NO_ROWS;
  }

  make() {
    const row = el("div", { class: "step" });
    const gap = () => {
      const made = el("span", { class: "gap" }, el("i"), el("b"));
      made.label = made.lastChild;
      return made;
    };
    row.time = el("span", { class: "time" });
    row.chip = el("span");
    row.outer = gap();
    row.inner = gap();
    row.lanes = el("span", { class: "lanes" }, row.outer, row.inner);
    row.note = el("bdi");
    row.line = el("bdi", { class: "soft" });
    row.runs = [];
    row.append(
      row.time,
      row.chip,
      row.lanes,
      el("span", { class: "note" }, row.note, "  ", row.line),
    );
    row.noteBox = row.lastChild;
    return row;
  }

  fill(row, item) {
    if (row.item === item && row.isAll === this.isAll) return;
    row.item = item;
    row.isAll = this.isAll;
    const kind = `kind-${KINDS[item.e.event] ?? "kernel"}`;
    put(
      row.time,
      item.passed === null || item.part > 0
        ? ""
        : `+${this.app.words.time(Math.max(item.passed, 0))}`,
    );
    put(row.chip, this.isAll && item.conn !== null ? `#${item.conn}` : "");
    row.chip.className = this.isAll && item.conn !== null ? `chip ${colourOf(item.conn)}` : "";
    this.fillGap(row.outer, item.outer, item, kind);
    this.fillGap(row.inner, item.inner, item, kind);
    put(row.note, item.note ?? "");
    put(row.line, (item.line ?? "").replace(/^.*\//, ""));
    row.noteBox.className = `note ${kind}`;
    this.fillRuns(row, item.lanes);
  }

  fillGap(gap, told, item, kind) {
    flag(gap, "data-dir", told?.dir);
    flag(gap, "data-source", told?.source ?? item.e.source);
    gap.className = `gap ${kind}`;
    put(gap.label, told?.label ?? "");
  }

  fillRuns(row, lanes) {
    lanes.forEach((lane, index) => {
      const run = row.runs[index] ?? el("span");
      row.runs[index] = run;
      run.className = `run ${lane.edge ?? ""}${lane.isWaiting ? " waits" : ""}`;
      if (!run.parentNode) row.lanes.append(run);
    });
    while (row.runs.length > lanes.length) row.runs.pop().remove();
  }

  toEnd() {
    this.list.toEnd();
    this.drawNewest();
  }

  drawNewest() {
    this.newest.hidden = this.list.isAtEnd || this.rows.length === 0;
  }

  draw() {
    const { model, t } = this.app;
    if (this.shownChoice !== model.chosen || this.shownRows !== this.rows) {
      this.shownChoice = model.chosen;
      this.shownRows = this.rows;
      this.isAll = model.chosen === null;
      byId("stage").classList.toggle("all", this.isAll);
      this.drawTitle();
      this.list.reset();
    }
    this.empty.hidden = this.rows.length > 0;
    this.holder.hidden = this.names.hidden = this.rows.length === 0;
    this.list.draw();
    this.drawNewest();
    if (this.shownRow !== model.row || !this.detail.firstChild) this.drawDetail(model.row, t);
  }

  drawTitle() {
    const { model, t } = this.app;
    const conn = model.chosenConn;
    this.title.replaceChildren(conn ? t("stage_one", { id: conn.id }) : t("stage_all"));
    if (conn) this.title.append(" ", foreign(conn.peer ?? "", { class: "soft count" }));
  }

  drawDetail(row, t) {
    this.shownRow = row;
    if (!row) {
      this.detail.replaceChildren(el("p", { class: "soft" }, t("pick_row")));
      return;
    }
    const { e, what, place } = row;
    const first = el(
      "p",
      { class: "row" },
      el("span", { class: "what" }, foreign(row.conn === null ? what : `#${row.conn}  ${what}`)),
    );
    if (place) {
      first.append(
        el(
          "button",
          { class: "link", type: "button", onclick: () => this.app.showLine(e.script, place) },
          t("open_line", { place }),
        ),
      );
    }
    this.detail.replaceChildren(first, el("p", { class: "soft" }, t(`source_${e.source}`)));
  }

  // The line of an event, when there is one: chosen by its bytes.
  chooseEvent(n) {
    for (let i = this.rows.length - 1; i >= 0; i--) {
      if (this.rows.at(i).n !== n) continue;
      this.app.model.chooseRow(this.rows.at(i));
      this.list.reveal(i);
      return;
    }
  }
}
