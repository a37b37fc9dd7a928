"use strict";
// Search among the tasks of this page.
const query = document.getElementById("task-query");
if (query) {
  const items = [...document.querySelectorAll("#task-list > li")];
  const texts = items.map((item) => item.textContent.toLowerCase());
  const found = document.getElementById("task-found");
  const list = document.getElementById("task-list");
  const all = document.getElementById("task-all");
  const fold = (folded) => {
    list.classList.toggle("folded", folded);
    all.hidden = !folded;
  };
  document.getElementById("task-search").hidden = false;
  let opened = items.length <= 12;
  fold(!opened);
  all.addEventListener("click", () => {
    opened = true;
    fold(false);
    items[12].tabIndex = -1;
    items[12].focus();
  });
  query.addEventListener("input", () => {
    const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    items.forEach((item, index) => {
      const fits = words.every((word) => texts[index].includes(word));
      item.hidden = !fits;
      if (fits) shown += 1;
    });
    fold(!opened && words.length === 0);
    found.textContent = words.length ? `${shown} of ${items.length} tasks` : "";
  });
}
// What a mark of a chart says, at once instead of after a second.
const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
tip.setAttribute("aria-hidden", "true");
document.body.append(tip);
const said = new WeakMap();
document.addEventListener("pointerover", (event) => {
  const mark = event.target.closest ? event.target.closest(".hit") : null;
  if (!mark) {
    tip.hidden = true;
    return;
  }
  const title = mark.querySelector("title");
  if (title) {
    said.set(mark, title.textContent);
    title.remove();
  }
  tip.textContent = said.get(mark) || "";
  tip.hidden = false;
});
document.addEventListener("pointermove", (event) => {
  if (tip.hidden) return;
  const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
  tip.style.left = `${Math.max(8, Math.min(event.clientX + 14, room))}px`;
  const above = event.clientY - tip.offsetHeight - 12;
  tip.style.top = `${above < 8 ? event.clientY + 18 : above}px`;
});
document.addEventListener("scroll", () => {
  tip.hidden = true;
}, { passive: true });
