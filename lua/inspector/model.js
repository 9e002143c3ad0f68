// model.js — what came from the server, kept within bounds: connections, rows, bytes, figures —
// knows no screen.

import { Stream } from "./bytes.js";
import { Ring } from "./dom.js";
import { stateOf, Tcp } from "./tcp.js";

const ROWS_MAX = 4000; // of all connections
const CONN_ROWS_MAX = 1500;
const CONNS_MAX = 200; // with rows and bytes; the oldest that is closed goes first
const FIGURES_MAX = 240; // two minutes
const LANES_MAX = 3;

export class Conn {
  constructor(id) {
    this.id = id;
    this.rows = new Ring(CONN_ROWS_MAX);
    this.input = new Stream();
    this.output = new Stream();
    this.tcp = new Tcp();
    this.figures = new Ring(FIGURES_MAX);
    this.lanes = []; // handlers under way: {name, isWaiting}
    this.state = "open";
    this.told = { in: 0, out: 0 }; // bytes, as the server counts them
    this.queue_bytes = 0;
    this.isClosed = false;
    this.closedFirst = null; // "peer" or "us"
  }

  // What was seen, or what the server counted: of the two, one may be late.
  get bytesIn() {
    return Math.max(this.told.in, this.input.size);
  }
  get bytesOut() {
    return Math.max(this.told.out, this.output.arrivedTo);
  }
}

// A recording is anybody's: what should be a figure and is none, or more than there can be, is 0.
const FIGURES = "waiting left bytes_in bytes_out age_ms count rtt_us".split(" ");
const ALWAYS = ["time_ns", "size", "taken"]; // of the events that are counted with
const TIME_MAX = 2 ** 63;
const SIZE_MAX = 2 ** 50; // so that sums are exact

const figure = (value, max) =>
  typeof value === "number" && value >= 0 && value <= max ? value : 0;

function mend(e) {
  for (const name of FIGURES) if (e[name] !== undefined) e[name] = figure(e[name], SIZE_MAX);
  for (const name of ALWAYS) e[name] = figure(e[name], name === "time_ns" ? TIME_MAX : SIZE_MAX);
}

const names = { accept: "peer", connect: "peer", open: "peer", proxy: "peer" };

export class Model {
  constructor(changed) {
    this.changed = changed;
    this.forget();
    this.scripts = [];
    this.status = null;
    this.dropped = 0;
  }

  // A new server has new connections, even where their numbers are the same.
  forget() {
    this.conns = new Map();
    this.rows = new Ring(ROWS_MAX);
    this.total = 0;
    this.chosen = null; // a connection's id; null: all of them
    this.row = null; // the chosen row
    this.backlog = new Ring(FIGURES_MAX);
  }

  conn(number) {
    const id = String(number);
    let conn = this.conns.get(id);
    if (!conn) {
      if (this.conns.size >= CONNS_MAX) this.drop();
      conn = new Conn(id);
      this.conns.set(id, conn);
    }
    return conn;
  }

  drop() {
    let oldest = null;
    for (const conn of this.conns.values()) {
      if (conn.id === this.chosen) continue;
      oldest ??= conn;
      if (conn.isClosed) {
        oldest = conn;
        break;
      }
    }
    this.conns.delete(oldest.id);
  }

  get chosenConn() {
    return this.chosen === null ? null : (this.conns.get(this.chosen) ?? null);
  }

  // Whose bytes and state are shown: the chosen one, or that of the chosen line, or the newest.
  get shownConn() {
    if (this.chosen !== null) return this.chosenConn;
    if (this.row && this.row.conn !== null) return this.conns.get(this.row.conn) ?? null;
    let newest = null;
    for (const conn of this.conns.values()) newest = conn;
    return newest;
  }

  choose(id) {
    this.chosen = id;
    this.row = null;
    this.changed("choice");
  }

  chooseRow(row) {
    this.row = row;
    this.changed("row");
  }

  takeEvents(list, dropped) {
    if (dropped) this.miss(dropped);
    for (const each of list) this.takeEvent(each);
    this.changed("events");
  }

  // Whose they were nobody knows, so what is drawn of anybody's bytes may lack some.
  miss(count) {
    this.dropped += count;
    for (const conn of this.conns.values()) if (!conn.isClosed) conn.hasGap = true;
  }

  takeEvent({ n, e, what, place, rows }) {
    mend(e);
    if (e.event === "dropped") this.miss(e.count ?? 0);
    if (e.event === "backlog") this.backlog.push({ time_ns: e.time_ns, backlog: e.waiting });
    const conn = e.conn === undefined ? null : this.conn(e.conn);
    if (conn) this.takeFacts(conn, e, n);
    const told = (rows ?? []).filter((row) => row.kind !== "head"); // the page has its own
    const drawn = told.length > 0 ? told : [{ note: what, place }];
    const base = { n, e, what, place, conn: conn?.id ?? null, time_ns: e.time_ns };
    const { base64, ...light } = e; // the bytes are in the streams
    base.e = light;
    const before = conn ? conn.lanes.map((lane) => ({ ...lane })) : [];
    if (conn) this.takeLane(conn, e);
    drawn.forEach((row, part) => {
      const lanes = this.lanesOf(before, conn, e.event);
      const passed = this.passed(e, part);
      const kept = {
        ...base,
        part,
        outer: row.outer,
        inner: row.inner,
        note: row.note,
        line: row.place,
        lanes,
        passed,
      };
      this.rows.push(kept);
      if (conn) conn.rows.push(kept);
    });
  }

