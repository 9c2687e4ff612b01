// Sends files in slices, each a request of its own: no body is large enough to be put into a temporary file.

const $ = (selector, root = document) => root.querySelector(selector);
const form = $("#upload-form");
const zone = $("#drop-zone");
const PART_BYTES = Number(form.dataset.partBytes);
const AT_ONCE = 3;
// Waits between the tries of one request, in milliseconds; after the last one the file waits for a click.
const WAITS = [1000, 2000, 4000, 8000, 15000];
const POLL = 1500;
// Of a folder only what may be a session is sent.
const IN_FOLDERS = /\.jsonl?$/i;

class Refused extends Error {}

// ---- What was dropped or chosen: files with their paths below it.
function chosen(input) {
  const all = [...input.files].map((file) => ({ file, name: file.webkitRelativePath || file.name }));
  input.value = "";
  return input.id === "pick-folder" ? all.filter(({ name }) => IN_FOLDERS.test(name)) : all;
}

async function dropped(transfer) {
  // All of it is taken before the first wait: afterwards the browser has emptied it.
  const taken = [...transfer.items].map((item) => [item.webkitGetAsEntry?.(), item.getAsFile()]);
  const found = taken.map(([entry, file]) => {
    if (entry) return walk(entry, "", true);
    return file ? [{ file, name: file.name }] : [];
  });
  return (await Promise.all(found)).flat();
}

async function walk(entry, folder, isTop) {
  const name = folder + entry.name;
  if (entry.isFile) {
    if (!isTop && !IN_FOLDERS.test(name)) return [];
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ file, name }];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    // A folder is read a hundred entries at a time.
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return found;
    for (const inner of some) found.push(...(await walk(inner, `${name}/`, false)));
  }
}

// What stands beside a sub-agent's file is read with it, so it goes first; sub-agents go last.
function rank({ name }) {
  if (name.endsWith(".meta.json")) return 0;
  return name.split("/").pop().startsWith("agent-") ? 2 : 1;
}

// ---- Requests. A lost connection or an ailing server is tried again, a refusal is not.
async function ask(url, method, body, type, onWait) {
  for (let tries = 0; ; tries += 1) {
    try {
      const headers = { "X-CSRFToken": $("[name=csrfmiddlewaretoken]", form).value, Accept: "application/json" };
      if (type) headers["Content-Type"] = type;
      const answer = await fetch(url, { method, body, headers, redirect: "error" });
      if (answer.ok) return answer;
      if (answer.status < 500) throw new Refused(await reasonOf(answer));
    } catch (error) {
      if (error instanceof Refused) throw error;
    }
    if (tries === WAITS.length) throw new Error("The connection is lost");
    onWait();
    await new Promise((resolve) => setTimeout(resolve, WAITS[tries]));
  }
}

async function reasonOf(answer) {
  const isJson = answer.headers.get("Content-Type")?.startsWith("application/json");
  if (isJson) return (await answer.json()).error;
  return `The server refused it (${answer.status}). Load the page again.`;
}

// ---- One file: its line on the page, and its way to the server.
class Item {
  constructor({ file, name }) {
    Object.assign(this, { file, name, sent: 0, isDone: false, line: null });
  }

  show() {
    if (!this.line) {
      this.line = $("#sending-file").content.firstElementChild.cloneNode(true);
      $("[data-name]", this.line).textContent = this.name;
      $("progress", this.line).ariaLabel = `Sending ${this.name}`;
      $("#sending-files").append(this.line);
    }
    this.say("Sending", "active", "");
  }

  say(label, tone, detail) {
    $("[data-label]", this.line).textContent = label;
    this.line.dataset.tone = tone;
    $(".status", this.line).dataset.tone = tone;
    $("[data-detail]", this.line).textContent = detail;
  }

  async send({ id, received }) {
    const base = `${form.dataset.files}${id}/`;
    const onWait = () => this.say("Waiting", "attention", "The connection is lost: trying again");
    const here = new Set(received);
    this.sent = 0;
    for (let number = 0; number * PART_BYTES < this.file.size; number += 1) {
      const part = this.file.slice(number * PART_BYTES, (number + 1) * PART_BYTES);
      if (!here.has(number)) {
        await ask(`${base}parts/${number}/`, "PUT", part, "application/octet-stream", onWait);
        this.say("Sending", "active", "");
      }
      this.sent += part.size;
      $("progress", this.line).value = this.sent / this.file.size;
      tell();
    }
    await ask(`${base}complete/`, "POST", null, null, onWait);
    this.isDone = true;
    this.line.remove();
  }
}

