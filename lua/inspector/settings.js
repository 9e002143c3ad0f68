// settings.js — theme, text size, language, the width of the columns: chosen here, kept in this
// browser.

import { byId, el, flag, put, rem } from "./dom.js";

const THEMES = ["auto", "light", "dark"];
const SIZES = ["normal", "large", "huge"];
const SIDE_REM_MIN = 18;
const SIDE_REM_MAX = 70;
const SIDE_STEP_REM = 2;

// A button that goes round through what it may be.
function turner(app, name, values) {
  const button = el("button", {
    class: "bare",
    type: "button",
    onclick: () => {
      show(
        values[
          (values.indexOf(document.documentElement.dataset[name] ?? values[0]) + 1) % values.length
        ],
      );
    },
  });
  function show(value) {
    const known = values.includes(value) ? value : values[0];
    document.documentElement.dataset[name] = known;
    localStorage.setItem(name, known);
    put(button, app.t(`${name}_${known}`));
    window.dispatchEvent(new Event("resize"));
  }
  show(new URLSearchParams(location.search).get(name) ?? localStorage.getItem(name));
  return button;
}

// The page begins anew, in another language.
export function turnLanguage(lang) {
  localStorage.setItem("lang", lang);
  const address = new URL(location.href);
  address.searchParams.set("lang", lang);
  location.replace(address);
}

export function settings(app) {
  const { t, words } = app;
  flag(byId("tools"), "aria-label", t("tools"));
  byId("tools").append(
    turner(app, "theme", THEMES),
    turner(app, "size", SIZES),
    el(
      "button",
      {
        class: "bare",
        type: "button",
        lang: words.lang === "en" ? "ko" : "en",
        onclick: () => turnLanguage(words.lang === "en" ? "ko" : "en"),
      },
      t("other_language"),
    ),
    el(
      "button",
      {
        class: "bare",
        type: "button",
        id: "help-opener",
        "aria-haspopup": "dialog",
        onclick: () => byId("help").showModal(),
      },
      `${t("help")} `,
      el("kbd", {}, "?"),
    ),
  );
}

// The bar between diagram and panels: drawn by the pointer, moved by arrows.
export function bindSplit(app) {
  const bar = byId("split");
  const root = document.documentElement;
  let wide = Number(localStorage.getItem("side")) || 27;
  function place(next) {
    wide = Math.min(Math.max(next, SIDE_REM_MIN), SIDE_REM_MAX);
    root.style.setProperty("--side", `${wide}rem`);
    localStorage.setItem("side", String(wide));
    flag(bar, "aria-valuenow", Math.round(wide));
  }
  flag(bar, "aria-label", app.t("side"));
  flag(bar, "aria-valuemin", SIDE_REM_MIN);
  flag(bar, "aria-valuemax", SIDE_REM_MAX);
  bar.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: SIDE_STEP_REM, ArrowRight: -SIDE_STEP_REM }[event.key];
    if (!step) return;
    event.preventDefault();
    place(wide + step);
  });
  bar.addEventListener("pointerdown", (event) => {
    bar.setPointerCapture(event.pointerId);
    const from = event.clientX;
    const before = wide;
    const move = (moved) => place(before + (from - moved.clientX) / rem());
    bar.addEventListener("pointermove", move);
    bar.addEventListener("pointerup", () => bar.removeEventListener("pointermove", move), {
      once: true,
    });
  });
  place(wide);
}
