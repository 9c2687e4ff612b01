// The Command Center follows what `live.js` hears. Answers of the server and frames come in one order: an answer
// says the rev that it was read at, older frames are passed over, and what was told while it was on its way is told
// again on top of it.
import { $, announce, toast } from "./dom.js";
import { body, isShown, keepHeights, leftOut, place, show } from "./center_cards.js";
import { beforeAsking, forget, markAll, me, needsMe, see, setClaim, setNeeding, setUnread, takeMine } from "./center_mine.js";
import { parse } from "./morph.js";
import { notify } from "./notices.js";
import { peeked, rowOf } from "./peek.js";
import { isOlder } from "./revs.js";

const QUIET_MS = 5_000; // heard no more often than this
const OWN_MS = 15_000; // what changes so soon after my own action is my doing
const SLOWEST_MS = 5_000; // a change may be told of so long after the time that it bears
const RECENT_MS = 86_400_000;
const FIRST_PAUSE_MS = 2_000; // before the server is asked again that did not answer
const LONGEST_PAUSE_MS = 30_000;
const SCOPE = "center-scope";

const button = $("#center-button");
const panel = $("#center");
const versions = new Map(); // key -> the version that was told of last
const acted = new Map(); // key -> when this browser's person acted on it
const meanwhile = new Map(); // key -> what a frame told of it while an answer was on its way
let rev = ""; // the answer that was read last is at least so new
let beganAt = Infinity; // what changed before this page was there is no news to it
let asking = null; // what `readAnew` has promised
let isWanted = false;
let failures = 0;
let retry = 0;
let lostAt = null;
let isOver = false; // whoever looks may not any more

const pageKey = () => $(".record-head[data-session]")?.dataset.session;
const peekedKey = () => rowOf(peeked())?.dataset.session;
const isLookedAt = (key) => [pageKey(), peekedKey()].includes(key) && document.visibilityState === "visible";
const changedAt = (row) => Number(row.dataset.order.slice(1, 18)) / 1000;

// ---- Asking: one question at a time. What is wanted while one is under way is asked once more after it.
export const choose = (query) => localStorage.setItem(SCOPE, query);

function address() {
  if (panel && !panel.open) return `${button.dataset.url}unread/`;
  return button.dataset.url + (panel ? localStorage.getItem(SCOPE) ?? "" : location.search);
}

// Resolves when the answer to this has been shown, or there was none.
export function readAnew() {
  isWanted = true;
  asking ??= askAll();
  return asking;
}

async function askAll() {
  clearTimeout(retry);
  try {
    while (isWanted) await ask();
  } finally {
    asking = null;
    meanwhile.clear();
  }
}

async function ask() {
  isWanted = false;
  meanwhile.clear();
  beforeAsking();
  const asked = address();
  const answer = await get(asked);
  if (asked !== address()) isWanted = true; // the person has chosen something else by now
  else if (answer) takeAnswer(answer);
  else askLater();
}

async function get(url) {
  try {
    const answer = await fetch(url, { headers: { "HX-Request": "true" } });
    if (!answer.ok || answer.redirected) return null;
    if (answer.headers.get("Content-Type").startsWith("application/json")) return { mine: await answer.json() };
    const fresh = parse(await answer.text());
    return { mine: JSON.parse(fresh.dataset.mine), fresh };
  } catch {
    return null;
  }
}

function askLater() {
  if (isOver) return;
  if (!failures && panel?.open) toast("The Command Center could not be read. What it shows may be old; it is tried again.");
  retry = setTimeout(readAnew, Math.min(FIRST_PAUSE_MS * 2 ** failures++, LONGEST_PAUSE_MS));
}

function takeAnswer({ mine, fresh }) {
  failures = 0;
  rev = mine.rev;
  if (beganAt === Infinity) beganAt = Number(rev.split("-")[0]) - SLOWEST_MS;
  keepHeights(() => {
    takeMine(mine);
    if (fresh) show(fresh);
    for (const op of meanwhile.values()) if (!isOlder(op.rev, rev)) apply(op);
    markAll();
  });
  if (pageKey() && isLookedAt(pageKey())) look(pageKey());
}

