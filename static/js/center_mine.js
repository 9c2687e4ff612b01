// What is this person's own of rows that are the same for everybody: what needs them, what they have not seen,
// and which others are answering.
import { $, $$, post, sessionUrl } from "./dom.js";
import { countShown } from "./center_cards.js";

const CLAIM_MS = 40_000; // longer than a claim lasts that is not kept

const button = $("#center-button");
const unread = new Set();
const claims = new Map(); // key -> {name, timer}
const looked = new Map(); // key -> whether the server knows of the look: an older answer does not undo it
let isTold = false; // the server has said what is unread
let needing = new Set((button?.dataset.needs ?? "").split(" ").filter(Boolean));

export const me = button?.dataset.me;
const canRun = button?.dataset.canRun === "true";
const canManage = button?.dataset.canManage === "true";
export const isNew = (key) => needing.has(key) || unread.has(key);
export const hasNews = () => needing.size + unread.size > 0;

export function needsMe(row) {
  if (!canRun || row.dataset.tone !== "attention") return false;
  const awaits = (row.dataset.awaits ?? "").split(" ");
  return awaits.includes(me) || awaits.includes("members");
}

// ---- What the server says of all of it
export function beforeAsking() {
  for (const [key, isKnown] of looked) if (isKnown) looked.delete(key);
}

export function takeMine(mine) {
  isTold = true;
  unread.clear();
  for (const key of mine.unread) if (!looked.has(key)) unread.add(key);
  for (const key of mine.needs) setClaim(key, mine.claims[key]);
  needing = new Set(mine.needs);
  showNeeds();
  markAll();
}

// ---- What a frame says of one
export function setNeeding(key, isNeeding) {
  if (isNeeding === needing.has(key)) return;
  if (isNeeding) needing.add(key);
  else needing.delete(key);
  showNeeds();
}

// On the button, in the tab's title, over the section.
export function showNeeds() {
  const text = needing.size > 99 ? "99+" : String(needing.size || "");
  button.dataset.needs = [...needing].join(" ");
  $("[data-count]", button).dataset.count = text;
  $("[data-count-text]", button).textContent = text;
  document.title = (text ? `(${text}) ` : "") + document.title.replace(/^\(\d+\+?\) /, "");
  countShown([...needing]);
}

export function setUnread(key) {
  looked.delete(key);
  unread.add(key);
}

export async function see(key) {
  looked.set(key, false);
  const wasUnread = unread.delete(key);
  markAll(key);
  // Also where the person goes on to another page at once.
  if (wasUnread || !isTold) await post(sessionUrl(key, "seen"), {}, { keepalive: true }).catch(() => {});
  if (looked.has(key)) looked.set(key, true);
}

export function forget(key) {
  unread.delete(key);
  setClaim(key, "");
}

// `text`: id and name of whoever is answering, "" for nobody.
export function setClaim(key, text) {
  clearTimeout(claims.get(key)?.timer);
  claims.delete(key);
  const [id, ...name] = (text ?? "").split(" ");
  if (!id || id === me) return;
  claims.set(key, { name: name.join(" "), timer: setTimeout(endClaim, CLAIM_MS, key) });
}

// Nobody is told of a claim that is kept: of what needs this person the server is asked.
function endClaim(key) {
  if (needing.has(key)) return document.dispatchEvent(new CustomEvent("center:ask"));
  claims.delete(key);
  markAll(key);
}

// ---- On the rows of the page and of the panel
function mark(row) {
  const key = row.dataset.session;
  row.toggleAttribute("data-unread", unread.has(key));
  // Nobody is offered what the server would refuse them.
  $(".row-action > a", row)?.toggleAttribute("hidden", !needsMe(row) && !(canRun && canManage));
  const claim = claims.get(key);
  const text = claim && `being answered by ${claim.name}`;
  const note = $(".row-claim", row);
  if (!claim) note?.remove();
  else if (note) note.textContent = text;
  else $(".row-main", row)?.append(Object.assign(document.createElement("span"), { className: "claim row-claim", textContent: text }));
}

export function markAll(key) {
  for (const row of $$(key ? `.row[data-session="${CSS.escape(key)}"]` : ".row")) mark(row);
}
