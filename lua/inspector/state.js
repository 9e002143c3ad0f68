// state.js — TCP's states as a map with the live one lit, and figures over time — knows no bytes.

import { el, put, svg } from "./dom.js";

const WIDTH = 104;
const HEIGHT = 26;
// Centres. CLOSED stands twice: where it begins and where it ends.
const PLACES = {
  CLOSED: [200, 18],
  LISTEN: [90, 74],
  "SYN-SENT": [310, 74],
  "SYN-RECEIVED": [90, 134],
  ESTABLISHED: [200, 194],
  "FIN-WAIT-1": [66, 254],
  CLOSING: [200, 334],
  "CLOSE-WAIT": [334, 254],
  "FIN-WAIT-2": [66, 334],
  "TIME-WAIT": [66, 394],
  "LAST-ACK": [334, 334],
  END: [334, 394],
};
const MOVES = [
  ["CLOSED", "LISTEN", "listen"],
  ["CLOSED", "SYN-SENT", "connect"],
  ["LISTEN", "SYN-RECEIVED", "syn"],
  ["SYN-RECEIVED", "ESTABLISHED", "ack"],
  ["SYN-SENT", "ESTABLISHED", "synack"],
  ["ESTABLISHED", "FIN-WAIT-1", "close"],
  ["ESTABLISHED", "CLOSE-WAIT", "fin"],
  ["FIN-WAIT-1", "CLOSING", "fin"],
  ["FIN-WAIT-1", "FIN-WAIT-2", "ack"],
  ["FIN-WAIT-2", "TIME-WAIT", "fin"],
  ["CLOSING", "TIME-WAIT", "ack"],
  ["CLOSE-WAIT", "LAST-ACK", "close"],
  ["LAST-ACK", "END", "ack"],
  ["TIME-WAIT", "END", "timeout"],
];
const WINDOW_NS = 120e9;

// Where the border of a box is, on the way from its centre to another point.
function borderOf([x, y], [toX, toY]) {
  const dx = toX - x;
  const dy = toY - y;
  const scale = Math.min(
    dx ? (WIDTH / 2 + 2) / Math.abs(dx) : 9,
    dy ? (HEIGHT / 2 + 2) / Math.abs(dy) : 9,
  );
  return [x + dx * scale, y + dy * scale];
}

class TcpMap {
  constructor(t) {
    const marker = svg(
      "marker",
      {
        id: "tip",
        viewBox: "0 0 8 8",
        refX: 7,
        refY: 4,
        markerWidth: 7,
        markerHeight: 7,
        orient: "auto",
      },
      svg("path", { d: "M0 0 L8 4 L0 8z" }),
    );
    this.moves = MOVES.map(([from, to, label]) => this.move(from, to, t(`move_${label}`)));
    this.boxes = Object.fromEntries(Object.keys(PLACES).map((name) => [name, this.box(name)]));
    this.element = svg(
      "svg",
      { class: "tcp", viewBox: "0 0 400 416", role: "img" },
      svg("defs", {}, marker),
      ...this.moves.map((each) => each.element),
      ...Object.values(this.boxes),
    );
  }

  box(name) {
    const [x, y] = PLACES[name];
    const text = svg("text", { x, y: y + 4 });
    text.textContent = name === "END" ? "CLOSED" : name;
    return svg(
      "g",
      {},
      svg("rect", { x: x - WIDTH / 2, y: y - HEIGHT / 2, width: WIDTH, height: HEIGHT, rx: 5 }),
      text,
    );
  }

  move(from, to, label) {
    const [x1, y1] = borderOf(PLACES[from], PLACES[to]);
    const [x2, y2] = borderOf(PLACES[to], PLACES[from]);
    const isSteep = Math.abs(x2 - x1) < 20;
    const isLeft = x1 < 200;
    const text = svg("text", {
      x: (x1 + x2) / 2 + (isSteep ? (isLeft ? -6 : 6) : 0),
      y: (y1 + y2) / 2 + (isSteep || y1 !== y2 ? 4 : -6),
    });
    if (isSteep) text.style.textAnchor = isLeft ? "end" : "start";
    text.textContent = label;
    return {
      from,
      to,
      element: svg(
        "g",
        { class: "move" },
        svg("path", { d: `M${x1} ${y1} L${x2} ${y2}`, "marker-end": "url(#tip)" }),
        text,
      ),
    };
  }

