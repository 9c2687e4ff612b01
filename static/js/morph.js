// Changing a piece of the page in place: only what differs is touched, so that focus, selection and what is open
// stay as they are.

export function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
}

const kindOf = (node) =>
  `${node.nodeType}${node.nodeName}${node.id ? `#${node.id}` : ""}.${node.getAttribute?.("class")?.split(" ")[0] ?? ""}`;

export function morph(from, to) {
  // What the page itself says there, no server knows.
  if (from.hasAttribute("data-own")) return;
  // Whoever has looked it up does so again.
  if (from.hasAttribute("data-looked-up") && from.closest("details[open]")) return;
  // What is open is the reader's; a custom element has attributes of its own.
  for (const { name, value } of to.attributes) {
    if (from.getAttribute(name) !== value && name !== "open") from.setAttribute(name, value);
  }
  for (const { name } of [...from.attributes]) {
    if (!to.hasAttribute(name) && name !== "open" && !from.nodeName.includes("-")) from.removeAttribute(name);
  }
  let node = from.firstChild;
  for (const fresh of [...to.childNodes]) {
    let match = node;
    while (match && kindOf(match) !== kindOf(fresh)) match = match.nextSibling;
    if (!match) {
      from.insertBefore(fresh, node);
      continue;
    }
    while (node !== match) {
      const next = node.nextSibling;
      node.remove();
      node = next;
    }
    node = match.nextSibling;
    if (match.nodeType !== Node.ELEMENT_NODE) match.data = match.data === fresh.data ? match.data : fresh.data;
    else morph(match, fresh);
  }
  while (node) {
    const next = node.nextSibling;
    node.remove();
    node = next;
  }
}
