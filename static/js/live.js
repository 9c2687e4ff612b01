// The page's end of the socket: it stays connected, tells in what state it is, and passes changes on as
// events. `live:frame` carries {rev, ops}; `live:resync` says that changes were missed; `live:state` the state.
// docs/live.md describes both ends.

const ACCESS_ENDED = 4404;
const ACK_EVERY = 8;
const SILENCE_MS = 40_000; // the server says something at least every 15 s
const HIDDEN_MS = 60_000; // a tab that nobody looks at lets its socket go after this time
const LONGEST_PAUSE_MS = 15_000;
const STEADY_MS = 10_000; // a connection that has lasted so long was a good one
const PATIENCE_MS = 5_000; // so long it is "Reconnecting", then "Offline since"
const SPREAD_MS = 1_000; // all pages are told to read anew at once, and do it within this time
const RESYNC_MS = 4_000; // between two readings anew, and twice as long each time
const LONGEST_RESYNC_MS = 60_000;

const label = document.getElementById("live"); // where the state is shown
const source = document.querySelector("[data-socket]");
const tell = (name, detail) => document.dispatchEvent(new CustomEvent(`live:${name}`, { detail }));

let socket = null;
let received = 0;
let tries = 0;
let lostAt = null; // when the last live moment was
let isOver = false;
let resyncs = 0; // how many there were of late
let resyncedAt = 0;
const timers = {};

function later(name, ms, work) {
  clearTimeout(timers[name]);
  timers[name] = setTimeout(work, ms);
}

// Whoever wants notifications wants them of a tab that they do not look at.
const isAsleep = () => document.hidden && !localStorage.getItem("notices-on");

const clock = (at) => at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

function show(state, text) {
  if (label) {
    label.dataset.state = state;
    label.querySelector("[data-live-label]").textContent = text;
  }
  tell("state", state);
}

function showLive() {
  clearTimeout(timers.offline);
  later("steady", STEADY_MS, () => (tries = 0));
  lostAt = null;
  show("live", "Live");
}

function showLost() {
  if (lostAt) return;
  lostAt = new Date();
  show("reconnecting", "Reconnecting");
  later("offline", PATIENCE_MS, () => show("offline", `Offline since ${clock(lostAt)}. What you see may be old.`));
}

function connect() {
  if (socket || isOver || isAsleep()) return;
  clearTimeout(timers.retry);
  const url = new URL(source.dataset.socket, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const mine = (socket = new WebSocket(url));
  received = 0;
  heard();
  mine.addEventListener("message", ({ data }) => mine === socket && onMessage(JSON.parse(data)));
  mine.addEventListener("close", ({ code }) => mine === socket && onClose(code));
}

function disconnect() {
  const old = socket;
  socket = null;
  clearTimeout(timers.silence);
  old?.close();
}

function heard() {
  later("silence", SILENCE_MS, () => {
    disconnect();
    onClose();
  });
}

function onMessage(message) {
  heard();
  if (++received % ACK_EVERY === 0) socket.send("ack");
  if (message.rev) tell("frame", message);
  else if (message.op === "pause") showLost();
  else if (message.op === "ready" || message.op === "resync") {
    showLive();
    if (message.op === "ready") tell("ready");
    else resyncSoon();
  }
}

// However often the server says it. What is due stays due, also when the connection is lost meanwhile.
function resyncSoon() {
  if (timers.resync) return;
  const pause = Math.min(RESYNC_MS * 2 ** (resyncs - 1), LONGEST_RESYNC_MS);
  const passed = performance.now() - resyncedAt;
  if (passed > 3 * pause) resyncs = 0;
  const wait = resyncs ? pause * (1 + Math.random()) - passed : SPREAD_MS * Math.random();
  later("resync", wait, () => {
    timers.resync = 0;
    resyncs += 1;
    resyncedAt = performance.now();
    tell("resync");
  });
}

function onClose(code) {
  socket = null;
  clearTimeout(timers.silence);
  clearTimeout(timers.steady);
  if (code === ACCESS_ENDED) {
    isOver = true;
    clearTimeout(timers.offline);
    show("over", "No longer live: load the page again.");
    return;
  }
  showLost();
  // Not all at once when a server comes back.
  const pause = Math.min(500 * 2 ** tries++, LONGEST_PAUSE_MS);
  later("retry", pause * (0.5 + Math.random() / 2), connect);
}

function onVisibility() {
  if (isAsleep()) {
    later("hidden", HIDDEN_MS, () => {
      disconnect();
      showLost();
    });
  } else {
    clearTimeout(timers.hidden);
    tries = 0;
    connect();
  }
}

if (source && "WebSocket" in window) {
  document.addEventListener("visibilitychange", onVisibility);
  window.addEventListener("online", () => {
    tries = 0;
    connect();
  });
  // The socket itself may not hear of it for long. Where the server can be reached all the same, it is back at once.
  window.addEventListener("offline", () => {
    if (isOver || !socket) return;
    disconnect();
    onClose();
  });
  window.addEventListener("pagehide", disconnect);
  window.addEventListener("pageshow", (event) => event.persisted && connect());
  // After the scripts that listen have been read.
  document.addEventListener("DOMContentLoaded", connect);
  if (document.readyState === "complete") connect();
}
