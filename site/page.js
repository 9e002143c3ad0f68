// page.js — a page of the site around its text — knows no files and no Markdown.

const escape = (text) =>
  String(text).replace(
    /[&<>"]/g,
    (char) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[char],
  );

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; " +
  "form-action 'none'";

// What the site is known by, so that a folder that is something else is never emptied.
export const GENERATOR = '<meta name="generator" content="moonport site">';

const languageOf = (page, lang) =>
  page.lang === lang ? "" : ` lang="${page.lang}" hreflang="${page.lang}"`;

function navigation({ page, groups, texts, to }) {
  const item = (other) => {
    const current = other === page.listedAs ? ' aria-current="page"' : "";
    const foreign =
      other.lang === page.lang ? "" : ` <small lang="${page.lang}">${texts.foreign}</small>`;
    return `<li><a href="${to(other.out)}"${current}${languageOf(other, page.lang)}>${escape(other.name)}${foreign}</a></li>`;
  };
  return groups
    .map(
      ({ name, pages }) => `<h2>${escape(name)}</h2>\n<ul>\n${pages.map(item).join("\n")}\n</ul>`,
    )
    .join("\n");
}

function contents({ page, texts }) {
  const list = page.headings.filter(({ level }) => level === 2 || level === 3);
  if (list.length < 2) return "";
  const items = list.map(
    ({ id, level, text }) =>
      `<li class="level${level}"><a href="#${encodeURI(id)}">${escape(text)}</a></li>`,
  );
  return `<nav id="contents" popover aria-labelledby="contents-name">
<h2 id="contents-name">${texts.contents}</h2>
<ul>
${items.join("\n")}
</ul>
</nav>`;
}

function around({ page, texts, to }) {
  const step = (other, rel, word) =>
    other
      ? `<a class="${rel}" rel="${rel}" href="${to(other.out)}"${languageOf(other, page.lang)}>` +
        `<small lang="${page.lang}">${word}</small> ${escape(other.name)}</a>`
      : "";
  const steps = step(page.previous, "prev", texts.previous) + step(page.next, "next", texts.next);
  return steps && `<nav class="around" aria-label="${texts.around}">${steps}</nav>`;
}

/**
 * @param {object} view `page`: {lang, title, html, headings, out, counterpart, previous, next, listedAs};
 *   `groups`: the navigation in its language; `texts`: the site's own words in it; `languages`: their
 *   names; `to(out)`: an address as it is from this page
 */
export function layout(view) {
  const { page, texts, to, languages } = view;
  const other = page.counterpart;
  const toc = contents(view);
  const title =
    page.out === "index.html" || page.out === "index.ko.html"
      ? "moonport"
      : `${page.title} – moonport`;
  return `<!DOCTYPE html>
<html lang="${page.lang}" data-root="${to("")}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
${GENERATOR}
<title>${escape(title)}</title>
${other ? `<link rel="alternate" hreflang="${other.lang}" href="${to(other.out)}">\n` : ""}<link rel="icon" href="${to("icon.svg")}">
<link rel="stylesheet" href="${to("site.css")}">
<script src="${to("site.js")}" defer></script>
<script src="${to("theme.js")}"></script>
</head>
<body>
<a class="skip" href="#text">${texts.skip}</a>
<header>
<a class="name" href="${to(page.home.out)}">moonport</a>
<div class="tools">
<button class="menu" type="button" popovertarget="pages">${texts.menu}</button>
${toc ? `<button class="menu wide-too" type="button" popovertarget="contents">${texts.contentsShort}</button>\n` : ""}<search>
<input id="search" type="search" autocomplete="off" spellcheck="false" placeholder="${texts.search}  /" aria-label="${texts.search}" aria-controls="found">
<div id="found" hidden data-found="${texts.found}" data-none="${texts.none}" data-foreign="${texts.foreign}">
<p role="status"></p>
<ul></ul>
</div>
</search>
</div>
${other ? `<a class="language" href="${to(other.out)}" lang="${other.lang}" hreflang="${other.lang}">${languages[other.lang]}</a>\n` : ""}<button id="theme" type="button" aria-label="${texts.theme}" title="${texts.theme}"></button>
</header>
<nav id="pages" popover aria-label="${texts.pages}">
${navigation(view)}
</nav>
${toc}
<main id="text" tabindex="-1">
${page.html}${around(view)}
</main>
</body>
</html>
`;
}

/** A file of the sources, or the list of a folder's. */
export const codePage = (path, note, code) =>
  `<h1>${escape(path)}</h1>\n<p class="note">${escape(note)}</p>\n<pre class="file"><code>${code}</code></pre>\n`;

export const folderPage = (path, note, links) =>
  `<h1>${escape(path)}</h1>\n<p class="note">${escape(note)}</p>\n<ul>\n${links
    .map(({ name, href }) => `<li><a href="${href}">${escape(name)}</a></li>`)
    .join("\n")}\n</ul>\n`;
