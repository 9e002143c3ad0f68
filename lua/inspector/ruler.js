// ruler.js — the same bytes in three rows, as they arrived, as the script got them, as messages,
// and a dump in the same colours — knows no sockets.

import { el, flag, put, rem, soon, VirtualList } from "./dom.js";
import { asciiOf, hexOf, letterOf } from "./bytes.js";

const CELLS_REM = [0.1875, 0.5, 1.125]; // widths of a byte
const LETTERS_FROM_REM = 1;
const DUMP_ROW_REM = 1.375;
const TICK_REM = 5;
const LANES = { input: ["arrived", "chunks", "messages"], output: ["chunks", "arrived"] };
const LANE_TOP_REM = [1.125, 3.875, 6.625];

// Those of a ring that lie in [from, to).
function* within(cuts, from, to) {
  let low = 0;
  let high = cuts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (cuts.at(middle).to < from) low = middle + 1;
    else high = middle;
  }
  for (let i = low; i < cuts.length && cuts.at(i).from < to; i++) yield cuts.at(i);
}

export class Bytes {
  constructor(app, place) {
    this.app = app;
    this.wants = ["events", "choice", "row"];
    this.side = "input";
    this.zoom = 2;
    const { t } = app;
    this.empty = el("div", { class: "empty" });
    this.choice = el(
      "div",
      { class: "row", role: "group", "aria-label": t("direction") },
      ...["input", "output"].map((side) =>
        el(
          "button",
          { type: "button", "data-side": side, onclick: () => this.turn(side) },
          t(side === "input" ? "incoming" : "outgoing"),
        ),
      ),
    );
    const zoom = (by, sign, name) =>
      el(
        "button",
        { type: "button", "aria-label": t(name), title: t(name), onclick: () => this.scale(by) },
        sign,
      );
    this.tape = el("div", { class: "tape" });
    this.strip = el(
      "div",
      { class: "strip", tabindex: "0", role: "region", "aria-label": t("ruler") },
      this.tape,
    );
    this.note = el("p", { class: "labels" });
    this.body = el("div", { class: "ruler" }, this.strip, this.note);
    const dump = el("div", { class: "dump", id: "dump", "aria-label": t("dump") });
    place.append(
      el(
        "div",
        { class: "bar row" },
        this.choice,
        el("span", { class: "grow" }),
        zoom(-1, "−", "smaller"),
        zoom(1, "+", "larger"),
      ),
      this.empty,
      this.body,
      dump,
    );
    this.left = this.width = this.dumpWidth = 0; // as the browser told us
    this.strip.addEventListener(
      "scroll",
      () => {
        this.left = this.strip.scrollLeft;
        soon((this.drawing ??= () => this.drawTape()));
      },
      { passive: true },
    );
    const sizes = new ResizeObserver(() => {
      this.width = this.strip.clientWidth;
      this.dumpWidth = dump.clientWidth;
      soon((this.drawing ??= () => this.drawTape()));
    });
    sizes.observe(this.strip);
    sizes.observe(dump);
    this.dump = new VirtualList(dump, {
      follows: true,
      source: () => this.dumpRows(),
      height: () => DUMP_ROW_REM * rem(),
      make: () => this.makeRow(),
      fill: (row, offset) => this.fillRow(row, offset),
      choose: (offset) => this.chooseAt(offset),
      isChosen: (offset) => offset === this.rowChosen,
    });
  }

  get stream() {
    return this.app.model.shownConn?.[this.side] ?? null;
  }

  get cell() {
    return CELLS_REM[this.zoom] * rem();
  }

  turn(side) {
    this.side = side;
    this.isFollowing = true;
    this.dump.reset();
    this.draw();
  }

  scale(by) {
    this.zoom = Math.min(Math.max(this.zoom + by, 0), CELLS_REM.length - 1);
    this.drawTape();
  }

