// The list follows what `live.js` hears. Rows change where they are; what would move, appear or leave waits
// behind a button that says how much it is. docs/live.md says why each rule is there.
import { $, $$, announce } from "./dom.js";
import { morph, parse } from "./morph.js";
import { isOlder, latest } from "./revs.js";

const MIN_PAUSE_MS = 1_000; // between two questions to the server
const SHARE = 20; // a page asks for at most a twentieth of the time
const FIRST_RETRY_MS = 2_000; // after a question that failed, twice as long each time
const LONGEST_RETRY_MS = 30_000;
const MOST_ROWS = 50;
const HEARD_MS = 10_000;
const LEFT = "no longer in this list";

const live = $("#live");

let results = null; // the list as it was last read; replaced with it
let rev = ""; // nothing up to here is missing
let newest = ""; // the latest that was heard of
let isCaughtUp = false;
let losses = 0; // how often the connection was lost: what was asked before that says nothing of now
let ops = new Map(); // id -> what was last heard of the session since the list was read
const unknown = new Set(); // ids of which the server has to say where they stand
const held = new Set(); // ids of rows that may not change their height yet
let areCountsOld = false;
let asking = false;
let askTimer = 0;
let unanswered = 0; // questions in a row that failed
let failures = 0;
let retry = 0;

const rowOf = (id) => $(`.row[data-session="${CSS.escape(id)}"]`, results);

function isEngaged() {
  const list = $(".rows", results);
  const selection = getSelection();
  return Boolean(list) && (list.matches(":hover") || list.contains(document.activeElement)
    || Boolean($(".row-select input:checked", list))
    || (!selection.isCollapsed && list.contains(selection.anchorNode)));
}

function draw(id) {
  const row = rowOf(id);
  const op = ops.get(id);
  if (!row || op.isGone) return;
  const fresh = parse(op.html);
  const had = $(".row-error", row);
  const has = $(".row-error", fresh);
  held.delete(id);
  // A second line more or less would push the rows below from under the pointer.
  if (Boolean(had) !== Boolean(has) && isEngaged()) {
    held.add(id);
    if (has) has.remove();
    else fresh.append(parse('<p class="row-error"></p>'));
  }
  if (row.dataset.tone !== fresh.dataset.tone) say(fresh);
  if (row.dataset.tone !== fresh.dataset.tone || row.dataset.live !== fresh.dataset.live) markCountsOld();
  morph(row, fresh);
}

function release() {
  if (!held.size || isEngaged()) return;
  for (const id of [...held]) draw(id);
  settle();
}

// ---- What was heard
function take(message) {
  newest = latest(newest, message.rev);
  if (isCaughtUp) rev = latest(rev, newest);
  for (const op of message.ops) {
    if (isOlder(message.rev, ops.get(op.id)?.rev ?? results.dataset.rev)) continue;
    const isGone = op.op === "remove";
    const belongs = isGone ? false : op.belongs ?? (results.dataset.query ? undefined : !op.facets.is_folded);
    ops.set(op.id, { rev: message.rev, key: op.key, html: op.html, isGone, belongs });
    if (belongs === undefined) unknown.add(op.id);
    else unknown.delete(op.id);
    if (op.belongs === undefined && !rowOf(op.id)) markCountsOld();
    draw(op.id);
  }
  settle();
}

// The fewest rows that would have to move for all to be in order.
function countMoving(keys) {
  const ends = [];
  for (const key of keys) {
    const at = ends.findIndex((end) => end < key);
    ends[at < 0 ? ends.length : at] = key;
  }
  return keys.length - ends.length;
}

