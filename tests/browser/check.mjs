// Opens the report and the viewer of real runs in a real Chromium, light and dark, wide and narrow, and
// uses them as a person would. Fails on console errors, requests to elsewhere, dialogs, elements that the
// program does not write, sideways scrolling, violations of axe's rules, and on what does not work.
//
//   npm ci && node check.mjs --program ../../target/debug/instructmill [--screenshots DIR]
//
// CHROMIUM names the browser, by default /usr/bin/chromium. The last line counts as cargo's tests do.
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { look } from "./look.mjs";
import { Program } from "./program.mjs";
import { hostileRun, runUnderWay, SHOWN_AS_TEXT, simulatedRun } from "./runs.mjs";
import { figuresMove, searchesTasks, VIEWER_USES } from "./uses.mjs";

const WIDTHS = [1280, 360];
const { values } = parseArgs({ options: { program: { type: "string" }, screenshots: { type: "string" } } });
if (!values.program) {
  console.error("usage: node check.mjs --program PATH [--screenshots DIR]");
  process.exit(2);
}
if (values.screenshots) await mkdir(values.screenshots, { recursive: true });

const folder = await mkdtemp(join(tmpdir(), "instructmill-browser-"));
const program = new Program(resolve(values.program), folder);
// A new, empty profile comes with each launch.
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-component-update"],
});
let [passed, failed] = [0, 0];
try {
  await checkAll();
} finally {
  await browser.close();
  await program.endAll();
  await rm(folder, { recursive: true, force: true });
}
console.log(`test result: ${failed ? "FAILED" : "ok"}. ${passed} passed; ${failed} failed; 0 ignored`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;

async function checkAll() {
  const simulated = await simulatedRun(program);
  const hostile = await hostileRun(program);
  for (const [name, run, texts] of [["simulated", simulated, []], ["hostile", hostile, SHOWN_AS_TEXT]]) {
    const report = pathToFileURL(await program.report(run)).href;
    await everywhere(`${name}-report`, { url: report, texts, use: searchesTasks });
    const viewer = await program.view(run);
    await everywhere(`${name}-list`, { url: viewer, own: viewer, texts });
    const [row] = await rows(viewer, "fate=novelty");
    await everywhere(`${name}-row`, { url: `${viewer}row/${row}`, own: viewer });
  }
  const viewer = await program.view(simulated);
  for (const use of VIEWER_USES) {
    await check(use.name, { url: viewer, own: viewer, use, colorScheme: "light", width: 1280 });
  }
  const live = await program.view(await runUnderWay(program));
  await check("figuresMove", { url: live, own: live, use: figuresMove, colorScheme: "light", width: 1280 });
}

/** The places of the rows that a filter of a viewer shows. */
async function rows(viewer, filter) {
  const lines = (await (await fetch(`${viewer}export?${filter}`)).text()).trim().split("\n");
  return lines.map((line) => JSON.parse(line).row);
}

async function everywhere(name, page) {
  for (const colorScheme of ["light", "dark"]) {
    for (const width of WIDTHS) {
      await check(`${name}-${colorScheme}-${width}`, { ...page, colorScheme, width, isShown: true });
    }
  }
}

async function check(name, page) {
  const { isShown } = page;
  const screenshot = isShown && values.screenshots ? join(values.screenshots, `${name}.png`) : undefined;
  const faults = await look(browser, { ...page, screenshot });
  if (faults.length) failed += 1;
  else passed += 1;
  console.log(`${faults.length ? "FAILED" : "ok"} ${name}`);
  faults.slice(0, 10).forEach((fault) => console.log(`  ${fault}`));
  if (faults.length > 10) console.log(`  and ${faults.length - 10} more`);
}
