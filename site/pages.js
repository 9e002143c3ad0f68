// pages.js — which pages the site has, in which order, and what the site itself says, in both
// languages — knows no Markdown and no HTML.
//
// A page is its file, and its name in the navigation; where there is a FILE.ko.md beside FILE.md, its
// Korean name is the third. `parts` are further files, read after it and listed on it.

export const groups = [
  {
    en: "Learn",
    ko: "배우기",
    pages: [
      ["README.md", "Start", "시작하기"],
      ["docs/guide.md", "Guide", "안내서"],
      ["docs/examples.md", "Scripts to copy from"],
      ["docs/lessons.md", "Lessons"],
      ["docs/article.md", "The article's program", "글에 나온 프로그램"],
      ["docs/teaching.md", "Teaching", "moonport로 수업하기"],
    ],
  },
  {
    en: "Write scripts",
    ko: "스크립트 쓰기",
    pages: [
      ["docs/scripting.md", "Writing a service"],
      ["docs/http.md", "HTTP and WebSocket"],
      ["docs/tls.md", "TLS"],
      ["docs/library.md", "The library"],
      ["docs/bus.md", "The bus"],
      ["docs/shared.md", "Shared data"],
      ["docs/testing-scripts.md", "Testing a script"],
      ["docs/coming-from.md", "Coming from elsewhere"],
    ],
  },
  {
    en: "See what happens",
    ko: "들여다보기",
    pages: [
      ["docs/tracing.md", "Tracing"],
      ["docs/console.md", "The console"],
      ["docs/inspector.md", "The inspector"],
    ],
  },
  {
    en: "Operate",
    ko: "운영하기",
    pages: [
      ["docs/operating.md", "Running it for others"],
      ["docs/containers.md", "In a container"],
      ["docs/scaling.md", "Scaling"],
      ["docs/metrics.md", "Metrics and probes"],
      ["docs/reliability.md", "What goes wrong"],
      ["SECURITY.md", "Security"],
    ],
  },
  {
    en: "Reference",
    ko: "참고",
    pages: [
      ["docs/reference.md", "Reference at a glance"],
      ["docs/events.md", "Events"],
      ["docs/compatibility.md", "Compatibility"],
      ["CHANGELOG.md", "Changelog"],
    ],
  },
  {
    en: "Inside",
    ko: "안쪽",
    pages: [
      ["docs/ARCHITECTURE.md", "How it is built"],
      ["docs/adr/README.md", "Decisions"],
      ["docs/PERFORMANCE.md", "Performance"],
      ["bench/README.md", "Measuring"],
      ["docs/simulation.md", "Simulation"],
      ["docs/porting.md", "Porting"],
      ["docs/releases.md", "Releases"],
      ["docs/dependencies.md", "Dependencies"],
      ["CONTRIBUTING.md", "Contributing"],
    ],
    parts: /^docs\/adr\/\d/,
    partsOf: "docs/adr/README.md",
  },
];

export const texts = {
  en: {
    lang: "English",
    skip: "Skip to the text",
    menu: "Pages",
    contents: "On this page",
    contentsShort: "Contents",
    pages: "All pages",
    theme: "Dark or light",
    search: "Search",
    found: "{count} found",
    none: "Nothing found",
    foreign: "in Korean",
    previous: "Previous",
    next: "Next",
    around: "Before and after this page",
    source: "A file of moonport’s sources, as it is in the repository.",
    files: "Files of moonport’s sources, as they are in the repository.",
  },
  ko: {
    lang: "한국어",
    skip: "본문으로 건너뛰기",
    menu: "문서",
    contents: "이 문서에서",
    contentsShort: "차례",
    pages: "모든 문서",
    theme: "어둡게 또는 밝게",
    search: "검색",
    found: "{count}건",
    none: "찾은 것이 없습니다",
    foreign: "영어",
    previous: "이전",
    next: "다음",
    around: "앞뒤 문서",
  },
};
