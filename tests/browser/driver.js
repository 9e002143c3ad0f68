// driver.js — node driver.js SOCKET CHROMIUM DEADLINE_MS: a browser that does what it is told over
// a Unix socket, a line of JSON each, and answers each with one — knows no test.
//
// {"tab": "a", "do": "open", …}: see `acts`. The answer is {"value": …}, or {"error": "…"}. What a page
// logs or raises, and whom it asks for anything, is kept for the test to judge.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { createInterface } from "node:readline";

const require = createRequire(import.meta.url);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core"), "utf8");

const [, , socketPath, chromiumPath, deadline_ms] = process.argv;
const DEADLINE_MS = Number(deadline_ms);
const POLL_MS = 20;

const browser = await chromium.launch({
  executablePath: chromiumPath,
  args: process.getuid() === 0 ? ["--no-sandbox"] : [],
});
const tabs = new Map();
const contexts = new Map();

// Tabs of one profile share its cookies.
async function contextOf({
  profile = "default",
  width = 1280,
  height = 800,
  scheme = "light",
  lang = "en-GB",
  scripts = true,
}) {
  if (!contexts.has(profile)) {
    const context = await browser.newContext({
      viewport: { width, height },
      colorScheme: scheme,
      locale: lang,
      javaScriptEnabled: scripts,
      reducedMotion: "reduce",
    });
    context.setDefaultTimeout(DEADLINE_MS);
    contexts.set(profile, context);
  }
  return contexts.get(profile);
}

async function newTab(name, options) {
  const page = await (await contextOf(options)).newPage();
  const tab = { page, told: [], hosts: new Set() };
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()))
      tab.told.push(`${message.text()} ${message.location()?.url ?? ""}`);
  });
  page.on("pageerror", (error) => tab.told.push(String(error.stack ?? error)));
  page.on("dialog", (dialog) => {
    tab.told.push(`a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("request", (request) => tab.hosts.add(new URL(request.url()).host));
  tabs.set(name, tab);
  return tab;
}

const findings = (report) =>
  report.violations.map(
    ({ id, help, nodes }) =>
      `${id}: ${help}: ${nodes
        .slice(0, 3)
        .map((node) => `${node.html.slice(0, 160)} (${node.failureSummary})`)
        .join(" · ")}`,
  );

const acts = {
  // The status of the answer to a page that is opened in a new tab.
  async open(_, { tab, url, ...options }) {
    await tabs.get(tab)?.page.close();
    const made = await newTab(tab, options);
    const answer = await made.page.goto(url, { waitUntil: "load" });
    return answer?.status() ?? 0; // about:blank is no answer
  },
  text: ({ page }, { at }) => page.locator(at).first().innerText(),
  click: ({ page }, { at }) => page.locator(at).first().click(),
  press: ({ page }, { key }) => page.keyboard.press(key),
  insert: ({ page }, { text }) => page.keyboard.insertText(text),
  fill: ({ page }, { at, text }) => page.locator(at).first().fill(text),
  choose: ({ page }, { at, value }) => page.locator(at).first().selectOption(value),
  run: ({ page }, { code }) => page.evaluate(code),
  // Waits until an expression is true, and gives its value.
  // (Playwright's own way would need what the page's policy forbids.)
  async wait({ page }, { code }) {
    const until = Date.now() + DEADLINE_MS;
    for (;;) {
      const value = await page.evaluate(code);
      if (value) return value;
      if (Date.now() > until)
        throw new Error(
          `${code} did not become true; the page says: ${await page.innerText("body")}`,
        );
      await page.waitForTimeout(POLL_MS);
    }
  },
  // Waits until the tab is at an address that ends so, and has loaded.
  arrive: ({ page }, { at }) => page.waitForURL((url) => url.href.endsWith(at)),
  resize: ({ page }, { width, height }) => page.setViewportSize({ width, height }),
  async shot({ page }, { path, at }) {
    await (at ? page.locator(at).first() : page).screenshot({ path, animations: "disabled" });
  },
  // What the browser measured from each of these keys to what they changed on the screen, in ms: the middle one.
  async delay({ page }, { keys, pause_ms }) {
    await page.evaluate(() => {
      window.delays = [];
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries())
          if (entry.name === "keydown") window.delays.push(entry.duration);
      }).observe({ type: "event", durationThreshold: 16 });
    });
    for (const key of keys) {
      await page.keyboard.press(key);
      await page.waitForTimeout(pause_ms);
    }
    const delays = (await page.evaluate(() => window.delays)).sort((a, b) => a - b);
    // What took less than the threshold is not in the list.
    while (delays.length < keys.length) delays.unshift(0);
    return delays[Math.floor(delays.length / 2)];
  },
  // Without a copy of the style sheets, which it would fetch, and a page's policy may forbid.
  async axe({ page }) {
    await page.evaluate(axe);
    return findings(await page.evaluate(() => window.axe.run({ preload: false })));
  },
  told: ({ told }) => told.splice(0),
  hosts: ({ hosts }) => [...hosts],
  async close({ page }, { tab }) {
    tabs.delete(tab);
    await page.close();
  },
  async forget(_, { profile }) {
    await contexts.get(profile)?.close();
    contexts.delete(profile);
  },
};

async function answer(line) {
  const { do: act, ...words } = JSON.parse(line);
  try {
    return { value: (await acts[act](tabs.get(words.tab), words)) ?? null };
  } catch (error) {
    return { error: String(error.message ?? error) };
  }
}

const server = createServer((socket) => {
  socket.on("error", () => {});
  createInterface({ input: socket }).on("line", async (line) =>
    socket.write(`${JSON.stringify(await answer(line))}\n`),
  );
  socket.on("close", async () => {
    await browser.close();
    process.exit(0);
  });
});
server.listen(socketPath, () => console.log("ready"));