// ---- Frames
function take({ rev: told, ops }) {
  keepHeights(() => {
    for (const op of ops) {
      const heard = { ...op, rev: told, row: op.html ? parse(op.html) : null };
      heard.isUnread = Boolean(heard.row) && tellOfChange(heard);
      if (asking) meanwhile.set(op.id, heard);
      if (!isOlder(told, rev)) apply(heard);
    }
  });
}

function apply({ id, row, facets, isUnread }) {
  setNeeding(id, Boolean(row) && needsMe(row) && !facets.is_folded);
  setClaim(id, facets?.claimed_by);
  if (!row) forget(id);
  else if (isUnread) setUnread(id);
  if (isShown()) place(id, row?.cloneNode(true), row && sectionOf(row, facets));
  markAll(id);
}

function sectionOf(row, facets) {
  if (facets.is_folded || leftOut().includes(facets.kind)) return null;
  if (needsMe(row)) return "needs";
  if (body().dataset.everyone !== "true" && facets.owner !== me) return null;
  if (row.dataset.live === "true") return "active";
  return changedAt(row) > Date.now() - RECENT_MS ? "recent" : null;
}

// ---- News: each state of a session once. Returns whether it is one that I have not seen.
function tellOfChange({ id, row, facets }) {
  const known = versions.get(id) ?? (changedAt(row) > beganAt || beganAt === Infinity ? 0 : facets.version);
  versions.set(id, Math.max(known, facets.version));
  if (facets.version <= known || facets.is_folded) return false;
  const isMine = facets.owner === me;
  const failed = facets.tone === "problem" && isMine;
  const news = needsMe(row) ? "needs you" : failed ? "failed" : "";
  const isOwnDoing = Date.now() - (acted.get(id) ?? 0) < OWN_MS;
  if (facets.tone === "active" || !(isMine || news) || isOwnDoing) return false;
  if (isLookedAt(id)) {
    setUnread(id);
    look(id);
    return false;
  }
  if (news) {
    say(id, `${facets.title}: ${news}`);
    const waiting = $(".row-note .clip", row)?.textContent ?? "";
    notify({ key: id, version: facets.version, title: facets.title, reason: waiting || $(".row-error", row)?.title || news, url: facets.url });
  }
  return true;
}

// What is heard, not more often than every few seconds; a list on the page says it itself of its own rows.
let sayings = [];
function say(key, text) {
  if ($(`#results .row[data-session="${CSS.escape(key)}"]`)) return;
  if (!sayings.length) {
    setTimeout(() => {
      announce(sayings.length > 3 ? `${sayings.length} sessions need you or failed` : sayings.join(". "));
      sayings = [];
    }, QUIET_MS);
  }
  sayings.push(text);
}

// What was told of it while an answer is on its way does not make it news again.
function look(key) {
  if (meanwhile.has(key)) meanwhile.get(key).isUnread = false;
  see(key);
}

function showState(state) {
  const label = $("#center-state");
  isOver = state === "over";
  lostAt = state === "live" ? null : lostAt ?? new Date();
  if (!label) return;
  const at = lostAt?.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  label.dataset.state = state;
  label.textContent = { live: "Live", reconnecting: "Reconnecting", offline: `Offline since ${at}`, over: "No longer live" }[state] ?? "";
}

function onActed({ detail }) {
  if (detail.isDone) {
    acted.set(detail.key, Date.now());
    look(detail.key);
  }
  readAnew();
}

if (button) {
  document.addEventListener("live:frame", ({ detail }) => take(detail));
  // Whatever was missed: subscribed first, then read.
  for (const type of ["live:ready", "live:resync", "center:ask"]) document.addEventListener(type, readAnew);
  document.addEventListener("live:state", ({ detail }) => showState(detail));
  document.addEventListener("session:acted", onActed);
  document.addEventListener("peek:opened", ({ detail }) => look(detail.key));
  for (const type of ["htmx:afterSettle", "list:drawn"]) document.addEventListener(type, () => markAll());
  document.addEventListener("submit", ({ target }) => target.matches("form.decision") && pageKey() && acted.set(pageKey(), Date.now()));
  document.addEventListener("visibilitychange", () => pageKey() && isLookedAt(pageKey()) && look(pageKey()));
}
