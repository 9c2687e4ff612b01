// What our scripts share: finding elements, telling the person, asking the server.

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

// Heard, not seen.
export function announce(text) {
  const status = $("#announcer");
  if (status) status.textContent = text;
}

// Seen for a while, and heard.
export function toast(text, tone = "problem") {
  const template = $("#toast-template");
  if (!template) return;
  const item = template.content.firstElementChild.cloneNode(true);
  item.dataset.tone = tone;
  if (tone !== "problem") $(".icon", item)?.remove();
  $("span", item).textContent = text;
  $("#toasts").append(item);
  setTimeout(() => item.remove(), 8000);
}

// The address of one session's `part` ("peek", "claim"): the key is "kind:id".
export function sessionUrl(key, part) {
  const [kind, id] = key.split(":");
  return `${$("#center-button").dataset.sessions}${kind}/${id}/${part}/`;
}

export function post(url, fields = {}, options = {}) {
  const token = document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] ?? "";
  return fetch(url, { method: "POST", headers: { "X-CSRFToken": token }, body: new URLSearchParams(fields), ...options });
}

export function closePopovers(except) {
  for (const open of $$("details[name=popover][open]")) if (!open.contains(except)) open.open = false;
}