// Says of each row whether it still belongs where it is, and on the button how much waits.
function settle() {
  const staying = [];
  let leaving = 0;
  let isActive = false;
  for (const item of $(".rows", results)?.children ?? []) {
    if (item.dataset.group) isActive = item.dataset.group === "active";
    if (!item.dataset.session) continue;
    const op = ops.get(item.dataset.session);
    const isNowActive = item.dataset.order.startsWith("1");
    if (op?.belongs === false) leaving += 1;
    else staying.push(item.dataset.order);
    if (op?.belongs === false) mark(item, LEFT);
    else mark(item, isNowActive === isActive ? "" : isNowActive ? "active again" : "no longer active");
  }
  const last = $(".load-more", results) ? staying.reduce((a, b) => (a < b ? a : b), "2") : "";
  const appearing = [...ops].filter(([id, op]) => op.belongs && op.key > last && !rowOf(id)).length;
  const waiting = leaving + countMoving(staying) + appearing;
  const pill = $("#live-pill", results);
  pill.hidden = waiting === 0;
  pill.textContent = `${waiting} updated - refresh order`;
  if (unknown.size || areCountsOld) askSoon();
  document.dispatchEvent(new CustomEvent("list:drawn"));
}

function mark(row, text) {
  const note = $(".row-left", row);
  row.toggleAttribute("data-left", text === LEFT);
  if (!text) note?.remove();
  else if (note) note.textContent = text;
  else $(".row-main", row).append(Object.assign(document.createElement("span"), { className: "row-left", textContent: text }));
}

// ---- What only the server knows: whether a row passes the filters, and how many do.
function markCountsOld() {
  areCountsOld = true;
  const lens = $("#lens");
  lens.dataset.countsOld = lens.dataset.facetsOld = "";
}

function askSoon(pause = MIN_PAUSE_MS) {
  if (!asking && !askTimer) askTimer = setTimeout(ask, pause);
}

async function ask() {
  askTimer = 0;
  if (document.hidden || asking) return;
  asking = true;
  areCountsOld = false;
  const started = performance.now();
  const asked = results;
  const parameters = new URLSearchParams(results.dataset.query);
  for (const id of [...unknown].slice(0, MOST_ROWS)) parameters.append("row", id);
  const answer = await get(`${live.dataset.standing}?${parameters}`);
  asking = false;
  if (asked !== results) return settle(); // another list by now
  if (answer) {
    if (!areCountsOld) showCounts(answer.counts);
    take(answer);
  } else areCountsOld = true;
  unanswered = answer ? 0 : unanswered + 1;
  const pause = answer ? Math.max(MIN_PAUSE_MS, SHARE * (performance.now() - started)) : retryPause(unanswered - 1);
  if (unknown.size || areCountsOld) askSoon(pause);
}

function showCounts({ tabs, active, rest, summary }) {
  $$(".tabs[aria-label=Views] .count").forEach((count, place) => (count.textContent = tabs[place]));
  for (const [group, text] of [["active", active], ["rest", rest]]) {
    const count = $(`[data-group=${group}] .count`, results);
    if (count) count.textContent = `(${text})`;
  }
  results.dataset.summary = summary;
  const shown = $("#list-summary");
  if (shown) shown.textContent = summary;
  delete $("#lens").dataset.countsOld;
}

async function get(url, headers = {}) {
  try {
    const response = await fetch(url, { headers });
    if (!response.ok || response.redirected) return null;
    return headers["HX-Request"] ? await response.text() : await response.json();
  } catch {
    return null;
  }
}

// ---- Catching up
async function catchUp() {
  clearTimeout(retry);
  isCaughtUp = false;
  const [list, known] = [results, losses];
  const answer = rev ? await get(`${live.dataset.changes}?since=${rev}`) : { op: "resync" };
  if (known !== losses) return; // another "ready" comes
  if (list !== results) catchUp();
  else if (!answer) catchUpLater();
  else if (answer.op === "resync") await resync();
  else {
    caughtUp();
    take(answer);
  }
}

// The server answers again: what waits to be asked need not wait long.
function caughtUp() {
  failures = unanswered = 0;
  isCaughtUp = true;
  clearTimeout(askTimer);
  askTimer = 0;
}

