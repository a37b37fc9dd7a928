"use strict";
// Keeps the figures up to date while the page is looked at.
const places = [...document.querySelectorAll("[data-live]")];
const fresh = document.getElementById("fresh");
let before = null;
const show = (live) => {
  for (const place of places) {
    const name = place.dataset.live;
    const text = name === "state" ? (live.running ? "running" : "not running") : live[name];
    if (typeof text === "string" && place.textContent !== text) place.textContent = text;
  }
  if (before === null) before = live.rows;
  if (fresh && live.rows !== before && before !== "…") fresh.hidden = false;
  if (before === "…") before = live.rows;
};
const look = async () => {
  let pause = 3000;
  try {
    if (!document.hidden) {
      const live = await (await fetch("/live")).json();
      show(live);
      if (live.running || !live.complete) pause = 1000;
    }
  } catch {
    // The viewer has ended; it may begin again.
    pause = 5000;
  }
  setTimeout(look, pause);
};
if (places.length) look();