  // path: the states it went through, the last one being where it is
  show(path, told) {
    const names = path.map((name, index) => (name === "CLOSED" && index > 0 ? "END" : name));
    const live = names[names.length - 1];
    for (const [name, box] of Object.entries(this.boxes)) {
      box.setAttribute("class", name === live ? "live" : names.includes(name) ? "been" : "");
    }
    for (const { from, to, element } of this.moves) {
      const isTaken = names.some((name, index) => name === from && names[index + 1] === to);
      element.setAttribute("class", isTaken ? "move taken" : "move");
    }
    this.element.setAttribute("aria-label", told);
  }
}

class Gauge {
  constructor(name, label) {
    this.name = name;
    this.value = el("span", { class: "value" });
    this.line = svg("path");
    this.under = svg("path", { class: "under" });
    this.element = el(
      "div",
      { class: "gauge" },
      this.value,
      el("span", { class: "name" }, label),
      svg(
        "svg",
        { viewBox: "0 0 100 30", preserveAspectRatio: "none", "aria-hidden": "true" },
        this.under,
        this.line,
      ),
    );
  }

  show(figures, words) {
    const points = [...figures].filter((each) => each[this.name] !== undefined);
    const last = points[points.length - 1];
    const bytes = (n) => (this.name === "backlog" ? words.numbers.format(n) : words.size(n));
    put(this.value, last ? bytes(last[this.name]) : words.t("not_known"));
    const most = Math.max(1, ...points.map((each) => each[this.name]));
    const place = (each) =>
      `${(100 - ((last.time_ns - each.time_ns) / WINDOW_NS) * 100).toFixed(2)} ${(
        29 -
        (each[this.name] / most) * 28
      ).toFixed(2)}`;
    const kept = last ? points.filter((each) => last.time_ns - each.time_ns <= WINDOW_NS) : [];
    const path = kept.map(place).join("L");
    this.line.setAttribute("d", kept.length > 1 ? `M${path}` : "");
    this.under.setAttribute(
      "d",
      kept.length > 1 ? `M${path}L100 30L${place(kept[0]).split(" ")[0]} 30Z` : "",
    );
  }
}

export class States {
  constructor(app, place) {
    this.app = app;
    this.wants = ["events", "choice", "gauges"];
    const { t } = app;
    this.map = new TcpMap(t);
    this.told = el("h3");
    this.meaning = el("p");
    this.source = el("p", { class: "soft" });
    this.gauges = [
      "queue_bytes:queue",
      "unread:unread",
      "in_flight:in_flight",
      "peer_window:window",
      "backlog:backlog",
    ].map((each) => {
      const [name, label] = each.split(":");
      return new Gauge(name, t(`gauge_${label}`));
    });
    place.append(
      el(
        "div",
        { class: "pad" },
        el("div", {}, this.told, this.meaning, this.source),
        this.map.element,
        el("h3", {}, t("gauges")),
        el("div", { class: "gauges" }, ...this.gauges.map((each) => each.element)),
      ),
    );
  }

  draw() {
    const { model, t, words } = this.app;
    const conn = model.shownConn;
    const state = conn?.tcp.state;
    put(this.told, state ? t("state_of", { id: conn.id, state }) : t("state_heading"));
    put(this.meaning, state ? t(`tcp_${state}`) : t("state_unknown"));
    put(
      this.source,
      state
        ? t(conn.tcp.source === "kernel" ? "state_source_kernel" : "state_source_inferred")
        : "",
    );
    this.map.show(
      state ? conn.tcp.path : [],
      `${this.told.textContent}. ${this.meaning.textContent}`,
    );
    for (const gauge of this.gauges) {
      gauge.show(gauge.name === "backlog" ? model.backlog : (conn?.figures ?? []), words);
    }
  }
}
