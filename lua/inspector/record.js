// record.js — recordings: made of a running server, played event by event, replayed with other cuts
// — knows no event.

import { byId, el, put } from "./dom.js";

const PATIENCE_MS = 60000; // of a replay of a long recording
const PLAY_MS = 400; // from one event to the next

export class Record {
  constructor(app, place) {
    this.app = app;
    this.wants = ["hello"];
    const { t } = app;
    this.button = el(
      "button",
      { class: "first", type: "button", onclick: () => this.toggle() },
      t("record_on"),
    );
    this.download = el(
      "a",
      { href: "recording", download: "moonport.jsonl", hidden: true },
      t("record_download"),
    );
    this.told = el("p", { role: "status" });
    this.live = el(
      "div",
      { class: "pad" },
      el("p", { class: "soft" }, t("record_hint", { command: "moonport inspect FILE" })),
      el("p", { class: "row" }, this.button, this.download),
      this.told,
    );
    this.replayForm = this.makeReplay(t);
    place.append(this.live, this.replayForm);
  }

  makeReplay(t) {
    this.cut = el(
      "select",
      { "aria-label": t("cut") },
      ...["recorded", "every", "random"].map((name) =>
        el("option", { value: name }, t(`cut_${name}`)),
      ),
    );
    this.withEditor = el("input", { type: "checkbox" });
    this.result = el("p", { role: "status" });
    this.output = el("pre", { class: "output", tabindex: "0", hidden: true });
    return el(
      "form",
      { class: "pad", onsubmit: (event) => this.replay(event) },
      el("p", { class: "soft" }, t("replay_hint")),
      el("p", { class: "row" }, el("label", {}, `${t("cut")} `, this.cut)),
      el("p", {}, el("label", {}, this.withEditor, ` ${t("replay_file")}`)),
      el("button", { class: "first" }, t("replay")),
      this.result,
      this.output,
    );
  }

  draw() {
    const { may, mode, t } = this.app;
    this.live.hidden = mode === "recording";
    this.replayForm.hidden = mode !== "recording";
    this.button.disabled = !may.record;
    if (!may.record && mode !== "recording") put(this.told, t("record_not"));
  }

  async toggle() {
    const { link, t } = this.app;
    const on = !this.isOn;
    const answer = await link.ask({ t: "record", on });
    if (!answer.ok) {
      put(this.told, answer.error ?? t("no_answer"));
      return;
    }
    this.isOn = on;
    put(this.button, t(on ? "record_off" : "record_on"));
    put(this.told, t(on ? "record_is_on" : "record_saved", { path: answer.path ?? "" }));
    this.download.hidden = on;
  }

  async replay(event) {
    event.preventDefault();
    const { link, panels, t } = this.app;
    put(this.result, t("replaying"));
    const tried = this.withEditor.checked
      ? { script: panels.script.name, text: panels.script.editor.text }
      : {};
    const answer = await link.ask({ t: "replay", cut: this.cut.value, ...tried }, PATIENCE_MS);
    const ended =
      answer.same === undefined
        ? (answer.error ?? t("no_answer"))
        : t(answer.same ? "replay_same" : "replay_other");
    put(this.result, ended);
    this.result.className = answer.same ? "good" : "bad";
    this.output.hidden = !answer.output;
    put(this.output, answer.output ?? "");
  }
}

// Of a recording: which events are shown, one after the other, forth and back.
export class Player {
  constructor(app) {
    this.app = app;
    this.wants = ["events"];
    this.events = [];
    this.at = 0;
    const { t } = app;
    const button = (name, sign, act) =>
      el("button", { type: "button", "aria-label": t(name), title: t(name), onclick: act }, sign);
    this.range = el("input", {
      type: "range",
      min: 0,
      max: 0,
      step: 1,
      "aria-label": t("player"),
      oninput: () => this.seek(Number(this.range.value)),
    });
    this.position = el("span", { class: "soft" });
    this.playing = button("play", "▶", () => this.togglePlay());
    this.bar = el(
      "div",
      { class: "player row", role: "group", "aria-label": t("player") },
      button("to_start", "|◁", () => this.seek(0)),
      button("back", "◁", () => this.seek(this.at - 1)),
      this.playing,
      button("forward", "▷", () => this.seek(this.at + 1)),
      button("to_end", "▷|", () => this.seek(this.events.length)),
      this.range,
      this.position,
    );
    byId("stage").querySelector(".names").before(this.bar);
  }

  // While one follows its end, what still comes is shown.
  add(list) {
    const isAtEnd = this.at === this.events.length;
    for (const each of list) this.events.push(each);
    if (isAtEnd) this.seek(this.events.length);
    else this.draw();
  }

  seek(to) {
    const { model } = this.app;
    const at = Math.min(Math.max(to, 0), this.events.length);
    if (at < this.at) {
      const { chosen } = model;
      model.forget();
      model.before_ns = undefined;
      model.takeEvents(this.events.slice(0, at), 0);
      model.choose(chosen !== null && model.conns.has(chosen) ? chosen : null);
    } else model.takeEvents(this.events.slice(this.at, at), 0);
    this.at = at;
    if (model.rows.length > 0 && at < this.events.length) model.chooseRow(model.rows.last);
    this.draw();
  }

  togglePlay() {
    const { t } = this.app;
    if (this.timer) {
      clearInterval(this.timer);
      this.timer = null;
    } else {
      if (this.at === this.events.length) this.seek(0);
      this.timer = setInterval(() => {
        this.seek(this.at + 1);
        if (this.at === this.events.length) this.togglePlay();
      }, PLAY_MS);
    }
    put(this.playing, this.timer ? "❚❚" : "▶");
    this.playing.setAttribute("aria-label", t(this.timer ? "stop" : "play"));
  }

  draw() {
    this.range.max = this.events.length;
    this.range.value = this.at;
    put(this.position, this.app.t("position", { n: this.at, total: this.events.length }));
  }
}
