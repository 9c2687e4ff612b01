// Sessions of the list that are selected for one action on all of them. The boxes belong to the form `#bulk`,
// which works without this script; here the bar follows them and says what they offer.
import { $, $$, announce } from "./dom.js";

const PAUSE_MS = 150;

let kept = new Set(); // keys of the ticked rows, to tick them again where the list was read anew
let anchor = null; // a range begins at the box that was changed last
let timer = 0;
let asked = "";

const boxes = () => $$("#results .row-select input");
const ticked = () => boxes().filter((box) => box.checked);

export const hasSelection = () => ticked().length > 0;

export function toggleSelected(row) {
  const box = row && $("#bulk") ? $(".row-select input", row) : null;
  if (!box) return false;
  box.checked = !box.checked;
  anchor = box;
  follow();
  return true;
}

export function clearSelection() {
  for (const box of ticked()) box.checked = false;
  follow();
}

function follow() {
  kept = new Set(ticked().map((box) => box.value));
  const tools = $("#bulk-tools");
  if (!tools) return;
  tools.hidden = kept.size === 0;
  const words = `${kept.size} selected`;
  if ($("#bulk-count").textContent !== words) {
    $("#bulk-count").textContent = words;
    if (kept.size) announce(words);
  }
  $("#bulk-all").hidden = kept.size === boxes().length;
  clearTimeout(timer);
  if (kept.size) timer = setTimeout(ask, PAUSE_MS);
}

// What they offer to this member, by how many of them.
async function ask() {
  const form = $("#bulk");
  const keys = [...kept].map((key) => ["s", key]);
  const query = new URLSearchParams([["part", "bar"], ...keys]).toString();
  asked = query;
  try {
    // The buttons that are offered are called "action", too: as a property of the form it would be they.
    const response = await fetch(`${form.getAttribute("action")}?${query}`);
    if (asked !== query || response.redirected) return;
    if (response.ok) showOffers(await response.text());
    else if (response.status === 400) $("#bulk-offers").textContent = "Too many: 100 at most can be decided at once";
    else $("#bulk-offers").textContent = "What they offer could not be read: load the page again";
  } catch {
    $("#bulk-offers").textContent = "The server could not be reached";
  }
}

// A button that stays is not replaced: somebody may be pressing it.
function showOffers(html) {
  const place = $("#bulk-offers");
  const fresh = place.cloneNode();
  fresh.innerHTML = html;
  const [shown, offered] = [$$("button", place), $$("button", fresh)];
  const isSame = shown.length && shown.map(({ value }) => value).join() === offered.map(({ value }) => value).join();
  if (!isSame) place.replaceChildren(...fresh.childNodes);
  else for (const [number, button] of shown.entries()) button.textContent = offered[number].textContent;
}

function onClick(event) {
  if (event.target.id === "bulk-clear") {
    clearSelection();
    $("#results .row-title")?.focus({ preventScroll: true });
  } else if (event.target.id === "bulk-all") {
    for (const box of boxes()) box.checked = true;
    follow();
  } else if (event.target.matches?.("#results .row-select input")) {
    choose(event.target, event.shiftKey);
  }
}

function choose(box, isRange) {
  const all = boxes();
  const [from, to] = [all.indexOf(anchor), all.indexOf(box)].sort((a, b) => a - b);
  if (isRange && from >= 0) for (const each of all.slice(from, to + 1)) each.checked = box.checked;
  anchor = box;
  follow();
}

// The list was read anew: what is still in it stays selected.
function restore() {
  if (!$("#bulk")) return;
  for (const box of boxes()) if (kept.has(box.value)) box.checked = true;
  follow();
}

document.addEventListener("click", onClick);
document.addEventListener("htmx:afterSettle", restore);
// A range selects rows, not their texts.
document.addEventListener("mousedown", (event) => event.shiftKey && event.target.closest?.(".row-select") && event.preventDefault());
window.addEventListener("pageshow", follow);
