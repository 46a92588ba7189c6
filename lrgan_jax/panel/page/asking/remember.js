// What was made is kept by Python, for a reload and for session files; titles go by what the page calls them.
import { rested } from "../ask.js";
import { saved } from "../state.js";

const PAUSE = 500; // milliseconds after the last change

export function keepRemembering(bench) {
  let kept = bench.document;
  const remember = rested(bench.attempt(() => bench.ask({ kind: "remember", state: saved(bench.document) })), PAUSE);
  const watcher = () => {
    if (bench.document === kept) return;
    kept = bench.document;
    remember();
  };
  return Object.assign(watcher, { flush: remember.flush });
}

/** However a title came to change, by its field or by undo. */
export function keepTitles(bench) {
  const told = new Map();
  return () => {
    for (const { found, title, named } of bench.face.regions) {
      if (named || told.get(found) === title) continue;
      if (told.has(found)) bench.attempt(() => bench.ask({ kind: "rename", found, title }))();
      told.set(found, title);
    }
  };
}
