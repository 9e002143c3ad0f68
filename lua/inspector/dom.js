// dom.js — elements, whatever their text, and lists of which only what is in view exists — knows
// nothing of servers. Text becomes text: nothing here reads markup.

export const byId = (id) => document.getElementById(id);

// el("button", {class: "tool", onclick: f, "aria-label": "…"}, "text", child, …)
export function el(name, options = {}, ...children) {
  const made = document.createElement(name);
  set(made, options);
  made.append(
    ...children.filter((child) => child !== null && child !== undefined && child !== false),
  );
  return made;
}

export function svg(name, options = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  set(made, options);
  made.append(...children);
  return made;
}

function set(element, options) {
  for (const [name, value] of Object.entries(options)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
}

// Text of anybody's, which must not turn around what stands beside it.
export const foreign = (text, options = {}) => el("bdi", options, text);

export function put(element, text) {
  if (element.firstChild?.nodeType === Node.TEXT_NODE && !element.firstChild.nextSibling) {
    if (element.firstChild.data !== text) element.firstChild.data = text;
  } else element.textContent = text;
}

export function flag(element, name, value) {
  if (value === null || value === undefined || value === false || value === "") {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

// The root's font size. Asking is dear, and who changes it says so.
let remPx = 0;
window.addEventListener("resize", () => {
  remPx = 0;
});

export function rem() {
  remPx ||= parseFloat(getComputedStyle(document.documentElement).fontSize);
  return remPx;
}

// --- Drawing, once a frame --------------------------------------------------------------------

const waiting = new Set();
let isAsked = false;

export function soon(draw) {
  waiting.add(draw);
  if (isAsked) return;
  isAsked = true;
  requestAnimationFrame(() => {
    isAsked = false;
    const now = [...waiting];
    waiting.clear();
    for (const each of now) attempt(each);
  });
}

// What cannot be drawn holds up nothing else.
function attempt(draw) {
  try {
    draw();
  } catch (error) {
    reportError(error);
  }
}

// --- A list of which only what is in view exists ----------------------------------------------

// A listbox: arrows, Home, End and Page keys choose, a click chooses. `source()` is {length, at(i),
// lost}: `lost` counts what was dropped at its beginning, so that what is looked at stays in place.
export class VirtualList {
  constructor(host, options) {
    Object.assign(this, options); // source, make(), fill(element, item, index), height(), choose(item), isChosen(item)
    this.inner = el("div", { class: "rows", role: "presentation" });
    this.host = host;
    this.pool = [];
    this.lost = 0;
    this.isAtEnd = Boolean(options.follows);
    this.top = 0; // what the browser has, as it told us: asking in the middle of drawing is dear
    this.viewHeight = 0;
    host.classList.add("virtual");
    host.setAttribute("role", "listbox");
    host.setAttribute("tabindex", "0");
    host.append(this.inner);
    host.addEventListener("scroll", () => this.onScroll(), { passive: true });
    host.addEventListener("keydown", (event) => this.onKey(event));
    host.addEventListener("click", (event) => this.onClick(event));
    new ResizeObserver(() => {
      this.viewHeight = host.clientHeight;
      this.draw();
    }).observe(host);
  }

  onScroll() {
    const { scrollTop, scrollHeight } = this.host;
    const isOurs = Math.abs(scrollTop - this.top) < 2;
    this.top = scrollTop;
    if (this.follows && !isOurs) this.isAtEnd = scrollTop + this.viewHeight >= scrollHeight - 4;
    soon((this.drawing ??= () => this.draw()));
  }

  indexOfChosen() {
    const items = this.source();
    for (let i = items.length - 1; i >= 0; i--) if (this.isChosen(items.at(i))) return i;
    return -1;
  }

  onKey(event) {
    const items = this.source();
    const page = Math.max(1, Math.floor(this.viewHeight / this.height()) - 1);
    const steps = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: page,
      PageUp: -page,
      Home: -1e9,
      End: 1e9,
    };
    const step = steps[event.key];
    if (!step || items.length === 0 || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const from = this.indexOfChosen();
    const start = from >= 0 ? from : step > 0 ? this.firstInView() - 1 : items.length;
    const to = Math.min(Math.max(start + step, 0), items.length - 1);
    this.choose(items.at(to));
    this.reveal(to);
  }

  onClick(event) {
    const row = event.target.closest("[data-index]");
    if (row) this.choose(this.source().at(Number(row.dataset.index)));
  }

  firstInView() {
    return Math.floor(this.top / this.height());
  }

  reveal(index) {
    const top = index * this.height();
    this.isAtEnd = Boolean(this.follows) && index === this.source().length - 1;
    if (top < this.top) this.moveTo(top);
    else if (top + this.height() > this.top + this.viewHeight)
      this.moveTo(top + this.height() - this.viewHeight);
    this.draw();
  }

  moveTo(top) {
    const whole = Math.max(Math.round(top), 0);
    if (Math.abs(whole - this.top) < 1) return;
    this.host.scrollTop = whole;
    this.top = whole;
  }

  toEnd() {
    this.isAtEnd = true;
    this.draw();
  }

  reset() {
    this.lost = this.source().lost ?? 0;
    this.isAtEnd = Boolean(this.follows);
    if (!this.follows) this.moveTo(0);
    this.draw();
  }

  draw() {
    const items = this.source();
    const height = this.height();
    if (this.innerHeight !== items.length * height) {
      this.innerHeight = items.length * height;
      this.inner.style.height = `${this.innerHeight}px`;
    }
    const lost = items.lost ?? 0;
    if (this.isAtEnd) this.moveTo(this.innerHeight - this.viewHeight);
    else if (lost !== this.lost) this.moveTo(this.top - (lost - this.lost) * height);
    this.lost = lost;
    const first = Math.min(this.firstInView(), Math.max(items.length - 1, 0));
    const count = Math.min(Math.ceil(this.viewHeight / height) + 1, items.length - first);
    while (this.pool.length < count) this.grow();
    let active = "";
    for (let k = 0; k < this.pool.length; k++) {
      const row = this.pool[k];
      row.hidden = k >= count;
      if (k >= count) continue;
      const index = first + k;
      const item = items.at(index);
      row.style.transform = `translateY(${index * height}px)`;
      row.dataset.index = index;
      flag(row, "aria-posinset", index + 1);
      flag(row, "aria-setsize", items.length);
      flag(row, "aria-selected", this.isChosen(item) ? "true" : "false");
      if (this.isChosen(item)) active = row.id;
      this.fill(row, item, index);
    }
    flag(this.host, "aria-activedescendant", active);
  }

  grow() {
    const row = this.make();
    row.id = `${this.host.id}-${this.pool.length}`;
    row.setAttribute("role", "option");
    this.pool.push(row);
    this.inner.append(row);
  }
}

// What falls out at the beginning is counted. Index 0 is the oldest that is left.
export class Ring {
  constructor(max) {
    this.max = max;
    this.clear();
  }

  clear() {
    this.items = [];
    this.start = 0;
    this.length = 0;
    this.lost = 0;
  }

  push(item) {
    if (this.length < this.max) {
      this.items.push(item);
      this.length++;
    } else {
      this.items[this.start] = item;
      this.start = (this.start + 1) % this.max;
      this.lost++;
    }
  }

  at(index) {
    return this.items[(this.start + index) % this.max];
  }

  get last() {
    return this.at(this.length - 1);
  }

  *[Symbol.iterator]() {
    for (let i = 0; i < this.length; i++) yield this.at(i);
  }
}
