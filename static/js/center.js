// The Command Center: opened on any page, its rows moved between its sections as changes come.
import { $, $$, closePopovers, post, toast } from "./dom.js";
import { closePeek, openPeek, peeked, rowOf, togglePeek } from "./peek.js";

const OPEN = "center-open";
const SCOPE = "center-scope";
const button = $("#center-button");
const panel = $("#center");
const content = $("#center-content");

// ---- Opening and closing. The panel is not modal: the page beside it goes on.
export function toggleCenter(isOpen = !panel?.open) {
  if (!panel) return;
  localStorage.setItem(OPEN, isOpen ? "1" : "");
  if (isOpen) {
    panel.show();
    load();
  } else {
    const hadFocus = panel.contains(document.activeElement);
    closePeek();
    panel.close();
    if (hadFocus) button.focus();
  }
  button.setAttribute("aria-expanded", isOpen);
}

export const isShown = () => Boolean($(".center-body", content ?? undefined)) && (!panel || panel.open);
export const needs = () => button.dataset.needs.split(" ").filter(Boolean);

export async function load(address = button.dataset.url + (localStorage.getItem(SCOPE) ?? "")) {
  if (!content) return;
  const started = performance.now();
  await htmx.ajax("GET", address, { target: content, swap: "innerHTML" });
  decorate(started);
}

// Without the focus that `show` would take from the page.
function openAgain() {
  if (!panel || !localStorage.getItem(OPEN)) return;
  panel.open = true;
  button.setAttribute("aria-expanded", "true");
  load();
}

function decorate(started = 0) {
  for (const row of $$(".row", content)) addPeekButton(row);
  const body = $(".center-body", content);
  if (!body) return;
  const split = (text) => text.split(" ").filter(Boolean);
  // What is left out of the panel needs me all the same: only the whole panel counts.
  const mine = { unread: split(body.dataset.unread), needs: body.dataset.without ? needs() : split(body.dataset.needs) };
  document.dispatchEvent(new CustomEvent("center:loaded", { detail: { mine, started } }));
}

export function addPeekButton(row) {
  const place = $(".row-action", row);
  if (!place || $(".row-peek", place)) return;
  const peek = document.createElement("button");
  peek.type = "button";
  peek.className = "row-peek";
  peek.setAttribute("aria-expanded", "false");
  peek.setAttribute("aria-label", `Look at ${$(".row-title", row).textContent}`);
  peek.append($("#peek-icon").content.cloneNode(true));
  place.prepend(peek);
}

// ---- How many need me: on the button and in the tab's title.
export function countNeeds(keys) {
  const text = keys.length > 99 ? "99+" : keys.length ? String(keys.length) : "";
  button.dataset.needs = keys.join(" ");
  $("[data-count]", button).dataset.count = text;
  $("[data-count-text]", button).textContent = text;
  document.title = (text ? `(${text}) ` : "") + document.title.replace(/^\(\d+\+?\) /, "");
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
  if (!link && !action) return;
  event.preventDefault();
  closePopovers(null);
  if (action) {
    const name = new URL(action.href).hash.replace("#act-", "");
    openPeek(action.closest(".row"), name === "review" ? "approve accept" : name);
  } else {
    localStorage.setItem(SCOPE, new URL(link.href).search);
    load(link.href);
  }
}

async function readAll(event) {
  const form = event.target.closest("form");
  event.preventDefault();
  const answer = await post(form.action).catch(() => null);
  if (answer?.ok) load();
  else toast("The server could not be reached. Nothing was marked; try again.");
}

if (button) {
  document.addEventListener("click", onClick);
  document.addEventListener("session:acted", () => {
    if (!peeked() && (panel?.open || !panel)) load();
  });
  if (panel) openAgain();
  else decorate();
}
