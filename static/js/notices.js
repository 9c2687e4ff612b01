// Notifications of the browser, where the person has asked for them in this browser.
import { $, toast } from "./dom.js";

const ON = "notices-on";
const setting = $("[data-notices-toggle]");

const isOn = () => "Notification" in window && Notification.permission === "granted" && Boolean(localStorage.getItem(ON));

// One for each state of a session, however many tabs hear of it: the tag says which.
export function notify({ key, version, title, reason, url }) {
  if (!isOn()) return;
  let notice;
  try {
    notice = new Notification(title, { body: reason, tag: `${key}:${version}` });
  } catch {
    return; // some phones have the name and not the thing
  }
  notice.addEventListener("click", () => {
    window.focus();
    location.assign(url);
    notice.close();
  });
}

async function choose() {
  if (!setting.checked) return localStorage.removeItem(ON);
  const answer = await Notification.requestPermission();
  if (answer === "granted") return localStorage.setItem(ON, "1");
  setting.checked = false;
  toast("The browser does not allow notifications of this site. Allow them in its settings, then try again.");
}

if (setting && "Notification" in window) {
  setting.checked = isOn();
  setting.addEventListener("change", choose);
} else setting?.closest("label").remove();
