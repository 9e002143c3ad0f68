// tabs.js — panels that share a place, one of them shown — knows none of them.

import { el, flag } from "./dom.js";

export class Tabs {
  constructor(app, place, shown) {
    this.app = app;
    this.shown = shown;
    this.list = el("div", {
      role: "tablist",
      "aria-label": app.t("side"),
      onkeydown: (event) => this.onKey(event),
    });
    this.place = place;
    this.names = [];
    this.buttons = {};
    this.panels = {};
    place.append(this.list);
  }

  add(name) {
    this.names.push(name);
    this.buttons[name] = el(
      "button",
      {
        type: "button",
        role: "tab",
        id: `tab-${name}`,
        "aria-controls": `panel-${name}`,
        onclick: () => this.choose(name),
      },
      this.app.t(`tab_${name}`),
    );
    this.panels[name] = el("div", {
      role: "tabpanel",
      id: `panel-${name}`,
      tabindex: "0",
      "aria-labelledby": `tab-${name}`,
    });
    this.list.append(this.buttons[name]);
    this.place.append(this.panels[name]);
    return this.panels[name];
  }

  choose(wished) {
    const name = this.names.includes(wished) ? wished : this.names[0];
    this.chosen = name;
    for (const each of this.names) {
      this.panels[each].hidden = each !== name;
      flag(this.buttons[each], "aria-selected", String(each === name));
      flag(this.buttons[each], "tabindex", each === name ? "0" : "-1");
    }
    localStorage.setItem("tab", name);
    this.shown(name);
  }

  onKey(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const { names } = this;
    this.choose(names[(names.indexOf(this.chosen) + step + names.length) % names.length]);
    this.buttons[this.chosen].focus();
  }

  isHidden(panel) {
    return panel.tab !== undefined && panel.tab !== this.chosen;
  }
}
