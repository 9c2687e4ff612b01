// The Command Center follows what `live.js` hears: cards move between its sections, the count follows, what is
// new is marked. What the server would have to be asked is asked at most once after each connection.
import { $, $$, announce, post, sessionUrl } from "./dom.js";
import { addPeekButton, countNeeds, isShown, load, needs } from "./center.js";
import { peeked, rowOf } from "./peek.js";
import { morph, parse } from "./morph.js";
import { notify } from "./notices.js";

const SECTION_SIZE = 20;
const QUIET_MS = 5_000; // heard no more often than this
const OWN_MS = 15_000; // what changes so soon after my own action is my doing

const button = $("#center-button");
const me = button?.dataset.me;
const canRun = button?.dataset.canRun === "true";
const unread = new Set();
const claims = new Map(); // key -> {name, timer}
const versions = new Map(); // key -> the version that was heard of last
const acted = new Map(); // key -> when this browser's person acted on it
const news = new Map(); // key -> what a frame said of it, and when: an answer asked for before does not undo it
const waitingOps = new Map(); // key -> what to do with a card once nobody is at it
let lostAt = null;
let isBehind = false; // something was missed while a peek stood open

const content = () => $("#center-content");
const cardOf = (key) => $(`.center-section [data-session="${CSS.escape(key)}"]`, content() ?? undefined);
const pageKey = () => $(".record-head[data-session]")?.dataset.session;
const isLookedAt = (key) => key === pageKey() && document.visibilityState === "visible";

// ---- Where a session stands for me
function needsMe(row) {
  if (!canRun || row.dataset.tone !== "attention") return false;
  const awaits = (row.dataset.awaits ?? "").split(" ");
  return awaits.includes(me) || awaits.includes("members");
}

function sectionOf(row, facets) {
  const body = $(".center-body", content());
  if (facets.is_folded || body.dataset.without.split(" ").includes(facets.kind)) return null;
  if (needsMe(row)) return "needs";
  if (body.dataset.everyone !== "true" && facets.owner !== me) return null;
  return row.dataset.live === "true" ? "active" : "recent";
}

// ---- Moving cards
function place(key, row, section) {
  const old = cardOf(key);
  if (row) dress(row);
  if (old && isEngaged(old)) {
    waitingOps.set(key, { row, section });
    if (row) morph(old, row.cloneNode(true));
    old.toggleAttribute("data-stale", section !== old.closest(".center-section").dataset.section);
    if (rowOf(peeked()) === old) $(".row-peek", old).setAttribute("aria-expanded", "true");
    return;
  }
  waitingOps.delete(key);
  const counts = [old?.closest(".center-section"), section && $(`[data-section=${section}]`, content())];
  old?.remove();
  if (section) insert(row, $(`[data-section=${section}] .rows`, content()));
  for (const one of new Set(counts)) if (one) recount(one);
}

const isEngaged = (card) => card.contains(document.activeElement) || rowOf(peeked()) === card;

// The list's row as the panel has it.
function dress(row) {
  if (!row.id.startsWith("center-")) row.id = `center-${row.id}`;
  addPeekButton(row);
  mark(row);
}

function insert(row, list) {
  const after = $$(":scope > .row", list).find((other) => other.dataset.order < row.dataset.order);
  list.insertBefore(row, after ?? null);
  const rows = $$(":scope > .row", list);
  if (rows.length > SECTION_SIZE && !isEngaged(rows.at(-1))) rows.at(-1).remove();
}

function recount(section) {
  const shown = $$(".row", section).length;
  const isNeeds = section.dataset.section === "needs";
  const without = $(".center-body", content()).dataset.without.split(" ");
  const needing = needs().filter((key) => !without.includes(key.split(":")[0])).length;
  $(".count", section).textContent = isNeeds ? needing : shown < SECTION_SIZE ? shown : `${SECTION_SIZE}+`;
}

function catchUpCards() {
  for (const [key, { row, section }] of [...waitingOps]) {
    const card = cardOf(key);
    if (card && isEngaged(card)) continue;
    waitingOps.delete(key);
    place(key, row, section);
  }
}

// ---- Marks of mine on rows that are the same for everybody
function mark(row) {
  const key = row.dataset.session;
  row.toggleAttribute("data-unread", unread.has(key));
  const claim = claims.get(key);
  const note = $(".row-claim", row);
  if (!claim) note?.remove();
  else if (note) note.textContent = `being answered by ${claim.name}`;
  else {
    const made = Object.assign(document.createElement("span"), { className: "claim row-claim", textContent: `being answered by ${claim.name}` });
    $(".row-main", row)?.append(made);
  }
}

function markAll(key) {
  for (const row of $$(key ? `.row[data-session="${CSS.escape(key)}"]` : ".row")) mark(row);
}

function setClaim(key, text) {
  clearTimeout(claims.get(key)?.timer);
  claims.delete(key);
  const [id, ...name] = (text ?? "").split(" ");
  if (id && id !== me) {
    const timer = setTimeout(() => setClaim(key, ""), 40_000);
    claims.set(key, { name: name.join(" "), timer });
  }
}

