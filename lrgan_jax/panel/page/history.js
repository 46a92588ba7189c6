// Undo and redo of one immutable thing. Changes that carry the same mark, one after another, are one step: a slider that is dragged, or
// moved by one key press after another.

const LONGEST = 200; // steps that can be undone
const PAUSE = 1000; // milliseconds after which what came to rest begins anew

export const begin = (present) => ({ past: [], present, future: [], mark: null, rested: null });

/** A step that can be undone; `now` in milliseconds. */
export function step(history, present, mark = null, now = 0) {
  if (present === history.present) return history;
  const same = mark !== null && mark === history.mark && (history.rested === null || now - history.rested < PAUSE);
  const past = same ? history.past : [...history.past, history.present].slice(-LONGEST);
  return { past, present, future: [], mark, rested: null };
}

/** What follows from a step by itself, and is undone with it. */
export const amend = (history, present) => ({ ...history, present });

/** A change that comes later than soon is a step of its own, whatever its mark. */
export const rest = (history, now) => ({ ...history, rested: now });

export function undo({ past, present, future }) {
  return { past: past.slice(0, -1), present: past.at(-1), future: [present, ...future], mark: null };
}
export function redo({ past, present, future }) {
  return { past: [...past, present], present: future[0], future: future.slice(1), mark: null };
}
