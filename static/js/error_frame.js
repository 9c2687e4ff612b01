// A page of an error may be drawn before anybody knows who asked, or without the database. If its address is of a
// workspace that lets this person in, it gets the frame of that and the Command Center with it; else it stays as it is.
const [, workspace] = location.pathname.match(/^\/w\/([^/]+)\//) ?? [];

async function frame() {
  const answer = await fetch(`/w/${workspace}/command-center/frame/`);
  if (answer.ok && !answer.redirected) put(new DOMParser().parseFromString(await answer.text(), "text/html"));
}

function put(page) {
  const [there, here] = [page.getElementById("main"), document.getElementById("main")];
  document.documentElement.setAttribute("time-zone", page.documentElement.getAttribute("time-zone"));
  document.querySelector(".app-header").replaceWith(...page.querySelectorAll("body > .app-header, body > .loading-line"));
  here.prepend(page.getElementById("announcer"));
  while (there.nextElementSibling) document.body.append(there.nextElementSibling);
  document.head.append(page.querySelector("meta[name=htmx-config]"), ...[...page.querySelectorAll("head script[src]")].map(copy));
}

// A script that was parsed as text does not run; a copy does, after those before it.
function copy({ src, type }) {
  return Object.assign(document.createElement("script"), { src, type, async: false });
}

// The scripts that come with it connect once the page has been loaded.
if (workspace) addEventListener("load", () => frame().catch(() => {}));
