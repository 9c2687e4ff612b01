// Where the person is: under the pointer, in the focus, in what they have selected. Nothing may move there.
import { $$ } from "./dom.js";

const POINTED = ".row, .peek-slot, a, button, summary";
const follows = (node, place) => Boolean(node.compareDocumentPosition(place) & Node.DOCUMENT_POSITION_FOLLOWING);

// Inside `root`, as it is now. `isAfter`: they are somewhere behind the node; `isAtOrAfter`: or in it.
export function whereabouts(root) {
  const selection = getSelection();
  const selected = selection.isCollapsed ? [] : [selection.anchorNode, selection.focusNode];
  const found = [$$(`:is(${POINTED}):hover`, root).at(-1), document.activeElement, ...selected];
  const places = found.filter((place) => place && place !== root && root.contains(place));
  return {
    isAfter: (node) => places.some((place) => follows(node, place) && !node.contains(place)),
    isAtOrAfter: (node) => places.some((place) => place === node || follows(node, place)),
  };
}

// Whenever they may have left a place.
export function onLeaving(work) {
  let asked = 0;
  for (const type of ["pointerout", "focusout", "selectionchange", "peek:closed"]) {
    document.addEventListener(type, () => {
      asked ||= requestAnimationFrame(() => {
        asked = 0;
        work();
      });
    });
  }
}
