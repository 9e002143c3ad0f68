// lessons.js — the lessons: their list, a text beside a script to finish, and what a check says —
// knows no lesson.

import { el } from "./dom.js";
import { Editor } from "./editor.js";
import { markdown } from "./markdown.js";

const keyOf = (name) => `lesson.${name}`;
const PATIENCE_MS = 60000; // a judge takes his time
const passedKey = (name) => `passed.${name}`;

export class Lessons {
  constructor(app, place) {
    this.app = app;
    this.wants = ["hello"];
    const { t } = app;
    this.list = el("div", { class: "lesson-list" });
    this.title = el("h2", { class: "grow" });
    this.prose = el("div", {
      class: "prose",
      tabindex: "0",
      role: "region",
      "aria-label": t("lessons"),
    });
    this.box = el("div");
    this.check = el(
      "button",
      { class: "first", type: "button", onclick: () => this.judge() },
      t("lesson_check"),
    );
    this.verdict = el("div", { class: "verdict", role: "status", hidden: true });
    this.lesson = el(
      "div",
      { class: "fill", hidden: true },
      el(
        "div",
        { class: "bar row" },
        el("button", { type: "button", onclick: () => this.close() }, `← ${t("lesson_back")}`),
        this.title,
      ),
      this.prose,
      this.verdict,
      el(
        "div",
        { class: "bar row" },
        el("h3", { class: "grow" }, t("lesson_editor")),
        el("button", { type: "button", onclick: () => this.begin() }, t("lesson_start")),
        this.check,
      ),
      this.box,
    );
    place.append(this.list, this.lesson);
    this.editor = new Editor(this.box, t("lesson_editor"), {
      change: () => this.keep(),
      run: () => this.judge(),
    });
  }

  async draw() {
    const { link, may, t } = this.app;
    if (this.isAsked) return;
    this.isAsked = true;
    const answer = may.lessons
      ? await link.ask({ t: "lessons", lang: this.app.words.lang })
      : { ok: false };
    if (answer.isLost) this.isAsked = false;
    if (!answer.ok || !answer.lessons?.length) {
      this.list.replaceChildren(el("p", { class: "empty" }, answer.error ?? t("no_lessons")));
      return;
    }
    this.all = answer.lessons;
    this.drawList();
  }

  drawList() {
    const { t } = this.app;
    const group = (kind, heading) => {
      const chosen = this.all.filter((each) => (each.kind ?? "lesson") === kind);
      return chosen.length === 0
        ? []
        : [el("h3", { class: "pad" }, t(heading)), ...chosen.map((each) => this.entry(each))];
    };
    this.list.replaceChildren(...group("lesson", "lessons"), ...group("task", "tasks"));
  }

  entry({ name, number, title }) {
    const isPassed = localStorage.getItem(passedKey(name)) !== null;
    return el(
      "button",
      { type: "button", onclick: () => this.open(name) },
      el("span", { class: "num" }, String(number ?? "")),
      el("span", { class: "grow" }, title),
      isPassed && el("span", { class: "good" }, "✓"),
    );
  }

  async open(name) {
    const { link, words, t } = this.app;
    const answer = await link.ask({ t: "lesson", name, lang: words.lang });
    if (!answer.ok) {
      this.list.prepend(el("p", { class: "empty bad" }, answer.error ?? t("no_answer")));
      return;
    }
    this.name = name;
    this.start = answer.start ?? "";
    this.title.textContent = answer.title ?? name;
    this.prose.replaceChildren(...markdown(answer.text ?? ""));
    this.prose.scrollTop = 0;
    this.list.hidden = true;
    this.lesson.hidden = false;
    this.verdict.hidden = true;
    await this.editor.ready;
    this.editor.text = localStorage.getItem(keyOf(name)) ?? this.start;
    this.prose.focus();
  }

  close() {
    this.lesson.hidden = true;
    this.list.hidden = false;
    this.drawList();
    this.list.querySelector("button")?.focus();
  }

  begin() {
    this.editor.text = this.start;
    localStorage.removeItem(keyOf(this.name));
    this.verdict.hidden = true;
  }

  keep() {
    localStorage.setItem(keyOf(this.name), this.editor.text);
  }

  async judge() {
    const { link, words, t } = this.app;
    const { name } = this;
    if (this.check.disabled || !name) return;
    this.check.disabled = true;
    this.say("", [t("lesson_checking")]);
    const { text } = this.editor;
    const answer = await link.ask({ t: "judge", name, lang: words.lang, text }, PATIENCE_MS);
    this.check.disabled = false;
    if (name !== this.name) return;
    if (answer.passed) localStorage.setItem(passedKey(name), "1");
    this.say(answer.passed ? "good" : "bad", this.verdictOf(answer));
  }

  verdictOf(answer) {
    const { t } = this.app;
    if (!answer.ok && answer.passed === undefined) return [answer.error ?? t("no_answer")];
    const items = (texts) => (texts.length > 0 ? el("ul", {}, ...texts) : null);
    this.editor.mark(Array.isArray(answer.errors) ? answer.errors : []);
    return [
      el("h3", {}, t(answer.passed ? "lesson_passed" : "lesson_failed")),
      items(
        (answer.hints ?? []).map((hint) =>
          el("li", {}, ...markdown(hint).flatMap((each) => [...each.childNodes])),
        ),
      ),
      items((answer.checks ?? []).map(({ ok, text }) => el("li", {}, `${ok ? "✓" : "✗"} ${text}`))),
      answer.output ? el("pre", { tabindex: "0" }, answer.output) : null,
    ].filter(Boolean);
  }

  say(kind, parts) {
    this.verdict.hidden = false;
    this.verdict.className = `verdict ${kind}`;
    this.verdict.replaceChildren(...parts);
  }
}
