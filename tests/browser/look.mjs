// Looks at one page and tells what is wrong with it.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const axeSource = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What neither the report nor the viewer ever writes. */
const FOREIGN = [
  "img, iframe, object, embed, base, video, audio, applet, meta[http-equiv=refresh]",
  "script:not(body > script), link:not([rel=icon], [rel=stylesheet])",
  "[onerror], [onload], [onclick], [onmouseover], [style]",
  "form:not([action='/'], [action='/mark']), a[href^='javascript:' i], a[href*='//']",
].join(", ");

/**
 * The faults of a page, each a line.
 *
 * `own` is the server whose pages it may fetch; without one it may fetch nothing. `texts` must be on the
 * page as text. `use` does something with the page and gives the faults that it finds. With `isShown`
 * the page is held to what can be seen: axe's rules and its width.
 */
export async function look(browser, { url, own, texts = [], use, colorScheme, width, isShown, screenshot }) {
  const faults = [];
  const context = await browser.newContext({ colorScheme, viewport: { width, height: 900 } });
  const page = await context.newPage();
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`script: ${error.message}`));
  page.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("request", (request) => {
    const asked = request.url();
    const isOwn = asked === url || (own !== undefined && asked.startsWith(own)) || asked.startsWith("data:");
    if (!isOwn) faults.push(`request: ${asked.slice(0, 200)}`);
  });
  page.on("popup", (popup) => faults.push(`window: ${popup.url()}`));
  try {
    await page.goto(url);
    // Axe and screenshots leave attributes behind, so what is foreign is looked for before them.
    faults.push(...(await foreignElements(page)));
    const text = await page.evaluate(() => document.body.innerText);
    faults.push(...texts.filter((part) => !text.includes(part)).map((part) => `not shown as text: ${part}`));
    if (isShown) faults.push(...(await visibleFaults(page)));
    if (screenshot) await picture(page, screenshot);
    if (use) faults.push(...(await use(page)));
  } catch (error) {
    faults.push(`stopped: ${error.message}`);
  }
  await context.close();
  return faults;
}

/** The page from its top, as far as anybody looks at a picture. */
async function picture(page, path) {
  const { width } = page.viewportSize();
  const whole = await page.evaluate(() => document.documentElement.scrollHeight);
  await page.screenshot({ path, fullPage: true, clip: { x: 0, y: 0, width, height: Math.min(whole, 9_000) } });
}

async function foreignElements(page) {
  const found = await page.locator(FOREIGN).evaluateAll((all) => all.map((one) => one.outerHTML.slice(0, 100)));
  return found.map((markup) => `an element that the program does not write: ${markup}`);
}

async function visibleFaults(page) {
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => globalThis.axe.run({ resultTypes: ["violations"] }));
  const faults = violations.map(
    ({ id, help, nodes }) => `axe ${id}: ${help}; ${nodes.length} times, such as ${nodes[0].html.slice(0, 200)}`,
  );
  const sideways = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (sideways > 0) faults.push(`scrolls sideways by ${sideways} px`);
  return faults;
}