  passed(e, part) {
    if (part > 0) return 0;
    const passed = this.before_ns === undefined ? null : e.time_ns - this.before_ns;
    this.before_ns = e.time_ns;
    return passed;
  }

  // --- Handlers: a lane from where one begins to where it ends --------------------------------

  takeLane(conn, e) {
    const at = conn.lanes.findIndex((lane) => lane.name === e.handler);
    if (e.event === "handler" && at < 0 && conn.lanes.length < LANES_MAX) {
      conn.lanes.push({ name: e.handler, isWaiting: false });
    } else if (e.event === "wait") {
      const lane = conn.lanes.findLast((each) => !each.isWaiting);
      if (lane) lane.isWaiting = true;
    } else if (e.event === "wake" && at >= 0) conn.lanes[at].isWaiting = false;
    else if (e.event === "handled" && at >= 0) conn.lanes.splice(at, 1);
    else if (e.event === "close") conn.lanes.length = 0;
  }

  // What a row shows of them: what was there before it and what is there after it.
  lanesOf(before, conn, event) {
    if (!conn) return before;
    const after = conn.lanes.map((lane) => ({ ...lane }));
    const ended = before.filter((lane) => !after.some((each) => each.name === lane.name));
    const begun = after.filter((lane) => !before.some((each) => each.name === lane.name));
    begun.forEach((lane) => {
      lane.edge = event === "handler" ? "begin" : null;
    });
    return [...after, ...ended.map((lane) => ({ ...lane, edge: "end" }))];
  }

  // --- Facts of a connection ------------------------------------------------------------------

  takeFacts(conn, e, n) {
    if (e.script) conn.script = e.script;
    if (names[e.event]) conn.peer = e[names[e.event]];
    conn.tcp.take(e);
    this[`on_${e.event}`]?.(conn, e, n);
  }

  on_accept(conn, e) {
    conn.opened_ns = e.time_ns;
    conn.direction = "in";
  }
  on_connect(conn, e) {
    conn.opened_ns = e.time_ns;
    conn.direction = "out";
  }

  on_open(conn, e) {
    const { bytes_in = 0, bytes_out = 0 } = e;
    conn.opened_ns = e.time_ns - (e.age_ms ?? 0) * 1e6;
    conn.input.size = conn.input.arrivedTo = conn.input.placedTo = bytes_in;
    conn.output.size = conn.output.arrivedTo = conn.output.placedTo = bytes_out;
  }

  on_arrive(conn, e, n) {
    conn.input.arrive(conn.input.size + (e.waiting ?? 0), n, { isSeen: true });
  }

  on_data(conn, e, n) {
    conn.input.arrive(conn.input.size + e.size, n, { isInferred: true });
    conn.input.chunk(e.size, n, e.base64);
  }

  on_message(conn, e, n) {
    conn.input.message(e.size, n, e.base64);
  }
  on_recv(conn, e, n) {
    conn.input.message(e.size, n, e.base64);
  }

  on_send(conn, e, n) {
    conn.output.chunk(e.size, n, e.base64);
    conn.queue_bytes = conn.output.size - conn.output.arrivedTo;
  }

  on_flush(conn, e, n) {
    conn.output.arrive(conn.output.arrivedTo + e.taken, n);
    conn.queue_bytes = e.left ?? 0;
  }

  on_eof(conn) {
    conn.closedFirst ??= "peer";
  }
  on_shutdown(conn) {
    conn.closedFirst ??= "us";
  }
  on_reset(conn, e) {
    conn.closedFirst ??= e.by === "us" ? "us" : "peer";
    conn.wasReset = true;
  }
  on_tcp(conn, e) {
    conn.rtt_us = e.rtt_us ?? conn.rtt_us;
  }
  on_pause(conn, e) {
    conn.held_by = e.by;
  }
  on_resume(conn) {
    conn.held_by = null;
  }
  on_fault(conn, e) {
    conn.fault = e.fault === "off" ? null : e.fault;
  }

  on_close(conn, e) {
    conn.isClosed = true;
    conn.state = "closed";
    conn.reason = e.reason;
    conn.closed_ns = e.time_ns;
    conn.queue_bytes = 0;
    conn.held_by = conn.fault = null;
  }

  // --- What is told twice a second -----------------------------------------------------------

  takeConns(list, total) {
    const here = new Set();
    for (const each of list) {
      here.add(String(each.id));
      const conn = this.conn(each.id);
      if (conn.isClosed) continue;
      for (const name of [
        "script",
        "peer",
        "via",
        "listener",
        "direction",
        "state",
        "tls",
        "held_by",
        "fault",
        "age_s",
        "queue_bytes",
      ])
        conn[name] = each[name];
      conn.told = { in: each.bytes_in ?? 0, out: each.bytes_out ?? 0 };
      conn.seen_ms = performance.now();
    }
    for (const conn of this.conns.values()) {
      // Its close was among what was dropped.
      if (!conn.isClosed && conn.seen_ms && !here.has(conn.id) && list.length === total) {
        conn.isClosed = true;
        conn.state = "closed";
      }
    }
    this.total = total ?? list.length;
    this.changed("conns");
  }

  takeGauges(list) {
    for (const each of list) {
      const conn = each.conn === undefined ? null : this.conns.get(String(each.conn));
      if (conn) {
        conn.figures.push(each);
        conn.rtt_us = each.rtt_us ?? conn.rtt_us;
        if (each.state) conn.tcp.go(stateOf(each.state), "kernel");
      }
    }
    this.changed("gauges");
  }
}
