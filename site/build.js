// build.js — node build.js [DIR]: the site of the docs into DIR (build/site), from the Markdown of
// the repository — does not know how a page looks. The same sources give the same bytes.

import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, extname, join, posix, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { check, filesBelow } from "./check.js";
import { GENERATOR, codePage, folderPage, layout } from "./page.js";
import { groups, texts } from "./pages.js";
import { colour, render } from "./render.js";

const require = createRequire(import.meta.url);
const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(here);
const out = resolve(process.argv[2] ?? join(root, "build/site"));
const LANGUAGES = Object.keys(texts);
const PICTURE = /\.(png|svg|jpg)$/;

const read = (path) => readFileSync(join(root, path), "utf8");
const isFile = (path) => existsSync(join(root, path)) && statSync(join(root, path)).isFile();

function die(faults) {
  for (const fault of [faults].flat()) console.error(`site: ${fault}`);
  process.exit(1);
}

// A folder of somebody's with other things in it is left as it is.
function makeFolder() {
  const index = join(out, "index.html");
  if (existsSync(out) && readdirSync(out).length > 0) {
    if (!existsSync(index) || !readFileSync(index, "utf8").includes(GENERATOR))
      die(
        `${out} has other things in it than a site of the docs; name a folder that is new or empty`,
      );
    rmSync(out, { recursive: true });
  }
  mkdirSync(out, { recursive: true });
}

function write(path, text) {
  mkdirSync(dirname(join(out, path)), { recursive: true });
  writeFileSync(join(out, path), text);
}

