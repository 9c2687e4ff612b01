// Work that is asked for again and again is done at most for a share of the time, never twice at once, and not while
// nobody looks. The first time comes after the pause, too: what is asked for meanwhile is done with it.
const SHARE = 10;

export function paced(work, pauseMs) {
  let timer = 0;
  let isBusy = false;
  let isWanted = false;
  let pause = pauseMs;

  async function run() {
    timer = 0;
    isBusy = true;
    isWanted = false;
    const began = performance.now();
    try {
      await work();
    } finally {
      isBusy = false;
      pause = Math.max(pauseMs, SHARE * (performance.now() - began));
      if (isWanted) ask();
    }
  }

  function ask() {
    isWanted = true;
    if (!isBusy && !timer && !document.hidden) timer = setTimeout(run, pause);
  }

  document.addEventListener("visibilitychange", () => isWanted && ask());
  return ask;
}
