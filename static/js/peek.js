// Looking at a session where its row stands: the last output or the question, and what may be answered.
import { $, announce, post, sessionUrl, toast } from "./dom.js";

const CLAIM_EVERY = 15_000;
const reading = new WeakMap(); // slot -> the answer that it waits for, or has
let claiming = null;

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
  startClaim(slot, row);
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
  stopClaim();
  slot.remove();
  setExpanded(row, false);
  if (hadFocus) $(".row-title", row)?.focus();
  row?.dispatchEvent(new CustomEvent("peek:closed", { bubbles: true }));
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

// ---- Others are told that this is being answered, for as long as the form stands open.
function startClaim(slot, row) {
  stopClaim();
  if (!$("form.decision", slot) || row.dataset.tone !== "attention") return;
  const url = sessionUrl(row.dataset.session, "claim");
  // The list around it may have been replaced: then nobody is answering here any more.
  const claim = () => (slot.isConnected ? post(url).catch(() => {}) : stopClaim());
  claim();
  claiming = { url, timer: setInterval(claim, CLAIM_EVERY) };
}

function stopClaim() {
  if (!claiming) return;
  clearInterval(claiming.timer);
  post(claiming.url, { release: "1" }, { keepalive: true }).catch(() => {});
  claiming = null;
}

// ---- What became of an action: done closes the peek, refused stands in it.
function afterAction({ detail }) {
  const { requestConfig, target, xhr } = detail;
  const slot = target.closest(".peek-slot");
  if (!slot || requestConfig.verb !== "post") return;
  if (xhr.status === 200 && !$(".peek", slot)) return giveUp(slot);
  const key = rowOf(slot)?.dataset.session;
  const notice = $("[data-notice]", slot);
  const text = notice?.textContent.trim() ?? "";
  if (xhr.status === 200) {
    toast(text, "success");
    closePeek();
  } else if (xhr.status === 409) {
    announce(text);
    notice?.scrollIntoView({ block: "nearest" });
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
}

document.addEventListener("htmx:afterRequest", afterAction);
document.addEventListener("toggle", explain, { capture: true });
window.addEventListener("pagehide", stopClaim);
