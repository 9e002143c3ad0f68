// link.js — the WebSocket to moonport inspect: asks, answers, and comes back after a loss — knows
// no panel. The protocol's words are told in docs/inspector.md.

const RETRY_MS_MIN = 300;
const RETRY_MS_MAX = 4000;
const ANSWER_MS = 20000;

export class Link {
  // on: {opened(), lost(why), message(object)}
  constructor(on, lang) {
    this.on = on;
    this.lang = lang;
    this.last = 0; // number of the newest event that came
    this.asked = new Map();
    this.nextId = 1;
    this.retry = RETRY_MS_MIN;
    this.open();
  }

  open() {
    const socket = new WebSocket(new URL("ws", location.href).href.replace(/^http/, "ws"));
    this.socket = socket;
    socket.onopen = () => {
      this.retry = RETRY_MS_MIN;
      this.send({ t: "resume", n: this.last, lang: this.lang });
      this.on.opened();
    };
    socket.onmessage = (event) => this.take(JSON.parse(event.data));
    socket.onclose = () => this.lose();
  }

  // A page that was refused will be refused again: its cookie is of another moonport inspect.
  async lose() {
    for (const done of this.asked.values()) done({ ok: false, error: null, isLost: true });
    this.asked.clear();
    const why = await fetch("icon.svg", { cache: "no-store" }).then(
      (answer) => (answer.status === 403 ? "refused" : "lost"),
      () => "lost",
    );
    this.on.lost(why);
    setTimeout(() => this.open(), this.retry);
    this.retry = Math.min(this.retry * 2, RETRY_MS_MAX);
  }

  take(message) {
    if (message.t === "answer") {
      const done = this.asked.get(message.id);
      this.asked.delete(message.id);
      if (done) done(message);
      return;
    }
    const list = message.t === "events" ? message.list : null;
    if (list?.length) this.last = list[list.length - 1].n;
    this.on.message(message);
  }

  send(object) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(object));
  }

  // Resolves to an answer, always: {ok, error, …}; isLost where there is none to be had.
  ask(object, patience_ms = ANSWER_MS) {
    if (this.socket.readyState !== WebSocket.OPEN) {
      return Promise.resolve({ ok: false, isLost: true });
    }
    const id = this.nextId++;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.asked.delete(id);
        resolve({ ok: false, isLost: true });
      }, patience_ms);
      this.asked.set(id, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      this.send({ ...object, id });
    });
  }

  command(...words) {
    return this.ask({ t: "ask", words: words.map(String) });
  }
}