// docs/PERFORMANCE.md -> performance.html, README.ko.md -> index.ko.html, bench/README.md -> bench/index.html
const addressOf = (source) =>
  source
    .replace(/^docs\//, "")
    .replace(/README(\.ko)?\.md$/, "index$1.md")
    .replace(/\.md$/, ".html")
    .toLowerCase();

// --- Which pages there are ------------------------------------------------------------------------

const pages = new Map(); // by source

function addPage(source, lang, name) {
  if (!isFile(source)) die(`site/pages.js names ${source}, which is not there`);
  const page = { source, lang, name, out: addressOf(source) };
  pages.set(source, page);
  return page;
}

function addAll() {
  const docs = filesBelow(join(root, "docs")).map((path) => `docs/${path}`);
  for (const group of groups) {
    for (const [source, name, koreanName] of group.pages) {
      const page = addPage(source, "en", name);
      if (koreanName) {
        page.counterpart = addPage(source.replace(/\.md$/, ".ko.md"), "ko", koreanName);
        page.counterpart.counterpart = page;
      }
      if (source !== group.partsOf) continue;
      for (const path of docs.filter((path) => group.parts.test(path)))
        addPage(path, "en", read(path).match(/^# (.*)/)?.[1]).listedAs = page;
    }
  }
  const lost = docs.filter((path) => path.endsWith(".md") && !pages.has(path));
  if (lost.length > 0) die(lost.map((path) => `${path} is in no group of site/pages.js`));
}

// A page in the reader's language where there is one, else in English.
const inLanguage = (page, lang) => (page.counterpart?.lang === lang ? page.counterpart : page);

function putInOrder() {
  const english = [...pages.values()].filter(({ lang }) => lang === "en");
  for (const lang of LANGUAGES) {
    const order = english.map((page) => inLanguage(page, lang));
    order.forEach((page, index) => {
      if (page.lang !== lang) return;
      page.previous = order[index - 1];
      page.next = order[index + 1];
    });
  }
  for (const page of pages.values()) {
    page.listedAs ??= page;
    page.home = inLanguage(pages.get("README.md"), page.lang);
  }
}

const navigationIn = (lang) =>
  groups.map((group) => ({
    name: group[lang],
    pages: group.pages.map(([source]) => inLanguage(pages.get(source), lang)),
  }));

// --- Where a link leads ---------------------------------------------------------------------------

const sources = new Set(); // files and folders of the repository that the docs link to
const pictures = new Set();

const sourceAddress = (path) => `source/${path}.html`;

const pageAt = (path) => pages.get(path) ?? pages.get(`${path}/README.md`);

function targetOf(path, isImage) {
  if (isImage || PICTURE.test(path)) {
    pictures.add(path);
    return path.replace(/^docs\//, "");
  }
  const page = pageAt(path);
  if (page) return page.out;
  sources.add(path);
  return sourceAddress(path);
}

const from = (page) => (target) => "../".repeat(page.out.split("/").length - 1) + target;

const linkOn = (page) => (href, isImage) => {
  const [address, anchor] = href.split("#");
  if (address === "" || /^[a-z]+:/.test(href)) return { address: href };
  const path = posix.join(posix.dirname(page.source), decodeURI(address)).replace(/\/$/, "");
  if (!existsSync(join(root, path))) die(`${page.source} links to ${href}, which is not there`);
  const target = from(page)(targetOf(path, isImage));
  return { address: anchor ? `${target}#${anchor}` : target, name: pageAt(path)?.name };
};

// --- What is written ------------------------------------------------------------------------------

function writePage(page) {
  const view = {
    page,
    groups: navigationIn(page.lang),
    texts: texts[page.lang],
    languages: Object.fromEntries(LANGUAGES.map((lang) => [lang, texts[lang].lang])),
    to: from(page),
  };
  write(page.out, layout(view));
}

// What the docs link to of the sources can be read in the site, so that it is whole by itself.
function writeSource(path) {
  const page = {
    lang: "en",
    out: sourceAddress(path),
    title: path,
    headings: [],
    home: pages.get("README.md"),
  };
  if (isFile(path)) {
    page.html = codePage(path, texts.en.source, colour(read(path), extname(path).slice(1)));
  } else {
    const links = filesBelow(join(root, path)).map((name) => {
      sources.add(`${path}/${name}`);
      return { name, href: from(page)(sourceAddress(`${path}/${name}`)) };
    });
    page.html = folderPage(`${path}/`, texts.en.files, links);
  }
  writePage(page);
}

// Not JSON: a page that is opened as a file may fetch none, but it may load a script.
function writeSearch() {
  const sections = [...pages.values()].flatMap((page) =>
    page.sections.map(({ id, heading, text }) => [
      page.title,
      heading,
      id ? `${page.out}#${encodeURI(id)}` : page.out,
      page.lang,
      text,
    ]),
  );
  write("search-texts.js", `window.searchTexts = ${JSON.stringify(sections)};\n`);
}

function copyAssets() {
  for (const name of readdirSync(join(here, "assets")).sort())
    copyFileSync(join(here, "assets", name), join(out, name));
  const code = readFileSync(
    require.resolve("minisearch").replace(/cjs.index\.cjs$/, "umd/index.js"),
    "utf8",
  );
  const licence = readFileSync(join(here, "node_modules/minisearch/LICENSE.txt"), "utf8");
  write("minisearch.js", `/* ${licence} */\n${code.replace(/\n\/\/# sourceMappingURL=.*/, "")}`);
  for (const path of [...pictures].sort()) {
    const target = join(out, path.replace(/^docs\//, ""));
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(join(root, path), target);
  }
}

addAll();
putInOrder();
for (const page of pages.values()) {
  Object.assign(page, render(read(page.source), linkOn(page)));
  if (!page.title) die(`${page.source} has no heading, which is what its page would be called`);
}
makeFolder();
for (const page of pages.values()) writePage(page);
for (const path of sources) writeSource(path); // also those that a folder's page adds meanwhile
writeSearch();
copyAssets();

const bySite = new Map([...pages.values()].map(({ out, source }) => [out, source]));
const faults = check(out);
if (faults.length > 0)
  die(faults.map(({ page, fault }) => `${bySite.get(page) ?? page}: ${fault}`));
console.log(
  `${join(out, "index.html")}: ${pages.size} pages, ${sources.size} files of the sources`,
);
