// The cards of the Command Center. Every card comes in through `show` (all of them, as the server read them) or
// `place` (one, as a frame told it), and both take away where it stood: each session stands exactly once.
import { $, $$ } from "./dom.js";
import { morph } from "./morph.js";
import { peeked, rowOf } from "./peek.js";

const SECTION_SIZE = 20;
const root = $("#center-content");
const panel = $("#center");
const leaving = new Map(); // key -> the section that a card goes to once nobody is at it; null: it goes

export const body = () => $(".center-body", root ?? undefined);
export const isShown = () => Boolean(body()) && (!panel || panel.open);
export const leftOut = () => body().dataset.without.split(" ");
const sectionOf = (name) => $(`[data-section=${name}]`, body());
const cardOf = (key) => $(`.row[data-session="${CSS.escape(key)}"]`, body());
const isEngaged = (card) => card.contains(document.activeElement) || rowOf(peeked()) === card;

// ---- All of them. What somebody is at stays where it is, and goes when they have left it.
export function show(fresh) {
  const old = body();
  for (const row of $$(".row", fresh)) dress(row);
  if (!old) return root.replaceChildren(fresh);
  for (const { name, value } of fresh.attributes) old.setAttribute(name, value);
  morph($(".center-tools", old), $(".center-tools", fresh));
  swapAway(old, $(".away", fresh));
  leaving.clear();
  const standing = new Set($$(".row", fresh).map((row) => row.dataset.session));
  for (const card of $$(".row", old)) {
    if (standing.has(card.dataset.session)) continue;
    if (isEngaged(card)) settle(card, null);
    else card.remove();
  }
  for (const section of $$(".center-section", fresh)) fill(section);
}

function swapAway(old, fresh) {
  const away = $(".away", old);
  const hadFocus = away?.contains(document.activeElement);
  away?.remove();
  if (fresh) $(".center-tools", old).after(fresh);
  if (hadFocus) $(".away button, .center-tools a", old).focus();
}

function fill(fresh) {
  const section = sectionOf(fresh.dataset.section);
  const list = $(".rows", section);
  const beyond = (card) => (card?.nextElementSibling?.matches(".peek-slot") ? card.nextElementSibling : card)?.nextElementSibling;
  section.toggleAttribute("data-more", fresh.hasAttribute("data-more"));
  $(".count", section).textContent = $(".count", fresh).textContent;
  $(".center-all a", section).href = $(".center-all a", fresh).href;
  let at = list.firstElementChild;
  for (const row of $$(".row", fresh)) {
    const card = cardOf(row.dataset.session);
    if (card) update(card, row);
    if (card && isEngaged(card)) {
      settle(card, section.dataset.section);
      if (card === at) at = beyond(card);
    } else if (card && card === at) at = beyond(card);
    else list.insertBefore(card ?? row, at);
    card?.toggleAttribute("data-stale", leaving.has(row.dataset.session));
  }
}

// ---- One of them: `section` is where it belongs, null for nowhere. Within its section it changes where it is.
export function place(key, row, section) {
  const old = cardOf(key);
  if (row) dress(row);
  if (old && row) update(old, row);
  if (old && isEngaged(old)) settle(old, section);
  else move(key, old ?? row, section);
}

function update(card, row) {
  morph(card, row);
  if (rowOf(peeked()) === card) $(".row-peek", card).setAttribute("aria-expanded", "true");
}

function settle(card, section) {
  const isAway = section !== card.closest(".center-section").dataset.section;
  card.toggleAttribute("data-stale", isAway);
  if (isAway) leaving.set(card.dataset.session, section);
  else leaving.delete(card.dataset.session);
}

function move(key, card, section) {
  const from = card?.closest(".center-section");
  leaving.delete(key);
  if (!section && !from) return;
  if (from?.dataset.section !== section) {
    card.remove();
    card.removeAttribute("data-stale");
    if (section) insert(card, sectionOf(section));
  }
  for (const one of new Set([from, section && sectionOf(section)])) if (one) recount(one);
}

// Each section has its newest first; what is live makes no difference within one.
function insert(card, section) {
  const list = $(".rows", section);
  const age = (row) => row.dataset.order.slice(1);
  list.insertBefore(card, $$(":scope > .row", list).find((other) => age(other) < age(card)) ?? null);
  const last = $$(":scope > .row", list).at(-1);
  if ($$(":scope > .row", list).length <= SECTION_SIZE || isEngaged(last)) return;
  last.remove();
  section.toggleAttribute("data-more", true);
}

export function catchUpCards() {
  for (const [key, section] of [...leaving]) {
    const card = cardOf(key);
    if (!card) leaving.delete(key);
    else if (!isEngaged(card)) move(key, card, section);
  }
}

// ---- What stands beside the cards
function recount(section) {
  const shown = $$(".row", section).length;
  const hasMore = section.hasAttribute("data-more");
  if (section.dataset.section !== "needs") $(".count", section).textContent = hasMore ? `${SECTION_SIZE}+` : shown;
  // There are others for the place that has become free.
  if (hasMore && shown < SECTION_SIZE) document.dispatchEvent(new CustomEvent("center:ask"));
}

// Of the sessions that need me, those that the panel does not leave out.
export function countShown(needs) {
  if (!body()) return;
  const count = needs.filter((key) => !leftOut().includes(key.split(":")[0])).length;
  $("[data-section=needs] .count", body()).textContent = count > 99 ? "100+" : count;
}

// The list's row as the panel has it: with a peek, and without the box that selects it in the list.
function dress(row) {
  if (!row.id.startsWith("center-")) row.id = `center-${row.id}`;
  $(".row-select", row)?.remove();
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

if (body()) for (const row of $$(".row", body())) dress(row);
for (const type of ["focusout", "peek:closed"]) {
  document.addEventListener(type, () => leaving.size && requestAnimationFrame(catchUpCards));
}
