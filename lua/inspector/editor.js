// editor.js — a text one can change: CodeMirror where the program was built with it, else a plain
// text area that can do all the same — knows no server.

import { el } from "./dom.js";

let loading = null;

function load(name, make) {
  return new Promise((resolve, reject) => {
    const made = make(new URL(`vendor/${name}`, location.href).href);
    made.onload = resolve;
    made.onerror = reject;
    document.head.append(made);
  });
}

const style = (href) => el("link", { rel: "stylesheet", href });
const script = (src) => el("script", { src });

// Resolves to CodeMirror, or to nothing where this program has none.
function codeMirror() {
  loading ??= Promise.all([load("codemirror.css", style), load("codemirror.js", script)])
    .then(() => load("lua.js", script))
    .then(
      () => window.CodeMirror,
      () => null,
    );
  return loading;
}

export class Editor {
  // on: {change(), run()}
  constructor(place, label, on) {
    this.place = place;
    this.label = label;
    this.on = on;
    this.area = el("textarea", {
      "aria-label": label,
      spellcheck: "false",
      autocapitalize: "off",
      autocomplete: "off",
      oninput: () => on.change(),
      onkeydown: (event) => this.onKey(event),
    });
    place.classList.add("editor");
    place.append(this.area);
    this.ready = codeMirror().then((library) => {
      if (library) this.upgrade(library);
    });
  }

  // Tab stays the key that leaves: a keyboard must not be caught here.
  onKey(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.on.run();
    } else if (event.key === "Escape") this.area.blur();
  }

  upgrade(library) {
    const { value } = this.area;
    const { readOnly } = this.area;
    this.area.remove();
    this.area = null;
    this.mirror = library(this.place, {
      value,
      readOnly,
      mode: "lua",
      lineNumbers: true,
      tabSize: 2,
      indentUnit: 2,
      viewportMargin: 20,
      inputStyle: "textarea",
      gutters: ["CodeMirror-linenumbers", "marks"],
      extraKeys: {
        Tab: false,
        "Shift-Tab": false,
        Esc: (mirror) => mirror.getInputField().blur(),
        "Ctrl-Enter": () => this.on.run(),
        "Cmd-Enter": () => this.on.run(),
      },
    });
    const field = this.mirror.getInputField();
    field.setAttribute("aria-label", this.label);
    this.mirror.on("change", (_, change) => {
      if (change.origin !== "setValue") this.on.change();
    });
    new ResizeObserver(() => this.mirror.refresh()).observe(this.place);
    this.mark(this.errors ?? []);
  }

  get text() {
    return this.mirror ? this.mirror.getValue() : this.area.value;
  }

  set text(text) {
    if (this.mirror) this.mirror.setValue(text);
    else this.area.value = text;
    this.mark([]);
  }

  set readOnly(value) {
    if (this.mirror) this.mirror.setOption("readOnly", value);
    else this.area.readOnly = value;
  }

  // errors: [{line, message}]
  mark(errors) {
    this.errors = errors;
    if (!this.mirror) return;
    this.mirror.clearGutter("marks");
    this.mirror.eachLine((line) => this.mirror.removeLineClass(line, "background"));
    for (const { line, message } of errors) {
      if (!line || line > this.mirror.lineCount()) continue;
      this.mirror.addLineClass(line - 1, "background", "wrong");
      this.mirror.setGutterMarker(
        line - 1,
        "marks",
        el("span", { class: "mark-bad", title: message }, "!"),
      );
    }
  }

  show(line) {
    if (this.mirror) {
      this.mirror.setCursor(line - 1, 0);
      this.mirror.scrollIntoView({ line: line - 1, ch: 0 }, this.place.clientHeight / 3);
      this.mirror.eachLine((each) => this.mirror.removeLineClass(each, "wrap", "shown"));
      this.mirror.addLineClass(line - 1, "wrap", "shown");
      return;
    }
    const lines = this.area.value.split("\n");
    const from = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    this.area.setSelectionRange(from, from + (lines[line - 1] ?? "").length);
    this.area.scrollTop = (line - 4) * parseFloat(getComputedStyle(this.area).lineHeight);
  }

  focus() {
    (this.mirror ?? this.area).focus();
  }
}

// What is wrong, a line each, under the text.
export function faultList(errors, words) {
  return errors.map(({ line, message }) =>
    el("li", {}, line ? words.t("at_line", { line: String(line), message }) : message),
  );
}
