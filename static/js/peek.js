// Looking at a session where its row stands: the last output or the question, and what may be answered.
import { $, $$, announce, post, sessionUrl, toast } from "./dom.js";
import { morph, parse } from "./morph.js";
import { paced } from "./pace.js";
import { onLeaving, whereabouts } from "./presence.js";

const CLAIM_EVERY = 15_000;
const PAUSE_MS = 500; // between two readings of what stands open
const FINGER_MS = 600; // a finger that is on its way meant what stood there before
const reading = new WeakMap(); // slot -> the answer that it waits for, or has
let claiming = null;
let fresher = null; // a reading of the open peek that waits until nobody is at it

export const peeked = () => $(".peek-slot");
export const rowOf = (slot) => slot?.previousElementSibling;

// Opens below the row and puts the focus on the first of these, if it is there; says whether it was. What stands
// open already is not read again: somebody may be typing in it.
export async function openPeek(row, wanted = "") {
  if (rowOf(peeked()) !== row) closePeek();
  let slot = peeked();
  if (!slot) {
    slot = document.createElement("li");
    slot.className = "peek-slot";
    row.after(slot);
    setExpanded(row, true);
    reading.set(slot, fill(slot, row));
  }
  await reading.get(slot);
  if (!slot.isConnected) return false;
  return wanted ? focusAction(slot, wanted) : true;
}

// The slot asks for itself: questions of one element wait for each other, and are given up without a word.
async function fill(slot, row) {
  try {
    await htmx.ajax("GET", sessionUrl(row.dataset.session, "peek"), { source: slot, target: slot, swap: "innerHTML" });
  } catch {
    // The page has said that the server could not be reached.
  }
  if (!slot.isConnected) return;
  if (!$(".peek", slot)) return giveUp(slot);
  stopClaim();
  followClaim(slot, rowOf(slot));
  document.dispatchEvent(new CustomEvent("peek:opened", { detail: { key: row.dataset.session } }));
}

// What came is no peek: nothing, and why has been said; or the page to sign in.
function giveUp(slot) {
  if (slot.childElementCount) location.reload();
  else closePeek();
}

export function closePeek() {
  const slot = peeked();
  if (!slot) return;
  const row = rowOf(slot);
  const hadFocus = slot.contains(document.activeElement);
  forgetPeek();
  slot.remove();
  setExpanded(row, false);
  if (hadFocus) $(".row-title", row)?.focus();
  row?.dispatchEvent(new CustomEvent("peek:closed", { bubbles: true }));
}

// The list around it is read anew: it stays below its row, with what somebody has typed in it, if the row is still there.
let kept = null;

function beforeSwap({ detail: { target, shouldSwap, xhr } }) {
  const slot = peeked();
  if (!shouldSwap || xhr.status !== 200 || !slot || target === slot || !target.contains(slot)) return;
  kept = { slot, key: rowOf(slot).dataset.session };
  slot.remove();
}

function afterSwap() {
  if (!kept) return;
  const { slot, key } = kept;
  kept = null;
  const row = $(`#main .row[data-session="${CSS.escape(key)}"]`);
  if (!row) return forgetPeek();
  row.after(slot);
  renewSoon();
}

function forgetPeek() {
  fresher = null;
  stopClaim();
}

export function togglePeek(row, wanted) {
  if (rowOf(peeked()) === row && !wanted) closePeek();
  else return openPeek(row, wanted);
}

// An action that asks stands behind a summary: that is what is pressed first.
export function focusAction(root, names) {
  for (const name of names.split(" ")) {
    const button = $(`button[name=action][value="${name}"]`, root);
    const asks = button?.closest("details.confirm");
    const target = asks ? $("summary", asks) : button;
    if (!target) continue;
    if (asks) asks.open = true;
    (asks ? button : target).focus();
    return true;
  }
  return false;
}

function setExpanded(row, isOpen) {
  $(".row-peek", row ?? undefined)?.setAttribute("aria-expanded", isOpen);
}

// ---- What stands open follows its session. While somebody is at it, or at what it would push, it says that there is
// something else to show and stays what it is: nobody decides about another thing than the one that they have read.
const renewSoon = paced(renew, PAUSE_MS);

async function renew() {
  const slot = peeked();
  const shown = slot && $(".peek", slot);
  if (!shown) return;
  const answer = await fetch(sessionUrl(rowOf(slot).dataset.session, "peek"), { headers: { "HX-Request": "true" } }).catch(() => null);
  const html = answer?.ok && !answer.redirected && (await answer.text().catch(() => ""));
  if (!html || peeked() !== slot) return; // another stands open by now
  fresher = parse(html);
  // What was done meanwhile has been answered with a newer one.
  if ($(".peek", slot) !== shown || $(".decision :disabled", slot)) renewSoon();
  else showFresher();
}

const saysOf = (peek) => [peek.textContent, ...$$("[name=version], [name=content_hash], button", peek).map(({ value }) => value)].join();

function isInUse(slot) {
  return whereabouts(slot.closest("#center, main")).isAtOrAfter(slot) || Boolean($("[data-notice], .confirm[open]", slot))
    || $$("textarea", slot).some((field) => field.value !== field.defaultValue);
}