  draw() {
    const { model, t } = this.app;
    for (const button of this.choice.children)
      flag(button, "aria-pressed", String(button.dataset.side === this.side));
    const { stream } = this;
    const isEmpty = !stream || (stream.size === 0 && stream.arrivedTo === 0);
    this.empty.hidden = !isEmpty;
    this.body.hidden = this.dump.host.hidden = isEmpty;
    if (isEmpty) {
      put(this.empty, t(!stream ? "no_bytes" : this.side === "input" ? "none_in" : "none_out"));
      return;
    }
    if (this.shown !== stream) {
      this.shown = stream;
      this.isFollowing = true;
      this.dump.reset();
    }
    if (model.row !== this.shownRow) this.showRow(model.row);
    this.drawTape();
    this.dump.draw();
    put(
      this.note,
      model.shownConn.hasGap ? t("has_gap") : this.hasHidden(stream) ? t("partly") : "",
    );
  }

  hasHidden(stream) {
    const last = stream.chunks.last;
    return Boolean(last && last.bytes.length < last.to - last.from);
  }

  // The bytes of a chosen line come into view, in the direction that they went.
  showRow(row) {
    this.shownRow = row;
    if (!row) return;
    for (const side of ["input", "output"]) {
      const cut = this.cutOf(row.n, this.app.model.shownConn?.[side], side);
      if (!cut) continue;
      if (this.side !== side) this.turn(side);
      this.isFollowing = false;
      this.drawTape();
      this.moveTo((cut.from - this.first - 2) * this.cell);
      const rows = this.dumpRows();
      this.dump.reveal(
        Math.min(Math.max(Math.floor((cut.from - rows.from) / this.perRow), 0), rows.length - 1),
      );
      return;
    }
  }

  cutOf(n, stream, side) {
    if (!stream) return null;
    for (const kind of LANES[side]) {
      for (const cut of kind === "messages" ? stream.messageCuts : stream[kind])
        if (cut.n === n) return cut;
    }
    return null;
  }

  // --- The tape -------------------------------------------------------------------------------

  get first() {
    const { stream } = this;
    return Math.min(stream.chunks.at(0)?.from ?? 0, stream.arrived.at(0)?.from ?? Infinity);
  }

  drawTape() {
    const { stream, cell } = this;
    if (!stream || this.body.hidden) return;
    const { first } = this;
    const end = Math.max(stream.size, stream.arrivedTo);
    const isAtEnd = this.isFollowing || this.left + this.width >= this.tapeWidth - 2;
    const width = (end - first) * cell + rem() * 1.5;
    if (width !== this.tapeWidth) {
      this.tapeWidth = width;
      this.tape.style.width = `${width}px`;
      this.tape.style.setProperty("--cell", `${cell}px`);
    }
    if (isAtEnd) this.moveTo(width - this.width);
    this.isFollowing = false;
    const from = first + Math.max(Math.floor(this.left / cell) - 4, 0);
    const to = Math.min(from + Math.ceil(this.width / cell) + 8, end);
    const drawn = [];
    if (this.side === "output") drawn.push(this.caption(this.app.t("lane_out_hint"), 2));
    LANES[this.side].forEach((kind, index) =>
      drawn.push(...this.lane(stream, kind, index, from, to, first)),
    );
    this.tape.replaceChildren(...this.ticks(from, to, first), ...drawn);
  }

  moveTo(left) {
    const whole = Math.max(Math.round(left), 0);
    if (Math.abs(whole - this.left) < 1) return;
    this.strip.scrollLeft = whole;
    this.left = whole;
  }

  ticks(from, to, first) {
    const step =
      [8, 16, 32, 64, 128, 256, 512].find((each) => each * this.cell >= TICK_REM * rem()) ?? 1024;
    const made = [];
    for (let at = Math.ceil(from / step) * step; at < to; at += step) {
      const tick = el("span", { class: "tick" }, String(at));
      tick.style.left = `${this.leftOf(at, first)}px`;
      made.push(tick);
    }
    return made;
  }

  leftOf(offset, first) {
    return (offset - first) * this.cell + 0.75 * rem();
  }

