// script.js — a script of the server: changed, tried in memory, taken back, written when told —
// knows no connections.

import { el, flag, put } from "./dom.js";
import { Editor, faultList } from "./editor.js";

// An empty list of Lua's may look like an object.
const errorsOf = (answer) => (Array.isArray(answer.errors) ? answer.errors : []);

const CHECK_MS = 300;

export class Script {
  constructor(app, place) {
    this.app = app;
    this.wants = ["status", "hello", "edited"];
    this.tab = "script";
    const { t } = app;
    const button = (name, act, options = {}) =>
      el("button", { type: "button", onclick: act, ...options }, t(name));
    this.which = el("select", {
      "aria-label": t("which_script"),
      onchange: () => this.load(this.which.value),
    });
    this.apply = button("apply", () => this.doApply(), { class: "first", title: t("apply_hint") });
    this.rollback = button("rollback", () => this.doRollback());
    this.write = button("write", () => this.doWrite());
    this.again = button("reload_text", () => this.load(this.name));
    this.told = el("p", { class: "soft", role: "status" });
    this.faults = el("ul", { class: "faults", "aria-live": "polite" });
    this.box = el("div");
    this.empty = el("div", { class: "empty" }, t("no_scripts"));
    this.body = el(
      "div",
      { class: "fill" },
      el(
        "div",
        { class: "bar row" },
        this.which,
        this.apply,
        this.rollback,
        this.write,
        this.again,
        this.told,
      ),
      this.box,
      this.faults,
    );
    place.append(this.empty, this.body);
    this.editor = new Editor(this.box, t("editor"), {
      change: () => this.changed(),
      run: () => this.doApply(),
    });
    this.name = null;
  }

  draw() {
    const { model, may, t } = this.app;
    const names = model.scripts.map((each) => each.script);
    this.empty.hidden = names.length > 0;
    this.body.hidden = names.length === 0;
    if (names.join("\n") !== this.shownNames) {
      this.shownNames = names.join("\n");
      this.which.replaceChildren(...names.map((name) => el("option", { value: name }, name)));
      this.which.value = this.name ?? names[0];
    }
    if (names.length > 0 && (this.name === null || !names.includes(this.name))) this.load(names[0]);
    for (const each of [this.apply, this.rollback]) each.hidden = !may.edit;
    this.write.hidden = !(may.write ?? may.edit);
    const isWritable = may.edit || may.replay; // a recording is replayed against what is written here
    this.editor.readOnly = !isWritable;
    if (!isWritable) this.tell(t("read_only"));
    flag(this.rollback, "disabled", this.inMemory ? null : "disabled");
  }

  tell(text, kind = "soft") {
    put(this.told, text);
    this.told.className = kind;
  }

  // Without a name: the script that is shown, or the first.
  async load(name) {
    this.name = name;
    this.which.value = name;
    const { link, model, t } = this.app;
    const answer = await link.ask({ t: "source", script: name });
    if (name !== this.name) return;
    if (!answer.ok) {
      if (answer.isLost) this.name = null;
      this.tell(t("no_text", { error: answer.error ?? t("no_answer") }), "bad");
      return;
    }
    this.editor.text = answer.text;
    this.isUnsaved = false;
    this.inMemory = answer.in_memory;
    this.digest = answer.digest; // of the file as it is shown
    this.showErrors([]);
    const version = model.scripts.find((each) => each.script === name)?.version ?? 1;
    this.tell(
      t(answer.in_memory ? "in_force_memory" : "in_force_file", {
        version: answer.version ?? version,
      }),
    );
    this.draw();
    if (this.wanted) this.showLine(this.wanted);
  }

  // line: to be shown as soon as its text is there
  async open(name, line) {
    await this.editor.ready;
    this.wanted = line;
    const known = this.app.model.scripts.map((each) => each.script);
    const full =
      known.find((each) => each === name) ??
      known.find((each) => each.endsWith(`/${name}`)) ??
      this.name;
    if (full !== null && full !== this.name) await this.load(full);
    else this.showLine(line);
  }

  showLine(line) {
    this.wanted = null;
    this.editor.show(line);
  }

  changed() {
    this.isUnsaved = true;
    this.isForced = false;
    this.tell(this.app.t("unsaved"));
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.check(), CHECK_MS);
  }

  async check() {
    const { text } = this.editor;
    const answer = await this.app.link.ask({ t: "check", script: this.name, text });
    if (text === this.editor.text && !answer.isLost) this.showErrors(errorsOf(answer));
  }

  showErrors(errors) {
    this.editor.mark(errors);
    this.faults.replaceChildren(...faultList(errors, this.app.words));
  }

  failed(answer) {
    const error = answer.error ?? this.app.t("no_answer");
    this.showErrors(
      errorsOf(answer).length > 0 ? errorsOf(answer) : [{ line: null, message: error }],
    );
    this.tell(answer.isLost ? error : "", "bad");
  }

  async doApply() {
    if (!this.app.may.edit || this.name === null) return;
    clearTimeout(this.timer);
    const answer = await this.app.link.ask({
      t: "apply",
      script: this.name,
      text: this.editor.text,
    });
    if (!answer.ok) {
      this.failed(answer);
      return;
    }
    this.showErrors([]);
    this.isUnsaved = false;
    this.inMemory = true;
    this.tell(
      this.app.t("applied", { version: answer.version ?? answer.lines?.[0]?.version }),
      "good",
    );
    this.draw();
  }

  async doRollback() {
    const answer = await this.app.link.ask({ t: "rollback", script: this.name });
    if (!answer.ok) {
      this.failed(answer);
      return;
    }
    await this.load(this.name);
    this.tell(this.app.t("rolled_back"), "good");
  }

  // A file that somebody changed meanwhile is overwritten only at the second try.
  async doWrite() {
    const { link, t } = this.app;
    const answer = await link.ask({
      t: "write",
      script: this.name,
      text: this.editor.text,
      digest: this.digest,
      force: this.isForced || undefined,
    });
    this.isForced = Boolean(answer.changed);
    if (answer.changed) this.tell(t("write_changed"), "bad");
    else if (!answer.ok) this.failed(answer);
    else {
      this.inMemory = false;
      this.digest = answer.digest;
      this.isUnsaved = false;
      this.showErrors([]);
      this.tell(t("written", { path: answer.path ?? this.name }), "good");
      this.draw();
    }
  }

  edited({ script, by, in_memory }) {
    if (script !== this.name) return;
    this.inMemory = in_memory;
    if (by !== "you" && this.isUnsaved) this.tell(this.app.t("edited_other"), "bad");
    else if (by !== "you") this.load(script);
    this.draw();
  }
}
