// What makes the pages quicker to use. Every page works without it.

import "./keys.js";
import "./selection.js";
import "./center.js";
import { $, $$, announce, closePopovers, toast } from "./dom.js";

const root = document.documentElement;

// ---- Theme: kept in a cookie, so that the server draws the right one at once.
function chooseTheme(theme) {
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  const age = theme === "system" ? 0 : 31536000;
  document.cookie = `theme=${theme}; Path=/; Max-Age=${age}; SameSite=Lax${secure}`;
}

// ---- Search inside a facet.
function narrowFacet(input) {
  const words = input.value.trim().toLowerCase();
  const popover = input.closest(".popover");
  let shown = 0;
  for (const option of $$(".options > .option", popover)) {
    option.hidden = !option.textContent.toLowerCase().includes(words);
    if (!option.hidden) shown += 1;
  }
  $(".facet-none", popover).hidden = shown > 0;
}

async function copy(button) {
  const text = $(button.dataset.copy).textContent.trim();
  try {
    await navigator.clipboard.writeText(text);
    announce("Copied");
    button.dataset.copied = "";
    setTimeout(() => delete button.dataset.copied, 2000);
  } catch {
    getSelection().selectAllChildren($(button.dataset.copy));
    toast("The browser does not allow copying. The text is selected: press Ctrl+C.");
  }
}

// ---- Partial updates: keep an open facet open and what is being typed, say what came, show failures.
let kept = null;
let typed = null;

function beforeSwap(event) {
  const { target, xhr } = event.detail;
  // Only an answer that says where it belongs is shown; any other page of an error is for `onRefused`.
  if (xhr.status === 400 && !xhr.getResponseHeader("HX-Retarget")) event.detail.shouldSwap = false;
  const field = document.activeElement;
  if (target.contains(field) && field.matches("#search, #transcript-search")) {
    typed = { id: field.id, value: field.value, at: [field.selectionStart, field.selectionEnd] };
  }
  const open = $("details.facet[open]", target);
  if (!open) return;
  kept = { id: open.id, words: $("[data-facet-search]", open)?.value, top: $(".options", open)?.scrollTop };
}

// htmx has put the focus back: the words go on from where they were, whatever the answer made of them.
function afterSwap() {
  const field = typed && document.getElementById(typed.id);
  if (field && field === document.activeElement) {
    field.value = typed.value;
    field.setSelectionRange(...typed.at);
  }
  typed = null;
}

function afterSettle() {
  reveal();
  const facet = kept && document.getElementById(kept.id);
  if (facet) {
    facet.open = true;
    const search = $("[data-facet-search]", facet);
    if (search && kept.words) {
      search.value = kept.words;
      narrowFacet(search);
    }
    if (kept.top) $(".options", facet).scrollTop = kept.top;
  }
  kept = null;
  const summary = $("#results")?.dataset.summary;
  if (summary === undefined) return;
  if (summary) announce(summary);
  const shown = $("#list-summary");
  if (shown) shown.textContent = summary;
}

function onRefused(event) {
  const { target, xhr, requestConfig } = event.detail;
  if (xhr.getResponseHeader("HX-Retarget")) return;
  const isBeside = target?.closest(".peek-slot, #center, .evidence");
  if (requestConfig.verb === "get" && !isBeside) location.assign(xhr.responseURL || requestConfig.path);
  else toast("The server refused this. Load the page again and look at what changed.");
}

// An empty field of a filter form is no filter: it stays out of the address.
function dropEmpty(event) {
  if (!event.target.matches("#filters")) return;
  for (const [name, value] of [...event.detail.formData.entries()]) if (value === "") event.detail.formData.delete(name);
}

function reveal() {
  for (const item of $$("[data-needs-script][hidden]")) item.hidden = false;
}

function onChange({ target }) {
  if (target.name === "theme") chooseTheme(target.value);
  // To choose a value and to leave it out exclude each other.
  const option = target.closest(".option");
  if (option && target.type === "checkbox" && target.checked) {
    for (const other of $$("input[type=checkbox]", option)) if (other !== target) other.checked = false;
  }
}

function onClick(event) {
  closePopovers(event.target);
  const copyButton = event.target.closest("[data-copy]");
  if (copyButton) copy(copyButton);
  const opener = event.target.closest("[data-open]");
  if (opener) {
    closePopovers(null);
    document.getElementById(opener.dataset.open).showModal();
  }
}

// A double click sends a form once. What scripts send has rules of its own.
const SENT_MS = 3_000;
function sendOnce(event) {
  const form = event.target;
  if (event.defaultPrevented || form.getAttribute("method") !== "post" || form.hasAttribute("hx-post")) return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "true";
  setTimeout(() => delete form.dataset.sent, SENT_MS);
}

// A step in the history that came while this page was loading has changed the address alone: htmx hears of
// those that come later.
function showWhatTheAddressSays() {
  const [asked, wanted] = [performance.getEntriesByType("navigation")[0]?.name, location.href];
  if (asked && history.state?.htmx && asked.split("#")[0] !== wanted.split("#")[0]) location.reload();
}

function start() {
  reveal();
  const theme = $(`input[name=theme][value=${root.dataset.theme ?? "system"}]`);
  if (theme) theme.checked = true;
  addEventListener("load", showWhatTheAddressSays);
  document.addEventListener("click", onClick);
  document.addEventListener("change", onChange, { capture: true });
  document.addEventListener("submit", sendOnce);
  document.addEventListener("input", ({ target }) => {
    if (target.matches("[data-facet-search]")) narrowFacet(target);
  });
  // Typing in a facet's own search must not submit the form around it.
  for (const type of ["keydown", "change", "search"]) {
    document.addEventListener(type, (event) => {
      const inFacet = event.target.matches?.("[data-facet-search]");
      if (inFacet && type === "change") event.stopPropagation();
      if (inFacet && event.key === "Enter") event.preventDefault();
    }, { capture: true });
  }
  document.addEventListener("htmx:beforeSwap", beforeSwap);
  document.addEventListener("htmx:afterSwap", afterSwap);
  document.addEventListener("htmx:afterSettle", afterSettle);
  document.addEventListener("htmx:configRequest", dropEmpty);
  document.addEventListener("htmx:responseError", onRefused);
  document.addEventListener("htmx:sendError", () => toast("The server could not be reached. What you see may be old; try again."));
}

start();
