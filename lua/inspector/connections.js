// connections.js — the list of connections, one of which is chosen — knows nothing of their bytes.

import { byId, el, flag, put, rem, VirtualList } from "./dom.js";

const ROW_REM = 4.25;

export const colourOf = (id) => `c${Number(String(id).replace(/^.*\./, "")) % 6}`;

export class Connections {
  constructor(app) {
    this.app = app;
    this.wants = ["events", "conns", "choice", "gauges"];
    const { t } = app;
    this.count = el("span", { class: "count" });
    this.every = el("button", { type: "button", onclick: () => app.model.choose(null) }, t("all"));
    const list = el("div", { id: "conn-list", "aria-label": t("connections") });
    this.empty = el("div", { class: "empty" });
    byId("connections").append(
      el(
        "div",
        { class: "head row" },
        el("h2", { class: "grow" }, `${t("connections")} `, this.count),
        this.every,
      ),
      list,
      this.empty,
    );
    flag(byId("connections"), "aria-label", t("connections"));
    this.list = new VirtualList(list, {
      source: () => this.shown,
      height: () => ROW_REM * rem(),
      make: () => this.make(),
      fill: (row, conn) => this.fill(row, conn),
      choose: (conn) => app.model.choose(conn.id),
      isChosen: (conn) => conn.id === app.model.chosen,
    });
    this.shown = [];
  }

  make() {
    const row = el("div", { class: "conn" });
    row.parts = ["chip", "peer", "state", "small two", "small", "small three"].map((name) =>
      el("span", { class: name }),
    );
    row.parts[1] = el("bdi", { class: "peer" });
    row.append(...row.parts);
    return row;
  }

  fill(row, conn) {
    const { t } = this.app;
    const [chip, peer, state, volume, age, story] = row.parts;
    row.className = conn.isClosed ? "conn over" : "conn";
    chip.className = `chip ${colourOf(conn.id)}`;
    put(chip, `#${conn.id}`);
    put(peer, conn.peer ?? "");
    const [word, kind] = this.stateOf(conn);
    put(state, t(word));
    state.className = `state ${kind}`;
    put(volume, this.volume(conn));
    put(age, this.age(conn));
    put(story, this.story(conn));
  }

  stateOf(conn) {
    if (conn.isClosed) return conn.wasReset ? ["state_reset", "reset"] : ["state_closed", "over"];
    if (conn.held_by === "console") return ["state_held", "held"];
    return String(conn.state).startsWith("open") ? ["state_open", ""] : ["state_closing", "held"];
  }

  volume(conn) {
    const { t, words } = this.app;
    const told = t("in_out", { in: words.size(conn.bytesIn), out: words.size(conn.bytesOut) });
    return conn.queue_bytes > 0
      ? `${told} · ${t("queued", { n: words.size(conn.queue_bytes) })}`
      : told;
  }

  story(conn) {
    const { t, words } = this.app;
    const told = [String(conn.script ?? "").replace(/^.*\//, "")];
    if (conn.closedFirst) told.push(t(conn.closedFirst === "us" ? "first_us" : "first_peer"));
    else if (conn.rtt_us) told.push(t("rtt", { time: words.time(conn.rtt_us * 1e3) }));
    return told.join(" · ");
  }

  age(conn) {
    const age = conn.isClosed ? conn.closed_ns - conn.opened_ns : conn.age_s * 1e9;
    return age >= 0 ? this.app.words.time(age) : "";
  }

  draw() {
    const { model, t, words } = this.app;
    const conns = [...model.conns.values()].reverse();
    this.shown = conns;
    this.every.hidden = conns.length === 0;
    flag(this.every, "aria-pressed", String(model.chosen === null));
    this.empty.hidden = conns.length > 0;
    if (conns.length === 0) this.drawEmpty();
    const open = conns.filter((conn) => !conn.isClosed).length;
    put(
      this.count,
      model.total > open
        ? t("more_conns", { shown: open, total: model.total })
        : words.numbers.format(open),
    );
    this.list.host.hidden = conns.length === 0;
    if (conns.length > 0) this.list.draw();
  }

  drawEmpty() {
    const { model, t } = this.app;
    const listener = model.scripts
      .flatMap((script) => script.listeners ?? [])
      .map((each) => String(each.address ?? each))
      .find((each) => !each.startsWith("udp"));
    const command = listener ? `moonport connect ${listener.replace("tcp://", "")}` : "";
    if (this.empty.dataset.command === command && this.empty.firstChild) return;
    this.empty.dataset.command = command;
    this.empty.replaceChildren(el("p", {}, t("no_connections")));
    if (command) this.empty.append(el("p", {}, t("try_it")), el("pre", { tabindex: "0" }, command));
  }
}