// ---- All of them.
let items = [];
let isSending = false;

function tell() {
  const total = items.reduce((sum, item) => sum + item.file.size, 0);
  const sent = items.reduce((sum, item) => sum + item.sent, 0);
  const done = items.filter((item) => item.isDone).length;
  $("#sending").hidden = !items.length;
  $("#sending-progress").value = total ? sent / total : 1;
  $("#sending-summary").textContent = `${done.toLocaleString()} of ${items.length.toLocaleString()} files sent`;
  $("#send-again").hidden = isSending || done === items.length;
}

async function add(found) {
  if (!found.length) return announce("No session files there: of a folder, .jsonl and .json files are taken");
  items = items.filter((item) => !item.isDone);
  const known = new Set(items.map((item) => item.name));
  items.push(...found.filter(({ name }) => !known.has(name)).map((one) => new Item(one)));
  items.sort((one, other) => rank(one) - rank(other));
  if (!isSending) await sendAll();
}

async function sendAll() {
  isSending = true;
  for (;;) {
    const rest = items.filter((item) => !item.isDone && !item.hasFailed);
    if (!rest.length) break;
    tell();
    await sendSome(rest);
  }
  isSending = false;
  tell();
  refresh();
}

async function sendSome(rest) {
  let places;
  try {
    const files = rest.map(({ file, name }) => ({ name, size: file.size, written_at: file.lastModified }));
    const fields = { files, initiative: form.initiative.value, plan: form.plan.value };
    const answer = await ask(form.dataset.begin, "POST", JSON.stringify(fields), "application/json", () => {
      announce("The connection is lost: trying again");
    });
    places = (await answer.json()).files;
  } catch (error) {
    for (const item of rest) fail(item, error);
    return;
  }
  const queue = rest.map((item, index) => [item, places[index]]);
  await Promise.all(Array.from({ length: AT_ONCE }, () => work(queue)));
}

async function work(queue) {
  for (let next = queue.shift(); next; next = queue.shift()) {
    const [item, place] = next;
    item.show();
    try {
      await item.send(place);
      refreshSoon();
    } catch (error) {
      fail(item, error);
    }
    tell();
  }
}

function fail(item, error) {
  item.hasFailed = true;
  item.show();
  item.say("Not sent", "problem", error.message);
}

function announce(text) {
  $("#sending").hidden = false;
  $("#sending-summary").textContent = text;
}

// ---- The list below: asked for again while something is under way, and never under somebody's hands.
let soon = 0;

function refreshSoon() {
  soon ||= setTimeout(refresh, 500);
}

function refresh() {
  clearTimeout(soon);
  soon = 0;
  const list = $("#uploads");
  if (list.contains(document.activeElement) || $("details[open]", list)) return refreshSoon();
  window.htmx.ajax("GET", location.href, { target: "#uploads", swap: "outerHTML" });
}

setInterval(() => {
  if (!document.hidden && $("#uploads").dataset.moving === "true") refresh();
}, POLL);

// ---- Ways in.
for (const button of form.querySelectorAll("[data-pick]")) {
  button.addEventListener("click", () => $(`#pick-${button.dataset.pick}`).click());
}
for (const input of form.querySelectorAll("input[type=file]")) {
  input.addEventListener("change", () => add(chosen(input)));
}
form.addEventListener("submit", (event) => event.preventDefault());
$("#send-again").addEventListener("click", () => {
  for (const item of items) item.hasFailed = false;
  sendAll();
});
zone.addEventListener("dragover", (event) => {
  event.preventDefault();
  zone.classList.add("is-over");
});
zone.addEventListener("dragleave", () => zone.classList.remove("is-over"));
zone.addEventListener("drop", async (event) => {
  event.preventDefault();
  zone.classList.remove("is-over");
  add(await dropped(event.dataTransfer));
});
addEventListener("beforeunload", (event) => {
  if (isSending) event.preventDefault();
});
