// A session's page follows its session: what `live.js` hears of it makes the page read itself anew and change in
// place. What the reader is at stays as it is until they have left it. docs/live.md says why each rule is there.
import { $, $$, announce } from "./dom.js";
import { morph } from "./morph.js";
import { paced } from "./pace.js";

const PAUSE_MS = 700; // between two readings
const NEAR_PX = 120; // so near its end somebody follows the transcript
const MOST_ENTRIES = 500; // what has scrolled by is kept up to here

const key = $(".record-head[data-session]")?.dataset.session;
const readSoon = paced(read, PAUSE_MS);
let waiting = null; // {page, url}: a reading of which a part could not be shown yet

const transcript = () => $("#transcript");
const isEnded = (list) => Boolean(list) && !list.dataset.newer && !list.dataset.filtered;
const entries = (root) => $$(".entries > .entry", root);

function address() {
  const url = new URL(location.href);
  url.hash = "";
  // Whoever stands at the end of a transcript follows it; any other window stays what it is.
  if (isEnded(transcript())) url.search = "?latest=1";
  return url;
}

async function read() {
  try {
    const url = address().href;
    const answer = await fetch(url);
    if (answer.status === 404) announce("This session is not there any more.");
    else if (answer.ok && !answer.redirected) apply(new DOMParser().parseFromString(await answer.text(), "text/html"), url);
  } catch {
    if (navigator.onLine) readSoon(); // else the socket will say when the server is there again
  }
}

// ---- Showing what was read
const isTyping = (part) => Boolean(part?.contains(document.activeElement));

// A form may not become another one under the pointer of somebody who is about to send it.
function isEngaged(part) {
  return $("form", part) !== null && (isTyping(part) || part.matches(":hover") || $("details.confirm[open]", part) !== null);
}

function apply(page, url) {
  waiting = null;
  if (url !== address().href) return readSoon(); // the reader has gone to another window meanwhile
  say(page);
  for (const selector of [".record-head", ".record-aside"]) change($(selector), $(selector, page));
  const main = $(".record-main");
  let after = null;
  for (const fresh of $(".record-main", page)?.children ?? []) {
    const part = document.getElementById(fresh.id);
    if (!part) {
      const made = document.importNode(fresh, true);
      if (after) after.after(made);
      else main.prepend(made);
      after = made;
    } else {
      if (fresh.id === "transcript") follow(part, fresh);
      else change(part, fresh);
      after = part;
    }
  }
  for (const part of [...main.children]) {
    if (page.getElementById(part.id)) continue;
    if (isEngaged(part)) hold(part);
    else part.remove();
  }
  if ($$("[data-held]").length) waiting = { page, url };
  document.title = page.title;
}

function change(part, fresh) {
  if (!part || !fresh) return;
  if (isEngaged(part)) {
    hold(part, hashOf(part) !== hashOf(fresh));
    return;
  }
  part.removeAttribute("data-stale");
  part.removeAttribute("data-held");
  morph(part, document.importNode(fresh, true));
}

const hashOf = (part) => $$("input[name=version], input[name=content_hash]", part).map((input) => input.value).join();

function hold(part, isStale = true) {
  part.toggleAttribute("data-held", true);
  part.toggleAttribute("data-stale", isStale);
}

function say(page) {
  const [old, fresh] = [$(".record-head"), $(".record-head", page)];
  const words = (head) => $(".status", head)?.textContent.trim().split(/\s+/, 1)[0];
  if (fresh && old.dataset.tone !== fresh.dataset.tone) announce(`${$("h1", fresh).textContent}: ${words(fresh)}`);
}

// ---- The transcript
function follow(list, fresh) {
  if (!isEnded(list)) {
    const count = Number(fresh.dataset.total) - Number(list.dataset.total);
    if (count > 0) offer(`${count} new ${count === 1 ? "entry" : "entries"}`);
    return;
  }
  if (isTyping($(".transcript-search", list))) return;
  const isNear = list.getBoundingClientRect().bottom - innerHeight < NEAR_PX;
  const known = new Set(entries(list).map((entry) => entry.id));
  const later = document.importNode(fresh, true);
  if (!keepEarlier(list, later) && !isNear) {
    list.dataset.newer = "true"; // too much has come at once: it has become an earlier window, which stays
    follow(list, fresh);
    return;
  }
  const count = entries(later).filter((entry) => !known.has(entry.id)).length;
  if (!isNear) for (const entry of entries(later)) entry.removeAttribute("data-target");
  morph(list, later);
  if (!count) return;
  if (isNear) list.scrollIntoView({ block: "end" });
  else offer(`${count} new ${count === 1 ? "entry" : "entries"}`);
}

// What stands on the page already is not taken from under the reader because the window has moved on. False where
// that cannot be: there would be a gap, or too much to keep.
function keepEarlier(list, later) {
  if (!entries(list).length) return true;
  const common = entries(later).find((entry) => document.getElementById(entry.id));
  const earlier = [];
  for (let node = common && document.getElementById(common.id).previousElementSibling; node; node = node.previousElementSibling) {
    earlier.unshift(node.cloneNode(true));
  }
  if (!common || earlier.length > MOST_ENTRIES) return false;
  if (!earlier.length) return true;
  while (common.previousElementSibling) common.previousElementSibling.remove();
  common.before(...earlier);
  return true;
}

function offer(text) {
  const pill = $("#page-pill");
  if (!pill) return;
  pill.hidden = false;
  pill.textContent = text;
}

function goToLatest() {
  $("#page-pill").hidden = true;
  const list = transcript();
  if (isEnded(list)) list.scrollIntoView({ block: "end" });
  else location.assign(`${location.pathname}?latest=1#transcript`);
}

// ---- Hearing
if (key) {
  document.addEventListener("live:frame", ({ detail }) => {
    if (detail.ops.some((op) => op.id === key)) readSoon();
  });
  for (const name of ["ready", "resync"]) document.addEventListener(`live:${name}`, readSoon);
  for (const name of ["pointerout", "focusout"]) {
    document.addEventListener(name, () => waiting && setTimeout(() => waiting && apply(waiting.page, waiting.url), 100));
  }
  $("#page-pill")?.addEventListener("click", goToLatest);
}
