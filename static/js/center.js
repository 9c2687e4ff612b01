// The Command Center: a panel that opens beside any page and stays open on the next.
import { $, closePopovers, post, toast } from "./dom.js";
import { choose, readAnew } from "./center_live.js";
import { closePeek, openPeek, peeked, togglePeek } from "./peek.js";

const OPEN = "center-open";
const button = $("#center-button");
const panel = $("#center");
const content = $("#center-content");

// It is not modal: the page beside it goes on. Resolves when it shows how things stand.
export async function toggleCenter(isOpen = !panel?.open) {
  if (!panel) return;
  localStorage.setItem(OPEN, isOpen ? "1" : "");
  button.setAttribute("aria-expanded", isOpen);
  if (isOpen) {
    panel.show();
    await readAnew();
  } else {
    const hadFocus = panel.contains(document.activeElement);
    if (panel.contains(peeked())) closePeek();
    panel.close();
    if (hadFocus) button.focus();
  }
}

// Without the focus that `show` would take from the page.
function openAgain() {
  panel.open = true;
  button.setAttribute("aria-expanded", "true");
}

function onClick(event) {
  const { target } = event;
  if (target.closest("#center-button")) return toggleCenter();
  if (target.closest("[data-away] button")) return readAll(event);
  if (target.closest("[data-center-close]")) return toggleCenter(false);
  const opener = target.closest(".row-peek");
  if (opener) return togglePeek(opener.closest(".row"));
  if (!content?.contains(target) || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const link = target.closest("[data-center-link]");
  const action = target.closest(".row-action > a");
  if (link) narrow(event, link);
  else if (action) answer(event, action);
}

// The page of its own has its scope in its address.
function narrow(event, link) {
  choose(new URL(link.href).search);
  if (!panel) return;
  event.preventDefault();
  if (panel.contains(peeked())) closePeek();
  readAnew();
}

function answer(event, action) {
  event.preventDefault();
  closePopovers(null);
  const name = new URL(action.href).hash.replace("#act-", "");
  openPeek(action.closest(".row"), name === "review" ? "approve accept" : name);
}

async function readAll(event) {
  const form = event.target.closest("form");
  event.preventDefault();
  const done = await post(form.action).catch(() => null);
  if (done?.ok) readAnew();
  else toast("The server could not be reached. Nothing was marked; try again.");
}

if (button) {
  document.addEventListener("click", onClick);
  if (panel && localStorage.getItem(OPEN)) openAgain();
  readAnew();
}
