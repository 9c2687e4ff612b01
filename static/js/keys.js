// The keyboard. Off while typing, in dialogs, and where the person has turned it off.
import { $, $$, closePopovers, toast } from "./dom.js";
import { closePeek, focusAction, openPeek, peeked, togglePeek } from "./peek.js";
import { toggleCenter } from "./center.js";
import { hasNews, isNew } from "./center_mine.js";
import { clearSelection, hasSelection, toggleSelected } from "./selection.js";

const OFF = "keys-off";
const ORDER = "list-order";

// Seen as well as heard, once while it is shown: the person has pressed a key and nothing else happens.
function tell(text) {
  if (!$$(".toast").some((shown) => shown.textContent.trim() === text)) toast(text, "neutral");
}

// The rows that keys move through: the panel's while the focus is in it, else the page's.
const place = () => (document.activeElement.closest("#center") ?? $("#main"));
const titles = (root = place()) => $$(".row .row-title, .group-row .row-title", root);
const current = () => document.activeElement.closest(".row, .group-row") ?? previousRow(peeked());
const previousRow = (slot) => (slot?.contains(document.activeElement) ? slot.previousElementSibling : null);

function move(step) {
  const all = titles();
  if (!all.length) return;
  const here = all.findIndex((title) => title.closest("li") === current());
  const next = here < 0 ? (step > 0 ? 0 : all.length - 1) : here + step;
  focusRow(all[Math.max(0, Math.min(all.length - 1, next))]);
}

function focusRow(title) {
  closePopovers(null);
  title.focus();
  title.closest("li").scrollIntoView({ block: "nearest" });
}

// The next that needs me or that I have not seen; where nothing on the page does, in the Command Center.
async function next() {
  const panel = $("#center");
  const found = nextIn(titles());
  if (found) return focusRow(found);
  if (panel && hasNews()) {
    if (!panel.open) await toggleCenter(true);
    const there = nextIn(titles(panel));
    if (there) return focusRow(there);
  }
  tell("Nothing here needs you");
}

function nextIn(all) {
  const here = all.findIndex((title) => title.closest("li") === current());
  return [...all.slice(here + 1), ...all.slice(0, here + 1)].find((title) => isNew(title.closest("li").dataset.session));
}

// In a list the row's peek shows what is acted on; on a session's own page its form stands there.
async function act(names, word) {
  const row = current();
  const done = row?.matches(".row") ? await openPeek(row, names) : focusAction($("#main"), names);
  if (!done) tell(`${word} is not offered here`);
}

function beside(step) {
  const order = JSON.parse(sessionStorage.getItem(ORDER) ?? "[]");
  const here = order.indexOf(location.pathname);
  const target = here < 0 ? null : order[here + step];
  if (target) location.assign(target);
  else tell(step > 0 ? "No next session" : "No previous session");
}

function peekHere() {
  const row = current();
  if (!row?.matches(".row")) return false;
  togglePeek(row);
  return true;
}

const KEYS = {
  "/": () => $("#search, #transcript-search")?.focus(),
  j: () => move(1),
  k: () => move(-1),
  n: next,
  x: () => toggleSelected(current()) || tell("Nothing to select here"),
  a: () => act("approve accept", "Approve"),
  r: () => act("resume retry", "Resume"),
  e: () => act("end cancel", "End"),
  ".": () => toggleCenter(),
  "[": () => beside(-1),
  "]": () => beside(1),
  "?": () => $("#keys-dialog")?.showModal(),
  "g s": () => $(".brand")?.click(),
};
// Only where a row has the focus: elsewhere they scroll and press.
const ON_A_ROW = { ArrowDown: () => move(1), ArrowUp: () => move(-1), " ": peekHere };
let prefix = "";

function typing(target) {
  return target.isContentEditable || target.matches("input:not([type=checkbox], [type=radio]), textarea, select");
}

function closeWithEscape(event) {
  const open = $("details[name=popover][open]");
  if (open) {
    event.preventDefault();
    const hadFocus = open.contains(document.activeElement);
    open.open = false;
    if (hadFocus) $("summary", open).focus();
  } else if (peeked()) {
    closePeek();
  } else if (document.activeElement.closest("#center")) {
    toggleCenter(false);
  } else if (hasSelection()) {
    clearSelection();
  }
}

function onKey(event) {
  if (event.key === "Escape") {
    if ($("dialog:modal")) return;
    if (typing(event.target) && event.target.type !== "search") return event.target.blur();
    return closeWithEscape(event);
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (typing(event.target) || $("dialog:modal") || localStorage.getItem(OFF)) return;
  const onRow = event.target.matches(".row-title") ? ON_A_ROW[event.key] : null;
  const action = onRow ?? KEYS[prefix + event.key] ?? KEYS[event.key];
  prefix = event.key === "g" ? "g " : "";
  if (!action) return;
  event.preventDefault();
  action();
}

// The order of the list that a session was opened from, for the way from one to the next.
function keepOrder({ target }) {
  const link = target.closest("#main .row-title");
  if (!link) return;
  const paths = $$("#main .row .row-title").map((title) => new URL(title.href).pathname);
  sessionStorage.setItem(ORDER, JSON.stringify(paths));
}

const setting = $("[data-keys-toggle]");
if (setting) {
  setting.checked = !localStorage.getItem(OFF);
  setting.addEventListener("change", () => {
    if (setting.checked) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, "1");
  });
}
document.addEventListener("keydown", onKey);
document.addEventListener("click", keepOrder);
