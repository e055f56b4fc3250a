// Refreshes the part of the page that is marked, every few seconds. Everything works without it.
"use strict";

const EVERY = 4000; // milliseconds between two looks
const LONGEST = 10000; // milliseconds until a look is given up
const live = () => document.getElementById("live");
const said = document.getElementById("refreshed");
const toggle = document.getElementById("refresh");
let paused = false;
let last = "";

function busy() {
  // Never under the hands of a visitor: while they type, choose or select.
  const at = document.activeElement;
  const typing = at && live().contains(at) && ["INPUT", "SELECT"].includes(at.tagName);
  const marked = window.getSelection();
  return typing || (marked && !marked.isCollapsed && live().contains(marked.anchorNode));
}

function show(text) {
  const opened = [...live().querySelectorAll("details[open][id]")].map((one) => one.id);
  const focused = document.activeElement;
  const again = focused && live().contains(focused) ? path(focused) : null;
  const scrolled = [...live().querySelectorAll(".scroll")].map((one) => one.scrollLeft);
  const next = new DOMParser().parseFromString(text, "text/html");
  const fresh = next.getElementById("live");
  if (!fresh) {
    location.reload(); // another page than this one: a login, or an error
    return;
  }
  live().replaceChildren(...fresh.childNodes);
  document.title = next.title;
  opened.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
  live().querySelectorAll(".scroll").forEach((one, at) => { one.scrollLeft = scrolled[at] || 0; });
  if (again) live().querySelector(again)?.focus({ preventScroll: true });
}

// An element's way from the refreshed part, to find its successor.
function path(element) {
  if (element.id) return `#${CSS.escape(element.id)}`;
  const steps = [];
  for (let at = element; at !== live(); at = at.parentElement) {
    const place = [...at.parentElement.children].indexOf(at) + 1;
    steps.unshift(`${at.tagName.toLowerCase()}:nth-child(${place})`);
  }
  return steps.join(" > ");
}

async function look() {
  if (paused || document.hidden || busy()) return;
  try {
    const answer = await fetch(location.href, {
      cache: "no-store",
      signal: AbortSignal.timeout(LONGEST),
    });
    if (answer.status === 401 || answer.redirected) {
      location.reload();
      return;
    }
    if (!answer.ok) throw new Error(answer.statusText);
    const text = await answer.text();
    if (text !== last && !paused && !busy()) show(text);
    last = text;
    said.textContent = `Updated ${new Date().toLocaleTimeString()}`;
  } catch {
    said.textContent = "No answer, trying again";
  }
}

async function run() {
  const start = performance.now();
  await look();
  // A page that takes long is asked for less often.
  setTimeout(run, Math.max(EVERY, 5 * (performance.now() - start)));
}

toggle.hidden = false;
toggle.addEventListener("click", () => {
  paused = !paused;
  toggle.setAttribute("aria-pressed", String(paused));
  said.textContent = paused ? "Updates are paused" : "";
  if (!paused) look();
});
setTimeout(run, EVERY);
