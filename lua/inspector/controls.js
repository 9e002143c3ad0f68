// controls.js — what one can do to the chosen connection: pause, step, send, worsen, end — knows
// nothing of how the server does it.

import { el, flag, put } from "./dom.js";

// The bytes of a text with its escapes, as hex; null: it is no hex.
export function hexOfInput(text, isHex) {
  if (isHex) {
    const digits = text.replace(/\s+/g, "");
    return /^([0-9a-f]{2})+$/i.test(digits) ? digits.toLowerCase() : null;
  }
  const escapes = { n: [10], r: [13], t: [9], "\\": [92], '"': [34] };
  const bytes = [];
  for (const [part, escape, code] of text.matchAll(/\\(?:([nrt"\\])|x([0-9a-f]{2}))|[^\\]+|\\/gi)) {
    if (escape) bytes.push(...escapes[escape.toLowerCase()]);
    else if (code) bytes.push(parseInt(code, 16));
    else bytes.push(...new TextEncoder().encode(part));
  }
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Controls {
  constructor(app) {
    this.app = app;
    this.wants = ["choice", "conns", "events", "hello"];
    const { t } = app;
    const button = (name, act, options = {}) =>
      el("button", { type: "button", onclick: act, ...options }, t(name));
    this.pause = button("pause", () => this.togglePause());
    this.step = button("step", () => this.do("step"));
    this.drawers = {
      send: this.sendForm(t),
      worsen: this.worsenForm(t),
      end: el(
        "div",
        { class: "row" },
        button("fin", () => this.do("shutdown")),
        button("kick", () => this.do("kick")),
        button("reset", () => this.do("reset")),
      ),
    };
    this.openers = {};
    for (const [name, drawer] of Object.entries(this.drawers)) {
      drawer.id = `drawer-${name}`;
      drawer.hidden = true;
      drawer.addEventListener("keydown", (event) => {
        if (event.key !== "Escape") return;
        this.toggle(name, false);
        this.openers[name].focus();
      });
      drawer.classList.add("drawer");
      this.openers[name] = button(name, () => this.toggle(name), {
        "aria-expanded": "false",
        "aria-controls": drawer.id,
      });
    }
    this.said = el("p", { class: "said soft grow", role: "status" }, t("pick_first"));
    app.controlsPlace.append(
      el(
        "div",
        { class: "row", role: "group", "aria-label": t("controls") },
        this.pause,
        this.step,
        ...Object.values(this.openers),
        this.said,
      ),
      ...Object.values(this.drawers),
    );
  }

  sendForm(t) {
    this.text = el("input", {
      type: "text",
      "aria-label": t("send_text"),
      placeholder: "hello\\n",
      autocomplete: "off",
      spellcheck: "false",
    });
    this.as = el(
      "select",
      { "aria-label": t("as") },
      el("option", { value: "text" }, t("as_text")),
      el("option", { value: "hex" }, t("as_hex")),
    );
    return el(
      "form",
      { class: "row", onsubmit: (event) => this.send(event) },
      this.as,
      this.text,
      el("button", { class: "first" }, t("send_now")),
      el("span", { class: "soft" }, t("escapes")),
    );
  }

  worsenForm(t) {
    this.split = el("input", { type: "number", min: 1, max: 65536, placeholder: "1" });
    this.delay = el("input", { type: "number", min: 0, max: 60000, placeholder: "100" });
    return el(
      "form",
      { class: "row", onsubmit: (event) => this.worsen(event) },
      el("label", {}, t("split"), this.split, t("split_unit")),
      el("label", {}, t("delay"), this.delay, t("delay_unit")),
      el("button", { class: "first" }, t("worsen_now")),
      el(
        "button",
        { type: "button", onclick: () => this.do("fault", ["off"], "fault_off") },
        t("worsen_off"),
      ),
    );
  }

  toggle(name, isOpen = this.drawers[name].hidden) {
    for (const [each, drawer] of Object.entries(this.drawers)) {
      drawer.hidden = each !== name || !isOpen;
      flag(this.openers[each], "aria-expanded", String(!drawer.hidden));
    }
    if (isOpen) this.drawers[name].querySelector("input, button")?.focus();
  }

  get isPossible() {
    const conn = this.app.model.chosenConn;
    return Boolean(this.app.may.ask && conn && !conn.isClosed);
  }

  togglePause() {
    const conn = this.app.model.chosenConn;
    return this.do(conn?.held_by === "console" ? "resume" : "pause");
  }

  async do(command, more = [], told = command, values = {}, bytes = undefined) {
    if (!this.isPossible) return;
    const { link, model, t } = this.app;
    const { id } = model.chosenConn;
    const answer = await link.ask({ t: "ask", words: [command, id, ...more], hex: bytes });
    if (answer.ok && command === "pause") model.conns.get(id).held_by = "console";
    if (answer.ok && command === "resume") model.conns.get(id).held_by = null;
    this.say(
      answer.ok ? t(`said_${told}`, { id, ...values }) : (answer.error ?? t("no_answer")),
      !answer.ok,
    );
    model.changed("conns");
  }

  say(text, isBad) {
    put(this.said, text);
    this.said.className = `said grow ${isBad ? "bad" : "soft"}`;
  }

  send(event) {
    event.preventDefault();
    const hex = hexOfInput(this.text.value, this.as.value === "hex");
    if (hex === null) this.say(this.app.t("bad_hex"), true);
    else if (hex !== "") this.do("send", [], "send", { n: hex.length / 2 }, hex);
  }

  worsen(event) {
    event.preventDefault();
    const words = [];
    if (this.split.value) words.push(`split=${this.split.value}`);
    if (this.delay.value) words.push(`delay=${this.delay.value}ms`);
    if (words.length === 0) this.say(this.app.t("worsen_none"), true);
    else this.do("fault", words, "fault", { fault: words.join(" ") });
  }

  draw() {
    const { model, t } = this.app;
    const { isPossible } = this;
    this.app.controlsPlace.hidden = !this.app.may.ask;
    for (const each of [this.pause, this.step, ...Object.values(this.openers)])
      each.disabled = !isPossible;
    for (const drawer of Object.values(this.drawers)) {
      for (const each of drawer.querySelectorAll("button, input, select"))
        each.disabled = !isPossible;
    }
    put(this.pause, t(model.chosenConn?.held_by === "console" ? "resume" : "pause"));
    if (this.shownChoice !== model.chosen) {
      this.shownChoice = model.chosen;
      this.say(model.chosen === null ? t("pick_first") : "", false);
    }
  }
}