const retryPause = (count) => Math.min(FIRST_RETRY_MS * 2 ** count, LONGEST_RETRY_MS) * (0.5 + Math.random() / 2);

function catchUpLater() {
  retry = setTimeout(catchUp, retryPause(failures++));
}

function address() {
  const url = new URL(location.href);
  url.searchParams.delete("cursor");
  return url.pathname + url.search;
}

// Read the first page again and take it as news, so that nothing moves; ask about what is not on it any more.
async function resync() {
  const [list, known] = [results, losses];
  [rev, isCaughtUp] = ["", false]; // until it has been read, no later change closes the gap
  const html = await get(address(), { "HX-Request": "true", "HX-Target": "lens" });
  if (known !== losses) return;
  if (list !== results) return catchUp();
  if (!html) return catchUpLater();
  const fresh = new DOMParser().parseFromString(html, "text/html").getElementById("results");
  const rows = $$(".row", fresh);
  const ids = new Set(rows.map((row) => row.dataset.session));
  for (const row of $$(".row", results)) if (!ids.has(row.dataset.session)) unknown.add(row.dataset.session);
  markCountsOld();
  caughtUp();
  take({
    rev: fresh.dataset.rev,
    ops: rows.map((row) => ({
      op: "upsert", id: row.dataset.session, key: row.dataset.order, html: row.outerHTML, belongs: true,
    })),
  });
}

// ---- The list was read anew, by a filter, a tab, the button: what was heard since its rev goes on top.
function onSwap() {
  const now = $("#results");
  if (!now || !live) return;
  if (now === results) return settle();
  results = now;
  rev = isCaughtUp ? latest(results.dataset.rev, newest) : results.dataset.rev;
  held.clear();
  unknown.clear();
  areCountsOld = false;
  const heard = [...ops].filter(([, op]) => !isOlder(op.rev, results.dataset.rev));
  ops = new Map(heard.map(([id, op]) => [id, { ...op, belongs: op.isGone ? false : undefined }]));
  for (const id of ops.keys()) {
    unknown.add(id);
    draw(id);
  }
  settle();
}

function refresh(event) {
  if (!event.target.closest("#live-pill")) return;
  const url = address();
  if (location.search.includes("cursor=")) history.replaceState(history.state, "", url);
  const swapped = window.htmx.ajax("GET", url, { target: "#lens", select: "#lens", swap: "outerHTML show:none" });
  // By keyboard: the focus was on the button, which is gone.
  if (event.detail === 0) swapped.then(() => $(".row-title")?.focus({ preventScroll: true }));
}

// ---- Heard, not only seen: what needs somebody, or failed, and not more often than every few seconds.
let sayings = [];
function say(row) {
  if (!["attention", "problem"].includes(row.dataset.tone)) return;
  if (!sayings.length) {
    setTimeout(() => {
      announce(sayings.length > 3 ? `${sayings.length} sessions need attention or failed` : sayings.join(". "));
      sayings = [];
    }, HEARD_MS);
  }
  sayings.push(`${$(".row-title", row).textContent}: ${$(".status", row).textContent.trim()}`);
}

if (live) {
  onSwap();
  document.addEventListener("live:frame", ({ detail }) => take(detail));
  document.addEventListener("live:ready", catchUp);
  document.addEventListener("live:state", ({ detail }) => {
    if (detail === "live") return;
    losses += 1;
    // Frames of the next connection can come before its "ready": until then they fill no gap.
    isCaughtUp = false;
  });
  document.addEventListener("live:resync", resync);
  document.addEventListener("htmx:afterSettle", onSwap);
  document.addEventListener("click", refresh);
  document.addEventListener("visibilitychange", () => !document.hidden && settle());
  for (const type of ["pointerout", "focusout", "selectionchange"]) {
    document.addEventListener(type, () => held.size && requestAnimationFrame(release));
  }
}
