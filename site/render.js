// render.js — Markdown as a forge reads it, to HTML, headings and text to search in — knows no page
// around it, and nothing of where files lie: what a link becomes it asks.

import GithubSlugger from "github-slugger";
import hljs from "highlight.js/lib/core";
import bash from "highlight.js/lib/languages/bash";
import c from "highlight.js/lib/languages/c";
import dockerfile from "highlight.js/lib/languages/dockerfile";
import json from "highlight.js/lib/languages/json";
import lua from "highlight.js/lib/languages/lua";
import python from "highlight.js/lib/languages/python";
import yaml from "highlight.js/lib/languages/yaml";
import MarkdownIt from "markdown-it";

const languages = { bash, c, dockerfile, json, lua, python, yaml };
for (const [name, language] of Object.entries(languages)) hljs.registerLanguage(name, language);
const aliases = { jsonc: "json", h: "c", sh: "bash", yml: "yaml", py: "python" };

/** `code` as HTML, coloured where `name` is a language that is known here. */
export function colour(code, name) {
  const language = aliases[name] ?? name;
  if (!hljs.getLanguage(language)) return md.utils.escapeHtml(code);
  return hljs.highlight(code, { language }).value;
}

const md = new MarkdownIt({ html: true, highlight: (code, name) => colour(code, name) });

// The pages are Markdown: of HTML they have comments, for programs. What else there is shows as text.
const isComment = (html) => /^<!--[^]*-->\s*$/.test(html);
const showHtml = (tokens, index) =>
  isComment(tokens[index].content) ? "" : md.utils.escapeHtml(tokens[index].content);
md.renderer.rules.html_block = showHtml;
md.renderer.rules.html_inline = showHtml;

// A table wider than the page is moved within this, not the page.
md.renderer.rules.table_open = () => '<div class="table"><table>\n';
md.renderer.rules.table_close = () => "</table></div>\n";
// What is indented is what one types; fences without a language are drawings and output.
md.renderer.rules.code_block = (tokens, index) =>
  `<pre class="typed"><code>${md.utils.escapeHtml(tokens[index].content)}</code></pre>\n`;

const plain = (inline) =>
  inline.children.map(({ type, content }) => (type.endsWith("break") ? " " : content)).join("");

// The line that leads to the other language, which the site shows at the top of each page.
const isLanguageLine = (text) => text === "English · 한국어";

function dropLanguageLine(tokens) {
  const at = tokens.findIndex(
    ({ type, children }) => children && isLanguageLine(plain({ children })),
  );
  if (at > 0 && at < 6) tokens.splice(at - 1, 3);
}

// What a page is called where a text only has its file's name: docs/tls.md.
function nameLink(children, at, name) {
  const text = children[at + 1];
  if (name && /^[\w./-]+\.md$/.test(text.content) && children[at + 2].type === "link_close")
    text.content = name;
}

function turnLinks(children, link) {
  children.forEach((child, at) => {
    const attribute = { link_open: "href", image: "src" }[child.type];
    if (!attribute) return;
    const { address, name } = link(child.attrGet(attribute), child.type === "image");
    child.attrSet(attribute, address);
    if (child.type === "link_open") nameLink(children, at, name);
  });
}

// A heading of nothing is none: some tables only have one because Markdown wants it.
function dropEmptyHeads(tokens) {
  tokens.forEach((token, index) => {
    if (token.type === "thead_open") {
      const end = tokens.findIndex(({ type }, at) => at > index && type === "thead_close");
      const head = tokens.slice(index, end + 1);
      if (head.every(({ content }) => content === "")) for (const each of head) each.hidden = true;
    } else if (token.type === "th_open" && tokens[index + 1].content === "") {
      token.tag = tokens[index + 2].tag = "td";
    }
  });
}

// Where there is no room for columns, a cell says which it would be in.
function labelCells(tokens) {
  let names = [];
  let column = 0;
  tokens.forEach((token, index) => {
    if (token.type === "thead_open") names = [];
    if (token.type === "th_open") names.push(plain(tokens[index + 1]));
    if (token.type === "tr_open") column = 0;
    if (token.type !== "td_open") return;
    if (column > 0 && names[column]) token.attrSet("data-column", names[column]);
    column += 1;
  });
}

/** The text that a reader may look for: {id, heading, text} from each heading to the next. */
function sectionsOf(tokens) {
  const sections = [{ id: "", heading: "", text: "" }];
  tokens.forEach((token, index) => {
    const before = tokens[index - 1]?.type;
    if (token.type === "heading_open" && token.tag !== "h1") {
      sections.push({ id: token.attrGet("id"), heading: plain(tokens[index + 1]), text: "" });
    } else if (token.type === "inline" && before !== "heading_open") {
      sections.at(-1).text += plain(token) + (before === "td_open" ? " · " : " ");
    } else if (token.type === "fence" || token.type === "code_block") {
      sections.at(-1).text += `${token.content} `;
    }
  });
  for (const section of sections) section.text = section.text.replace(/\s+/g, " ").trim();
  return sections;
}

/**
 * `link(href, isImage)` says what an address in the text becomes in the site, and what the page is
 * called that it leads to: {address, name}.
 * @returns {{title: string, html: string, headings: {id, level, text}[], sections: {id, heading, text}[]}}
 */
export function render(markdown, link) {
  const tokens = md.parse(markdown, {});
  const slugs = new GithubSlugger();
  const headings = [];
  dropLanguageLine(tokens);
  tokens.forEach((token, index) => {
    if (token.type === "inline") turnLinks(token.children, link);
    if (token.type !== "heading_open") return;
    const text = plain(tokens[index + 1]);
    const id = slugs.slug(text);
    token.attrSet("id", id);
    headings.push({ id, level: Number(token.tag.slice(1)), text });
  });
  dropEmptyHeads(tokens);
  labelCells(tokens);
  const html = md.renderer.render(tokens, md.options, {});
  return { title: headings[0]?.text, html, headings, sections: sectionsOf(tokens) };
}