function showFresher(isAsked = false) {
  const slot = peeked();
  const shown = slot && $(".peek", slot);
  if (!fresher || !shown || saysOf(fresher) === saysOf(shown)) return settleFresher();
  if (!isAsked && isInUse(slot)) return offer(slot);
  for (const field of $$("textarea", shown)) if (field.value) field.value += ""; // typed, and not what was there before
  morph(shown, fresher);
  htmx.process(shown);
  shown.inert = !isAsked;
  setTimeout(() => (shown.inert = false), FINGER_MS);
  settleFresher();
  followClaim(slot, rowOf(slot));
}

function settleFresher() {
  fresher = null;
  $(".peek-news")?.remove();
}

function offer(slot) {
  if ($(".peek-news", slot)) return;
  const place = Object.assign(document.createElement("div"), { className: "peek-news" });
  const button = Object.assign(document.createElement("button"), { type: "button", className: "button small", textContent: "Changed - show" });
  place.append(button);
  slot.prepend(place);
  announce("What is open here has changed");
  button.addEventListener("click", () => {
    showFresher(true);
    $(".row-title", rowOf(slot)).focus({ preventScroll: true });
  });
}

// ---- Others are told that this is being answered, for as long as the form stands open.
function followClaim(slot, row) {
  const isAsked = $("form.decision", slot) && row.dataset.tone === "attention";
  if (!isAsked) stopClaim();
  else if (!claiming) startClaim(slot, row);
}

function startClaim(slot, row) {
  const url = sessionUrl(row.dataset.session, "claim");
  // The list around it may have been replaced: then nobody is answering here any more.
  const claim = async () => {
    const answer = slot.isConnected && (await post(url).catch(() => ({ ok: true })));
    if (!answer?.ok && claiming === mine) stopClaim(); // or nothing is left to answer
  };
  const mine = (claiming = { url, timer: setInterval(claim, CLAIM_EVERY) });
  claim();
}

function stopClaim() {
  if (!claiming) return;
  clearInterval(claiming.timer);
  post(claiming.url, { release: "1" }, { keepalive: true }).catch(() => {});
  claiming = null;
}

// ---- What became of an action: done closes the peek, refused stands in it. Whoever works by keys is at the row then.
let isByKeys = false;

function beforeAction({ detail: { requestConfig, target } }) {
  if (requestConfig.verb === "post") isByKeys = Boolean($(":focus-visible", target.closest(".peek-slot") ?? undefined));
}

function afterAction({ detail }) {
  const { requestConfig, target, xhr } = detail;
  const slot = target.closest(".peek-slot");
  if (!slot || requestConfig.verb !== "post") return;
  if (xhr.status === 200 && !$(".peek", slot)) return giveUp(slot);
  const key = rowOf(slot)?.dataset.session;
  const notice = $("[data-notice]", slot);
  const text = notice?.textContent.trim() ?? "";
  if (xhr.status === 200) {
    const row = rowOf(slot);
    toast(text, "success");
    closePeek();
    if (isByKeys) $(".row-title", row)?.focus({ preventScroll: true });
  } else if (xhr.status === 409) {
    announce(text);
    notice?.scrollIntoView({ block: "nearest" });
    followClaim(slot, rowOf(slot));
  }
  if (key) document.dispatchEvent(new CustomEvent("session:acted", { detail: { key, isDone: xhr.status === 200 } }));
}

// ---- Why a status is what it is: what the row says, then what is looked up only now.
async function explain({ target: details }) {
  const row = details.closest?.("[data-session]");
  if (!row || !details.matches("details.evidence") || !details.open || !$("#center-button")) return;
  const url = `${sessionUrl(row.dataset.session, "peek")}?part=evidence`;
  let version = null;
  // What is looked up while the row moves on explains a status that it has no more.
  while (details.open && version !== row.dataset.version) {
    version = row.dataset.version;
    await htmx.ajax("GET", url, { source: details, target: $(".facts", details), swap: "outerHTML" }).catch(() => {});
  }
  $(".facts", details)?.toggleAttribute("data-looked-up", details.open);
}

// The row's own words are fewer: what stands open keeps what was looked up until that has been done again.
const explainSoon = paced(async () => {
  for (const target of $$("details.evidence[open]")) await explain({ target });
}, PAUSE_MS);

document.addEventListener("htmx:beforeRequest", beforeAction);
document.addEventListener("htmx:afterRequest", afterAction);
document.addEventListener("htmx:beforeSwap", beforeSwap);
document.addEventListener("htmx:afterSwap", afterSwap);
document.addEventListener("live:frame", ({ detail }) => {
  const key = rowOf(peeked())?.dataset.session;
  const heard = new Set(detail.ops.map((op) => op.id));
  if (heard.has(key)) renewSoon();
  if ($$("details.evidence[open]").some((open) => heard.has(open.closest("[data-session]")?.dataset.session))) explainSoon();
});
for (const name of ["ready", "resync"]) document.addEventListener(`live:${name}`, () => peeked() && renewSoon());
onLeaving(() => fresher && showFresher());
document.addEventListener("toggle", explain, { capture: true });
window.addEventListener("pagehide", stopClaim);
