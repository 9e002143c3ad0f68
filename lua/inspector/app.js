// app.js — puts the page together: the link, the model, the panels, and which of them is drawn
// when.

import { Bytes } from "./ruler.js";
import { Connections } from "./connections.js";
import { Controls } from "./controls.js";
import { Diagram } from "./diagram.js";
import { byId, el, flag, foreign, put, soon } from "./dom.js";
import { bindKeys } from "./keys.js";
import { Lessons } from "./lessons.js";
import { Link } from "./link.js";
import { Model } from "./model.js";
import { Player, Record } from "./record.js";
import { Script } from "./script.js";
import { bindSplit, settings, turnLanguage } from "./settings.js";
import { States } from "./state.js";
import { Tabs } from "./tabs.js";
import { chooseLanguage, Words } from "./texts.js";

const lang = chooseLanguage();
const words = new Words(lang);
const { t } = words;

const app = {
  words,
  t,
  may: {},
  mode: "live",
  controlsPlace: el("div", { class: "controls" }),
  model: new Model((kind) => changed(kind)),

  // "echo.lua:9", of the script by that name
  showLine(script, place) {
    const [, file, line] = /^(.*):(\d+)$/.exec(place) ?? [];
    if (!line) return;
    app.tabs.choose("script");
    app.panels.script.open(file ?? script, Number(line));
  },

  chooseEvent(n) {
    app.panels.diagram.chooseEvent(n);
  },
};

// --- What is drawn --------------------------------------------------------------------------------

const REST_MS = 80; // between two drawings of a panel for what came by itself
const BY_HAND = ["choice", "row", "hello"];

function drawSoon(panel) {
  clearTimeout(panel.resting);
  panel.resting = null;
  soon(
    (panel.redraw ??= () => {
      panel.drawnAt = performance.now();
      panel.draw();
    }),
  );
}

// A panel in a tab that is not shown is drawn when it is.
function changed(kind) {
  for (const panel of Object.values(app.panels ?? {})) {
    if (!panel.wants.includes(kind) || app.tabs.isHidden(panel)) continue;
    const rest = BY_HAND.includes(kind) ? 0 : REST_MS - (performance.now() - (panel.drawnAt ?? 0));
    if (rest <= 0) drawSoon(panel);
    else panel.resting ??= setTimeout(() => drawSoon(panel), rest);
  }
  if (kind === "choice") watch();
}

function shown(panel) {
  if (panel) drawSoon(panel);
}

function watch() {
  if (app.model.chosen !== null) app.link.send({ t: "watch", conns: [app.model.chosen] });
}

// --- The line on top ------------------------------------------------------------------------------

let joined = { state: "joining" };

function drawStatus() {
  const { state, server, why, file } = joined;
  const values = {
    version: server?.version ?? "",
    pid: String(server?.pid ?? ""),
    why: why ?? "",
    file: file ?? "",
  };
  const parts = [
    el("span", { class: `dot ${state === "up" || state === "recording" ? "up" : "down"}` }),
    foreign(t(state, values)),
  ];
  if (app.mode === "class" && state === "up") parts.push(` · ${t("class")}`);
  if (app.model.dropped > 0) {
    parts.push(
      el(
        "span",
        { class: "missing", title: t("missing_why") },
        t("missing", { n: app.model.dropped }),
      ),
    );
  }
  byId("status").replaceChildren(...parts);
}

function join(next) {
  joined = next;
  soon(drawStatus);
}

// --- What comes -----------------------------------------------------------------------------------

const takers = {
  hello(message) {
    if (message.lang && message.lang !== lang) turnLanguage(message.lang); // --lang decides
    app.may = message.may ?? {};
    app.mode = message.mode;
    const { server } = message;
    if (app.mode === "recording") {
      if (!app.player) app.panels.player = app.player = new Player(app);
      join({ state: "recording", file: (message.file ?? "").replace(/^.*\//, "") });
    } else if (server) {
      if (app.pid !== undefined && app.pid !== server.pid) forget();
      app.pid = server.pid;
      join({ state: "up", server });
    } else join({ state: "gone", why: "" });
    watch();
    changed("hello");
  },
  events({ list, dropped }) {
    const before = app.model.dropped;
    if (app.player) {
      app.player.add(list);
      if (dropped) app.model.miss(dropped);
    } else app.model.takeEvents(list, dropped);
    if (app.model.dropped !== before) soon(drawStatus);
  },
  conns({ list, total }) {
    app.model.takeConns(list, total);
  },
  status({ status, scripts }) {
    app.model.status = status;
    app.model.scripts = scripts ?? [];
    changed("status");
    changed("conns");
  },
  gauges({ list }) {
    app.model.takeGauges(list);
  },
  gone({ why }) {
    join({ state: "gone", why });
  },
  back({ server }) {
    forget();
    app.pid = server.pid;
    join({ state: "up", server });
  },
  edited(message) {
    app.panels.script.edited(message);
  },
  told({ text }) {
    app.panels.controls.say(text, false);
  },
};

function forget() {
  app.model.forget();
  ["choice", "events", "conns"].forEach(changed);
}

// --- The beginning --------------------------------------------------------------------------------

function tab(name, make) {
  const place = app.tabs.add(name);
  const panel = make(place);
  panel.tab = name;
  return panel;
}

document.documentElement.lang = lang;
document.title = t("title");
put(document.querySelector(".skip"), t("skip"));
flag(byId("side"), "aria-label", t("side"));
settings(app);
app.tabs = new Tabs(app, byId("side"), (name) => shown(app.panels?.[name]));
app.panels = {
  connections: new Connections(app),
  diagram: new Diagram(app),
  controls: new Controls(app),
  bytes: tab("bytes", (place) => new Bytes(app, place)),
  state: tab("state", (place) => new States(app, place)),
  script: tab("script", (place) => new Script(app, place)),
  lessons: tab("lessons", (place) => new Lessons(app, place)),
  recording: tab("recording", (place) => new Record(app, place)),
};
app.tabs.choose(localStorage.getItem("tab") ?? "bytes");
bindKeys(app);
bindSplit(app);
drawStatus();
["hello", "conns", "events", "choice"].forEach(changed);

app.link = new Link(
  {
    opened: () => {},
    lost: (why) => join({ state: why }),
    message: (message) => takers[message.t]?.(message),
  },
  lang,
);