// ---- What I have seen
export function see(key) {
  news.delete(key);
  if (!unread.delete(key)) return;
  markAll(key);
  post(sessionUrl(key, "seen")).catch(() => {});
}

function takeMine(mine, started) {
  const needing = new Set(mine.needs);
  unread.clear();
  for (const key of mine.unread) unread.add(key);
  for (const [key, { at, isNeeded, isUnread }] of news) {
    if (at < started) news.delete(key);
    else {
      (isNeeded ? needing.add : needing.delete).call(needing, key);
      if (isUnread) unread.add(key);
    }
  }
  countNeeds([...needing]);
  if (isLookedAt(pageKey())) see(pageKey());
  markAll();
}

async function readMine() {
  const started = performance.now();
  try {
    const answer = await fetch(`${button.dataset.url}unread/`);
    if (answer.ok && !answer.redirected) takeMine(await answer.json(), started);
  } catch {
    // The next connection asks again.
  }
}

// ---- What is heard, not more often than every few seconds; a list on the page says it itself.
let sayings = [];
function say(text) {
  if ($("#live")) return;
  if (!sayings.length) {
    setTimeout(() => {
      announce(sayings.length > 3 ? `${sayings.length} sessions need you or failed` : sayings.join(". "));
      sayings = [];
    }, QUIET_MS);
  }
  sayings.push(text);
}

function tellOfChange(key, row, facets, isMine) {
  const failed = facets.tone === "problem" && isMine;
  const news = needsMe(row) ? "needs you" : failed ? "failed" : "";
  const isOwnDoing = Date.now() - (acted.get(key) ?? 0) < OWN_MS;
  if (facets.tone !== "active" && (isMine || news) && !isOwnDoing) {
    if (isLookedAt(key)) {
      unread.add(key);
      see(key);
    } else unread.add(key);
  }
  if (!news || isOwnDoing || isLookedAt(key)) return;
  say(`${facets.title}: ${news}`);
  const waiting = $(".row-note .clip", row)?.textContent ?? "";
  notify({ key, version: facets.version, title: facets.title, reason: waiting || $(".row-error", row)?.title || news, url: facets.url });
}

// ---- Frames
function take({ ops }) {
  for (const op of ops) {
    if (op.op === "remove") place(op.id, null, null);
    else takeUpsert(op);
  }
}

function takeUpsert({ id, html, facets }) {
  const row = parse(html);
  const isNew = facets.version > (versions.get(id) ?? cardOf(id)?.dataset.version ?? 0);
  const had = new Set(needs());
  versions.set(id, facets.version);
  setClaim(id, facets.claimed_by);
  const isNeeded = needsMe(row) && !facets.is_folded;
  if (isNeeded !== had.has(id)) {
    if (isNeeded) had.add(id);
    else had.delete(id);
    countNeeds([...had]);
  }
  if (isNew && !facets.is_folded) tellOfChange(id, row, facets, facets.owner === me);
  news.set(id, { at: performance.now(), isNeeded, isUnread: unread.has(id) });
  markAll(id);
  if (isShown()) place(id, row, sectionOf(row, facets));
}

function showState(state) {
  const label = $("#center-state");
  lostAt = state === "live" ? null : lostAt ?? new Date();
  if (!label) return;
  const at = lostAt?.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  label.dataset.state = state;
  label.textContent = { live: "Live", reconnecting: "Reconnecting", offline: `Offline since ${at}`, over: "No longer live" }[state] ?? "";
}

// Whatever was missed: subscribed first, then read. What is open stays as it is until it is closed.
function readAnew() {
  isBehind = isShown() && Boolean(peeked());
  if (isShown() && !isBehind) load();
  else readMine();
}

function onPeekClosed() {
  if (isBehind && isShown()) load();
  isBehind = false;
}

if (button) {
  readMine();
  document.addEventListener("peek:closed", onPeekClosed);
  document.addEventListener("live:frame", ({ detail }) => take(detail));
  document.addEventListener("live:ready", readAnew);
  document.addEventListener("live:resync", readAnew);
  document.addEventListener("live:state", ({ detail }) => showState(detail));
  document.addEventListener("center:loaded", ({ detail }) => {
    waitingOps.clear();
    takeMine(detail.mine, detail.started);
  });
  document.addEventListener("session:acted", ({ detail }) => {
    acted.set(detail.key, Date.now());
    unread.delete(detail.key);
    news.delete(detail.key);
    markAll(detail.key);
  });
  document.addEventListener("peek:opened", ({ detail }) => see(detail.key));
  for (const type of ["htmx:afterSettle", "list:drawn"]) document.addEventListener(type, () => markAll());
  document.addEventListener("submit", ({ target }) => target.matches("form.decision") && pageKey() && acted.set(pageKey(), Date.now()));
  document.addEventListener("visibilitychange", () => isLookedAt(pageKey()) && see(pageKey()));
  for (const type of ["focusout", "peek:closed"]) document.addEventListener(type, () => waitingOps.size && requestAnimationFrame(catchUpCards));
}
