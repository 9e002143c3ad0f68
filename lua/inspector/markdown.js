// markdown.js — a lesson's text as elements: headings, paragraphs, quotes, lists, fences, tables,
// `code`, **bold**, links — knows nothing of lessons. What it does not know stays the text that it
// is.

import { el } from "./dom.js";

const INLINE = /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*|\[([^\]]+)\]\(([^)\s]+)\)/g;

function inline(text) {
  const parts = [];
  let from = 0;
  for (const found of text.matchAll(INLINE)) {
    const [whole, code, bold, italic, label, address] = found;
    parts.push(text.slice(from, found.index));
    if (code) parts.push(el("code", {}, code));
    else if (bold) parts.push(el("strong", {}, ...inline(bold)));
    else if (italic) parts.push(el("em", {}, ...inline(italic)));
    else if (/^https?:\/\//.test(address))
      parts.push(el("a", { href: address, rel: "noreferrer", target: "_blank" }, label));
    else parts.push(label);
    from = found.index + whole.length;
  }
  parts.push(text.slice(from));
  return parts.filter((part) => part !== "");
}

function table(lines) {
  const cells = (line) =>
    line
      .replace(/^\||\|$/g, "")
      .split("|")
      .map((cell) => cell.trim());
  const [head, , ...body] = lines;
  return el(
    "table",
    {},
    el("thead", {}, el("tr", {}, ...cells(head).map((cell) => el("th", {}, ...inline(cell))))),
    el(
      "tbody",
      {},
      ...body.map((line) =>
        el("tr", {}, ...cells(line).map((cell) => el("td", {}, ...inline(cell)))),
      ),
    ),
  );
}

const KINDS = [
  [/^\s*```/, "fence"],
  [/^#{1,4} /, "heading"],
  [/^( {4}|\t)/, "indented"],
  [/^[-*] /, "ul"],
  [/^\d+\. /, "ol"],
  [/^\|/, "table"],
  [/^> ?/, "quote"],
  [/^\s*$/, "blank"],
];

const kindOf = (line) => KINDS.find(([pattern]) => pattern.test(line))?.[1] ?? "text";

function list(name, lines) {
  const items = [];
  for (const line of lines) {
    if (kindOf(line) === name) items.push(line.replace(/^([-*]|\d+\.) /, ""));
    else items[items.length - 1] += ` ${line.trim()}`;
  }
  return el(name, {}, ...items.map((item) => el("li", {}, ...inline(item))));
}

const code = (lines) => el("pre", { tabindex: "0" }, el("code", {}, lines.join("\n")));

// The lines that belong to what begins at `from`: up to where another kind of block begins.
function blockAt(lines, from, kind) {
  let to = from + 1;
  if (kind === "fence") {
    while (to < lines.length && kindOf(lines[to]) !== "fence") to++;
    return to + 1;
  }
  const goesOn = (line) => {
    const next = kindOf(line);
    if (kind === "ul" || kind === "ol")
      return next === kind || next === "text" || next === "indented" || /^ +\S/.test(line);
    return next === kind || (kind === "text" && next === "indented");
  };
  if (kind !== "heading") while (to < lines.length && goesOn(lines[to])) to++;
  return to;
}

const makers = {
  fence: (lines) => code(lines.slice(1, -1)),
  heading: ([line]) =>
    el(line.startsWith("# ") ? "h2" : "h3", {}, ...inline(line.replace(/^#+ /, ""))),
  indented: (lines) => code(lines.map((line) => line.replace(/^( {4}|\t)/, ""))),
  ul: (lines) => list("ul", lines),
  ol: (lines) => list("ol", lines),
  table,
  quote: (lines) => el("blockquote", {}, ...inline(lines.map((line) => line.slice(2)).join(" "))),
  text: (lines) => el("p", {}, ...inline(lines.map((line) => line.trim()).join(" "))),
};

export function markdown(text) {
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  const made = [];
  for (let at = 0; at < lines.length;) {
    const kind = kindOf(lines[at]);
    const to = blockAt(lines, at, kind);
    if (kind !== "blank") made.push(makers[kind](lines.slice(at, to)));
    at = to;
  }
  return made;
}
