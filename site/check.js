// check.js — node check.js DIR: every link, anchor, picture and script of the HTML in DIR leads
// somewhere, and nothing is fetched from elsewhere — does not know how the pages were made.

import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { dirname, join, posix, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "parse5";

/** The paths of all files below `folder`, sorted, with slashes. */
export function filesBelow(folder, prefix = "") {
  return readdirSync(join(folder, prefix), { withFileTypes: true })
    .flatMap((entry) => {
      const path = posix.join(prefix, entry.name);
      return entry.isDirectory() ? filesBelow(folder, path) : [path];
    })
    .sort();
}

// What the browser fetches by itself, and what it goes to when somebody asks for it.
const FETCHED = { script: "src", img: "src", link: "href", source: "src", iframe: "src" };

// A page's ids and addresses, and what is wrong with it by itself.
function read(html) {
  const page = { ids: new Set(), links: [], faults: [] };
  const onParseError = ({ code, startLine }) => page.faults.push(`line ${startLine}: ${code}`);
  const visit = ({ tagName, attrs = [], childNodes = [] }) => {
    const { id, href, src, style } = Object.fromEntries(
      attrs.map(({ name, value }) => [name, value]),
    );
    if (id !== undefined && page.ids.has(id)) page.faults.push(`the id ${id} is there twice`);
    if (id !== undefined) page.ids.add(id);
    if (style !== undefined || attrs.some(({ name }) => name.startsWith("on")))
      page.faults.push(`<${tagName}> has a style or a script of its own, which the policy forbids`);
    if (tagName === "script" && src === undefined)
      page.faults.push("there is a script in the page");
    const to = tagName === "a" ? href : { href, src }[FETCHED[tagName]];
    if (to !== undefined) page.links.push({ to, fetched: tagName !== "a" });
    childNodes.forEach(visit);
  };
  visit(parse(html, { sourceCodeLocationInfo: true, onParseError }));
  return page;
}

/** What is wrong in the site below `folder`: {page, fault} each. */
export function check(folder) {
  const files = filesBelow(folder);
  const pages = new Map(
    files
      .filter((path) => path.endsWith(".html"))
      .map((path) => [path, read(readFileSync(join(folder, path), "utf8"))]),
  );
  const asked = new Set(["index.html"]);
  const faults = [];
  for (const [path, page] of pages) {
    const tell = (fault) => faults.push({ page: path, fault });
    page.faults.forEach(tell);
    for (const { to, fetched } of page.links) {
      if (/^[a-z][a-z0-9+.-]*:|^\/\//i.test(to)) {
        if (fetched || !/^(https|mailto):/.test(to)) tell(`asks another host: ${to}`);
        continue;
      }
      const [address, anchor] = to.split("#");
      const target = address === "" ? path : posix.join(posix.dirname(path), decodeURI(address));
      if (!existsSync(join(folder, target)) || !statSync(join(folder, target)).isFile())
        tell(`links to ${to}, which is not there`);
      else if (anchor && !pages.get(target)?.ids.has(decodeURIComponent(anchor)))
        tell(`links to ${to}, but there is no such heading`);
      if (target !== path) asked.add(target);
    }
  }
  for (const path of pages.keys())
    if (!asked.has(path)) faults.push({ page: path, fault: "no page links to it" });
  return faults;
}

if (resolve(process.argv[1] ?? "") === fileURLToPath(import.meta.url)) {
  const folder = process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), "../build/site");
  const faults = check(folder);
  for (const { page, fault } of faults) console.error(`${page}: ${fault}`);
  process.exitCode = faults.length > 0 ? 1 : 0;
}
