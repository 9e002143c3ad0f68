// theme.js — runs before a page is drawn: that there are scripts, and whether the reader chose dark or
// light — knows no page.

const kept = (() => {
  try {
    return localStorage.getItem("theme");
  } catch {
    return null; // a browser may keep nothing for a page that is a file
  }
})();
document.documentElement.classList.add("scripts");
if (kept) document.documentElement.dataset.theme = kept;
