// keys.js — single keys for what one does often, and the list of them behind "?" — knows no panel's
// inside.

import { byId, el } from "./dom.js";

const LIST = [
  ["?", "help"],
  ["c", "search"],
  ["d", "diagram"],
  ["1 – 5", "tabs"],
  ["a", "all"],
  ["↑ ↓", "rows"],
  ["p", "pause"],
  ["s", "step"],
  ["w", "send"],
  ["e", "end"],
  ["Ctrl Enter", "apply"],
  ["Esc", "escape"],
  ["← →", "split"],
];

function isTyping(target) {
  return target.closest("input:not([type=range]), textarea, select, .CodeMirror, dialog") !== null;
}

export function bindKeys(app) {
  const { t, panels } = app;
  const acts = {
    "?": () => byId("help").showModal(),
    c: () => byId("conn-list").focus(),
    d: () => byId("diagram").focus(),
    a: () => app.model.choose(null),
    p: () => panels.controls.togglePause(),
    s: () => panels.controls.do("step"),
    w: () => panels.controls.isPossible && panels.controls.toggle("send", true),
    e: () => panels.diagram.toEnd(),
  };
  app.tabs.names.forEach((name, index) => {
    acts[index + 1] = () => {
      app.tabs.choose(name);
      app.tabs.buttons[name].focus();
    };
  });
  document.addEventListener("keydown", (event) => {
    if (
      event.ctrlKey ||
      event.altKey ||
      event.metaKey ||
      event.isComposing ||
      isTyping(event.target)
    )
      return;
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  byId("help").setAttribute("aria-labelledby", "help-title");
  byId("help").append(
    el("h2", { id: "help-title" }, t("keys_title")),
    el(
      "dl",
      {},
      ...LIST.flatMap(([keys, name]) => [
        el("dt", {}, ...keys.split(" ").map((key) => (key === "–" ? " – " : el("kbd", {}, key)))),
        el("dd", {}, t(`key_${name}`)),
      ]),
    ),
    el("form", { method: "dialog" }, el("button", { class: "first" }, t("close"))),
  );
}
