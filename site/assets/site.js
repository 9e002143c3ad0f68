// site.js — what a page does beyond being read: the search, and the switch to dark and back — knows
// no page's text. Scripts rather than modules and data, for a page that is a file may load only those.

"use strict";

const root = document.documentElement;
const input = document.getElementById("search");
const found = document.getElementById("found");
const RESULTS_MAX = 20;
const ENOUGH = 5; // results that have all of the words
const EXCERPT = 70; // characters on each side of what was found

// --- Dark and light -------------------------------------------------------------------------------

const prefersDark = matchMedia("(prefers-color-scheme: dark)");

document.getElementById("theme").addEventListener("click", () => {
  const system = prefersDark.matches ? "dark" : "light";
  const now = (root.dataset.theme ?? system) === "dark" ? "light" : "dark";
  if (now === system) delete root.dataset.theme;
  else root.dataset.theme = now;
  try {
    if (now === system) localStorage.removeItem("theme");
    else localStorage.setItem("theme", now);
  } catch {
    // then it holds for this page
  }
});

// --- Search ---------------------------------------------------------------------------------------

// Names stay whole and are found by their parts, too. Korean puts endings on its words and nouns
// together, so what is compared are pairs of letters: 소켓을 has those of 소켓.
function tokenize(text) {
  const tokens = [];
  for (const [word] of text.matchAll(/[\p{L}\p{N}_]+/gu)) {
    for (const [run] of word.matchAll(/\p{Script=Hangul}+|[^\p{Script=Hangul}]+/gu)) {
      if (!/\p{Script=Hangul}/u.test(run)) {
        tokens.push(run);
        if (run.includes("_")) tokens.push(...run.split("_").filter(Boolean));
      } else if (run.length === 1) tokens.push(run);
      else for (let at = 0; at + 1 < run.length; at += 1) tokens.push(run.slice(at, at + 2));
    }
  }
  return tokens;
}

const script = (name) =>
  new Promise((resolve, reject) => {
    const element = document.createElement("script");
    element.src = root.dataset.root + name;
    element.onload = resolve;
    element.onerror = () => reject(new Error(`${name} was not loaded`));
    document.head.append(element);
  });

let index;

async function makeIndex() {
  await Promise.all([script("minisearch.js"), script("search-texts.js")]);
  const made = new MiniSearch({
    fields: ["page", "heading", "text"],
    storeFields: ["page", "heading", "text", "url", "lang"],
    tokenize,
    searchOptions: {
      boost: { page: 4, heading: 4 },
      prefix: true,
      fuzzy: (term) => (/^[a-z]{5,}$/.test(term) ? 0.2 : false),
      // Its reader's language comes first; what has changed is told last.
      boostDocument: (_, __, { lang, url }) =>
        (lang === root.lang ? 2 : 1) * (url.startsWith("changelog") ? 0.3 : 1),
    },
  });
  made.addAll(
    window.searchTexts.map(([page, heading, url, lang, text], id) => ({
      id,
      page,
      heading,
      url,
      lang,
      text,
    })),
  );
  return made;
}

// What has all of the words comes first; where that is little, what has some of them follows.
function lookUp(made, words) {
  const all = made.search(words, { combineWith: "AND" });
  if (all.length >= ENOUGH) return all;
  const ids = new Set(all.map(({ id }) => id));
  return [...all, ...made.search(words).filter(({ id }) => !ids.has(id))];
}

const patternOf = (terms) =>
  new RegExp(terms.toSorted((one, other) => other.length - one.length).join("|"), "giu");

function mark(parent, text, pattern) {
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    parent.append(text.slice(end, match.index));
    parent.append(Object.assign(document.createElement("mark"), { textContent: match[0] }));
    end = match.index + match[0].length;
  }
  parent.append(text.slice(end));
}

// From whole word to whole word, around the first that was found.
function excerpt(text, pattern) {
  const at = Math.max(0, text.search(pattern));
  const start = at <= EXCERPT ? 0 : text.indexOf(" ", at - EXCERPT) + 1;
  const end =
    text.length - at <= EXCERPT ? text.length : Math.max(at, text.lastIndexOf(" ", at + EXCERPT));
  return (start > 0 ? "… " : "") + text.slice(start, end) + (end < text.length ? " …" : "");
}

function resultItem({ page, heading, text, url, lang, terms }, words) {
  const pattern = patternOf([...words, ...terms]);
  const link = document.createElement("a");
  link.href = root.dataset.root + url;
  link.lang = lang;
  mark(
    link.appendChild(document.createElement("strong")),
    heading ? `${page} › ${heading}` : page,
    pattern,
  );
  if (lang !== root.lang) {
    link.append(
      " ",
      Object.assign(document.createElement("small"), {
        lang: root.lang,
        textContent: found.dataset.foreign,
      }),
    );
  }
  mark(link.appendChild(document.createElement("span")), excerpt(text, pattern), pattern);
  const item = document.createElement("li");
  item.append(link);
  return item;
}

async function show() {
  const query = input.value.trim();
  const words = query.match(/[\p{L}\p{N}_]+/gu) ?? [];
  found.hidden = words.length === 0;
  if (words.length === 0) return;
  index ??= makeIndex();
  const results = lookUp(await index, query);
  if (input.value.trim() !== query) return; // somebody typed on meanwhile
  found.querySelector("p").textContent =
    results.length > 0
      ? found.dataset.found.replace("{count}", results.length)
      : found.dataset.none;
  found
    .querySelector("ul")
    .replaceChildren(...results.slice(0, RESULTS_MAX).map((result) => resultItem(result, words)));
}

input.addEventListener("focus", () => (index ??= makeIndex()));
input.addEventListener("input", show);
input.addEventListener("focus", show);

// Up and down go through what was found, from the field and back to it.
function move(step) {
  const places = [input, ...found.querySelectorAll("a")];
  const at = places.indexOf(document.activeElement);
  places[Math.min(places.length - 1, Math.max(0, at + step))].focus();
}

const search = document.querySelector("search");
search.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown") move(1);
  else if (event.key === "ArrowUp") move(-1);
  else if (event.key === "Enter" && event.target === input) found.querySelector("a")?.click();
  else if (event.key === "Escape") {
    input.focus();
    input.value = "";
    show();
  } else return;
  event.preventDefault();
});
search.addEventListener("focusout", ({ relatedTarget }) => {
  if (!search.contains(relatedTarget)) found.hidden = true;
});
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  input.focus();
});

// --- Moving what is too wide ----------------------------------------------------------------------

// Some browsers let the keyboard move only what it can focus.
function makeReachable() {
  for (const element of document.querySelectorAll("pre, .table")) {
    if (element.scrollWidth > element.clientWidth) element.tabIndex = 0;
    else element.removeAttribute("tabindex");
  }
}
makeReachable();
addEventListener("resize", makeReachable);

// --- The lists at the side ------------------------------------------------------------------------

// A list that lies over the page has done its work once a place was chosen.
for (const list of document.querySelectorAll("nav[popover]")) {
  list.addEventListener("click", ({ target }) => {
    if (target.closest("a") && list.matches(":popover-open")) list.hidePopover();
  });
}
const current = document.querySelector("#pages [aria-current]");
if (current && current.offsetParent) {
  const list = document.getElementById("pages");
  list.scrollTop = Math.max(0, current.offsetTop - list.clientHeight / 2);
}
