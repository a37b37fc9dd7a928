// What a person does with a page; each gives the faults that it found.
import { until } from "./program.mjs";

/** A word that no task has leaves none; the first task's number leaves at least one. */
export async function searchesTasks(page) {
  const field = page.locator("#task-query");
  if ((await field.count()) === 0) return ["the report has no search"];
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

async function filtersByModel(page) {
  const names = await page.locator("#model option").allTextContents();
  const own = await page.locator("#model option").nth(2).getAttribute("value");
  await page.selectOption("#model", own);
  await show(page);
  const shown = new Set(await page.locator(".rows .model").allTextContents());
  const chosen = await page.inputValue("#model");
  const isRight = names.length === 3 && shown.size === 1 && shown.has(own) && chosen === own;
  return isRight ? [] : [`of ${names} chose ${own}: shows ${[...shown]}, has ${chosen}`];
}

async function filtersByVerdict(page) {
  await page.selectOption("#fate", "novelty");
  await show(page);
  const verdicts = await page.locator(".rows .verdict").allTextContents();
  const isRight = verdicts.length > 0 && verdicts.every((verdict) => verdict.startsWith("novelty"));
  return isRight ? [] : [`asked for novelty, shows ${verdicts.slice(0, 3)}`];
}

async function findsWords(page) {
  const [word] = (await page.locator(".rows .instruction").first().innerText()).match(/\p{L}{5,}/u);
  await page.fill("#q", word);
  await page.press("#q", "Enter");
  await page.waitForURL(/q=/);
  const rows = await page.locator(".rows > li").allInnerTexts();
  const isRight = rows.length > 0 && rows.every((row) => row.toLowerCase().includes(word.toLowerCase()));
  return isRight ? [] : [`asked for ${word}, ${rows.length} rows`];
}

async function marksARowAndTakesItBack(page) {
  const first = page.locator(".rows > li").first();
  const isMarked = async () => (await first.innerText()).includes("marked as bad");
  const faults = (await isMarked()) ? ["a row is marked at the beginning"] : [];
  await first.getByRole("button").click();
  await page.waitForURL(/#row-/);
  if (!(await isMarked())) faults.push("the row is not marked");
  await first.getByRole("button").click();
  await until("the mark to go", async () => !(await isMarked()));
  return faults;
}

async function showsARowBesideItsNeighbour(page) {
  await page.selectOption("#fate", "novelty");
  await show(page);
  await page.getByRole("link", { name: /^row / }).first().click();
  await page.waitForURL(/row\//);
  const marks = await page.locator(".pair > div").evaluateAll((sides) =>
    sides.map((side) => [...side.querySelectorAll("mark")].map((mark) => mark.textContent.toLowerCase())),
  );
  const isRight = marks.length === 2 && marks[0].length > 0 && marks[0].join(" ") === marks[1].join(" ");
  return isRight ? [] : [`the common words are ${JSON.stringify(marks)}`];
}

/** With the keyboard alone: the first stop skips to the rows, and a page is turned. */
async function goesByKeyboard(page) {
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  const faults = page.url().endsWith("#rows") ? [] : [`the first stop leads to ${page.url()}`];
  await page.getByRole("link", { name: "Next page" }).focus();
  await page.keyboard.press("Enter");
  await page.waitForURL(/after=/);
  const isBack = await page.getByRole("link", { name: "Previous page" }).count();
  return isBack ? faults : [...faults, "the second page has no way back"];
}

async function show(page) {
  await page.getByRole("button", { name: "Show" }).press("Enter");
  await page.waitForURL(/\?/);
}

export const VIEWER_USES = [
  filtersByModel,
  filtersByVerdict,
  findsWords,
  marksARowAndTakesItBack,
  showsARowBesideItsNeighbour,
  goesByKeyboard,
];

/** The figures of a run under way go up without a reload, and new rows are offered. */
export async function figuresMove(page) {
  const accepted = page.locator("[data-live=accepted]");
  const number = async () => Number((await accepted.textContent()).replaceAll(",", ""));
  const [before, state] = [await number(), await page.locator("[data-live=state]").textContent()];
  await until("more accepted tasks", async () => (await number()) > before);
  await until("the way to new rows", () => page.locator("#fresh").isVisible());
  return state === "running" ? [] : [`the state is ${state}`];
}
