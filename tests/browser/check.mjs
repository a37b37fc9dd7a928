// Opens reports in a real Chromium, light and dark, wide and narrow, and fails on console errors,
// requests to anywhere, dialogs, sideways scrolling and violations of axe's rules.
//
//   npm install && node check.mjs [--screenshots DIR] REPORT.html...
//
// CHROMIUM names the browser, by default /usr/bin/chromium.
import { readFile, mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const axeSource = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const args = process.argv.slice(2);
const at = args.indexOf("--screenshots");
const screenshots = at < 0 ? undefined : args.splice(at, 2)[1];
if (args.length === 0) {
  console.error("usage: node check.mjs [--screenshots DIR] REPORT.html...");
  process.exit(2);
}
if (screenshots) await mkdir(screenshots, { recursive: true });

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
});
let failed = 0;
for (const file of args) {
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [1280, 390, 360]) {
      const found = await check(file, colorScheme, width);
      failed += found.length;
      console.log(`${found.length ? "FAILED" : "ok"} ${file} ${colorScheme} ${width}`);
      found.forEach((fault) => console.log(`  ${fault}`));
    }
  }
}
await browser.close();
process.exit(failed ? 1 : 0);

async function check(file, colorScheme, width) {
  const faults = [];
  const context = await browser.newContext({ colorScheme, viewport: { width, height: 900 } });
  const page = await context.newPage();
  const url = pathToFileURL(resolve(file)).href;
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`script: ${error.message}`));
  page.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("request", (request) => {
    if (request.url() !== url && !request.url().startsWith("data:")) faults.push(`request: ${request.url()}`);
  });
  await page.goto(url);
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  for (const { id, help, nodes } of violations) {
    faults.push(`axe ${id}: ${help}; ${nodes.length} times, such as ${nodes[0].html.slice(0, 200)}`);
  }
  const sideways = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (sideways > 0) faults.push(`scrolls sideways by ${sideways} px`);
  const foreign = await page.evaluate(
    () => document.querySelectorAll("img, iframe, object, embed, form, base, script:not(body > script), link:not([rel=icon])").length,
  );
  if (foreign > 0) faults.push(`${foreign} elements that the report does not write`);
  if (screenshots) {
    const name = `${basename(file, ".html")}-${colorScheme}-${width}.png`;
    await page.screenshot({ path: join(screenshots, name), fullPage: true });
  }
  faults.push(...(await searchFaults(page)));
  await context.close();
  return faults;
}

// A word that no task has leaves none; the first task's first word leaves at least one.
async function searchFaults(page) {
  const field = page.locator("#task-query");
  if ((await field.count()) === 0) return [];
  const visible = () => page.locator("#task-list > li:visible").count();
  const all = await visible();
  await field.fill("xyzzy-plugh-nowhere");
  const none = await visible();
  await field.fill(await page.locator("#task-list > li .number").first().textContent());
  const some = await visible();
  await field.fill("");
  const again = await visible();
  return none === 0 && some > 0 && again === all ? [] : [`search shows ${none}, ${some}, ${again} of ${all}`];
}