  lane(stream, kind, index, from, to, first) {
    const { t } = this.app;
    const cuts = kind === "messages" ? stream.messageCuts : stream[kind];
    const name =
      kind === "messages" && cuts.length === 0
        ? "no_messages"
        : `lane_${this.side === "input" ? "in" : "out"}_${kind}`;
    const box = el("div", { class: "lane" });
    box.style.top = `${LANE_TOP_REM[index] + 1.125}rem`;
    for (const cut of within(cuts, from, to))
      box.append(this.cut(cut, kind, stream, from, to, first));
    return [this.caption(t(name), index), box];
  }

  caption(text, index) {
    const head = el("div", { class: "lane" }, el("span", { class: "cap" }, text));
    head.style.top = `${LANE_TOP_REM[index]}rem`;
    return head;
  }

  cut(cut, kind, stream, from, to, first) {
    const { t, words, model } = this.app;
    const label = t(`cut_${kind}`, { k: cut.number + 1, bytes: words.bytes(cut.to - cut.from) });
    const look = kind === "arrived" ? "plain" : `c${cut.colour}`;
    const button = el("button", {
      type: "button",
      tabindex: "-1",
      title: label,
      class: `cut ${look}${
        cut.isInferred ? " inferred" : ""
      }${model.row?.n === cut.n ? " chosen" : ""}`,
      onclick: () => this.app.chooseEvent(cut.n),
    });
    const left = Math.max(cut.from, from);
    const right = Math.min(cut.to, to);
    button.style.left = `${this.leftOf(left, first)}px`;
    button.style.width = `${Math.max((right - left) * this.cell - 1, 3)}px`;
    if (CELLS_REM[this.zoom] >= LETTERS_FROM_REM && kind !== "arrived") {
      for (let at = left; at < right; at++)
        button.append(el("span", {}, letterOf(stream.byteAt(at))));
    }
    return button;
  }

  // --- The dump -------------------------------------------------------------------------------

  get perRow() {
    const width = this.dumpWidth / rem();
    return width >= 36 ? 16 : width >= 22 ? 8 : 4;
  }

  dumpRows() {
    const { stream, perRow } = this;
    if (!stream || stream.chunks.length === 0) return { length: 0, at: () => 0, lost: 0, from: 0 };
    const from = Math.floor(stream.oldest / perRow) * perRow;
    return {
      length: Math.ceil((stream.size - from) / perRow),
      at: (index) => from + index * perRow,
      lost: from / perRow,
      from,
    };
  }

  makeRow() {
    const row = el("div", { class: "hexrow" });
    row.offset = el("span", { class: "offset" });
    row.cells = el("span", { class: "cells" });
    row.letters = el("span", { class: "letters" });
    row.append(row.offset, row.cells, row.letters);
    return row;
  }

  fillRow(row, offset) {
    const { stream, perRow } = this;
    put(row.offset, offset.toString(16).padStart(6, "0"));
    const cells = [];
    const letters = [];
    for (let at = offset; at < Math.min(offset + perRow, stream.size); at++) {
      const chunk = stream.chunkAt(at);
      const byte = chunk?.bytes[at - chunk.from];
      const look = `${chunk ? `c${chunk.colour}` : ""}${chunk?.from === at ? " from" : ""}${
        chunk && chunk.n === this.app.model.row?.n ? " chosen" : ""
      }`;
      cells.push(el("span", { class: `pair ${look}` }, hexOf(byte)));
      letters.push(
        el("span", { class: `letter ${look}` }, byte === undefined ? "·" : asciiOf(byte)),
      );
    }
    row.cells.replaceChildren(...cells);
    row.cells.style.minWidth = `${perRow * 2 + perRow * 0.875}ch`;
    row.letters.replaceChildren(...letters);
  }

  chooseAt(offset) {
    this.rowChosen = offset;
    const chunk = this.stream.chunkAt(offset) ?? this.stream.chunkAt(offset + this.perRow - 1);
    if (chunk) this.app.chooseEvent(chunk.n);
  }
}
