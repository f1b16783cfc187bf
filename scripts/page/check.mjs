// SPDX-License-Identifier: MIT
//
// check.mjs BROWSER PAGE [PICTURE]: opens report.html from its file in a headless Chromium, with
// no network, uses it as a reader would, and prints what it found as JSON. It judges nothing:
// tests/test_page.py does. With PICTURE it saves PICTURE-light.png and PICTURE-dark.png: of the
// README's, results/charts/page-*.png.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [browserPath, pagePath, picture] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const address = pathToFileURL(pagePath).href;
const found = { errors: [], requests: [], axe: {} };

const browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox"] });

async function open(colorScheme) {
  const context = await browser.newContext({
    colorScheme, viewport: { width: 1200, height: 900 }, offline: true });
  const page = await context.newPage();
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) found.errors.push(message.text());
  });
  page.on("pageerror", (error) => found.errors.push(String(error)));
  page.on("request", (request) => {
    if (request.url() !== address && !request.url().startsWith("data:"))
      found.requests.push(request.url());
  });
  await page.goto(address);
  await started(page);
  return page;
}

// The scripts start themselves after the first paint: those that wait are text. Then the data
// is unpacked.
const started = (page) => page.waitForFunction(() =>
  performance.getEntriesByName("first-contentful-paint").length &&
  !document.querySelector("script[type='text/plain']") &&
  !(document.getElementById("data") && document.getElementById("explorer").hidden));

const page = await open("light");
[found.firstPaintMs, found.startedMs] = await page.evaluate(() =>
  ["first-contentful-paint", "explorer"].map((name) =>
    performance.getEntriesByName(name)[0]?.startTime ?? null));
found.explorer = await page.isVisible("#explorer");
if (found.explorer) {
  const dots = () => page.locator("#chart [tabindex='0'][role=img]");
  found.dots = await dots().count();
  found.experiments = await page.locator("[name=experiment] option").allTextContents();
  found.runs = await page.locator("#chart svg g[aria-label='fx tick label'] text, #chart svg g[aria-label*=fx] text").allTextContents();

  await dots().first().focus();
  found.focused = await page.textContent("#said");
  const box = await dots().first().boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.waitForTimeout(200);
  found.hovered = await page.locator("#chart g[aria-label=tip]").textContent();

  const first = await page.locator("#rows tr td:first-child").first().textContent();
  await page.fill("[name=text]", first);
  found.filtered = await page.locator("#rows tr").count();
  await page.fill("[name=text]", "");
  await page.check("[name=points]");
  found.circlesWithTrials = await page.locator("#chart svg circle").count();
  await page.selectOption("[name=scale]", "linear");
  if (await page.locator("[name=second]").count()) {
    await page.uncheck("[name=second]");
    found.dotsOfOneRun = await dots().count();
    await page.check("[name=second]");
  }
  for (const name of found.experiments) {
    await page.selectOption("[name=experiment]", name);
    for (const along of await page.locator("[name=by] option").allTextContents())
      await page.selectOption("[name=by]", along);
  }
}
found.strangers = await page.evaluate(() =>
  window.stranger ?? document.querySelectorAll("img[onerror], h1 script, td script, #chart script, #chart img").length);

// The page's own policy forbids foreign scripts, axe too: it is let in for this look alone.
for (const colorScheme of ["light", "dark"]) {
  const context = await browser.newContext({ colorScheme, bypassCSP: true, viewport: { width: 1200, height: 900 } });
  const looked = await context.newPage();
  await looked.goto(address);
  await started(looked);
  await looked.addScriptTag({ content: axe });
  const results = await looked.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  found.axe[colorScheme] = results.violations.map((one) =>
    `${one.id}: ${one.nodes.slice(0, 3).map((node) => node.target.join(" ")).join("; ")}`);
  if (picture) {
    await looked.locator("#explore, h1").last().scrollIntoViewIfNeeded();
    await looked.screenshot({ path: `${picture}-${colorScheme}.png` });
  }
}
await browser.close();
console.log(JSON.stringify(found));
