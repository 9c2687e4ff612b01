// The cards of the Command Center. Every card comes in through `show` (all of them, as the server read them) or
// `place` (one, as a frame told it), and both take away where it stood: each session stands exactly once. What a card
// says changes at once; what would push the place where somebody is waits until they have left it.
import { $, $$ } from "./dom.js";
import { morph } from "./morph.js";
import { peeked, rowOf } from "./peek.js";
import { onLeaving, whereabouts } from "./presence.js";

const SECTION_SIZE = 20;
const root = $("#center-content");
const panel = $("#center");
const held = new Map(); // key -> {card, section}: where a card goes in its time; null: it goes away
let heldAway = null; // {line}: what happened while the person was away, null for nothing; shown in its time

export const body = () => $(".center-body", root ?? undefined);
export const isShown = () => Boolean(body()) && (!panel || panel.open);
export const leftOut = () => body().dataset.without.split(" ");
const sectionOf = (name) => $(`[data-section=${name}]`, body());
const cardOf = (key) => $(`.row[data-session="${CSS.escape(key)}"]`, body()) ?? held.get(key)?.card;
const placeOf = (card) => card?.closest(".center-section")?.dataset.section ?? null;
const age = (card) => card.dataset.order.slice(1);

// ---- All of them
export function show(fresh) {
  const old = body();
  for (const row of $$(".row", fresh)) dress(row);
  if (!old) return root.replaceChildren(fresh);
  for (const { name, value } of fresh.attributes) old.setAttribute(name, value);
  morph($(".center-tools", old), $(".center-tools", fresh));
  heldAway = { line: $(".away", fresh) };
  for (const section of $$(".center-section", fresh)) showHead(section);
  const cards = new Map($$(".row", fresh).map((row) => [row.dataset.session, [cardOf(row.dataset.session), row, placeOf(row)]]));
  held.clear();
  for (const card of $$(".row", old)) if (!cards.has(card.dataset.session)) want(card.dataset.session, card, null);
  for (const [key, [card, row, section]] of cards) {
    row.remove(); // it stands nowhere yet
    if (card) update(card, row);
    want(key, card ?? row, section);
  }
  release();
  const at = whereabouts(old);
  for (const list of $$(".rows", old)) if (!at.isAtOrAfter(list)) sort(list);
}

function showHead(fresh) {
  const section = sectionOf(fresh.dataset.section);
  section.toggleAttribute("data-more", fresh.hasAttribute("data-more"));
  $(".count", section).textContent = $(".count", fresh).textContent;
  $(".center-all a", section).href = $(".center-all a", fresh).href;
}

// Each section has its newest first; what is live makes no difference within one.
function sort(list) {
  const cards = $$(":scope > .row", list);
  const sorted = cards.toSorted((one, other) => (age(one) < age(other) ? 1 : -1));
  if (sorted.every((card, place) => card === cards[place])) return;
  const slot = $(":scope > .peek-slot", list);
  for (const card of sorted) list.append(card, ...(rowOf(slot) === card ? [slot] : []));
}

// ---- One of them: `section` is where it belongs, null for nowhere. Within its section it changes where it is.
export function place(key, row, section) {
  const old = cardOf(key);
  if (row) dress(row);
  if (old && row) update(old, row);
  want(key, old ?? row, section);
  release();
}

function update(card, row) {
  morph(card, row);
  if (rowOf(peeked()) === card) $(".row-peek", card).setAttribute("aria-expanded", "true");
}

function want(key, card, section) {
  const here = placeOf(card);
  if (section === here) held.delete(key);
  else held.set(key, { card, section });
  card?.toggleAttribute("data-stale", Boolean(here) && section !== here);
}

// ---- In their time
function release() {
  if (!body()) return;
  const at = whereabouts(body());
  if (heldAway && !at.isAfter($(".away", body()) ?? $(".center-tools", body()))) swapAway();
  for (const [key, { card, section }] of [...held]) if (mayMove(card, section, at)) move(key, card, section);
  for (const card of $$(".row[style]", body())) if (!at.isAfter(card)) card.removeAttribute("style");
  const note = $("#center-held");
  if (note) note.textContent = held.size ? `${held.size} to move` : "";
}

function mayMove(card, section, at) {
  if (placeOf(card) && (at.isAtOrAfter(card) || rowOf(peeked()) === card)) return false;
  if (!section) return true;
  const next = nextOf(card, section);
  return next ? !at.isAtOrAfter(next) : !at.isAfter($(".rows", sectionOf(section)));
}

const nextOf = (card, section) => $$(".row", sectionOf(section)).find((other) => other !== card && age(other) < age(card));

function move(key, card, section) {
  const from = sectionOf(placeOf(card));
  held.delete(key);
  card.removeAttribute("data-stale");
  card.remove();
  if (section) insert(card, section);
  for (const one of new Set([from, section && sectionOf(section)])) if (one) recount(one);
}

function insert(card, name) {
  const section = sectionOf(name);
  $(".rows", section).insertBefore(card, nextOf(card, name) ?? null);
  const cards = $$(".row", section);
  if (cards.length <= SECTION_SIZE || rowOf(peeked()) === cards.at(-1)) return;
  cards.at(-1).remove();
  section.toggleAttribute("data-more", true);
}

function swapAway() {
  const old = $(".away", body());
  const hadFocus = old?.contains(document.activeElement);
  old?.remove();
  if (heldAway.line) $(".center-tools", body()).after(heldAway.line);
  if (hadFocus) $(".away button, .center-tools a", body()).focus();
  heldAway = null;
}

// Whatever the cards say after `work`, those before the place where somebody is keep their height.
export function keepHeights(work) {
  const at = body() && whereabouts(body());
  const heightOf = (card) => card.getBoundingClientRect().height;
  const heights = at ? $$(".row", body()).filter(at.isAfter).map((card) => [card, heightOf(card)]) : [];
  work();
  for (const [card, height] of heights) if (heightOf(card) !== height) card.style.blockSize = `${height}px`;
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
onLeaving(release);
