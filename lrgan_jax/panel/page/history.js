// Undo and redo of one immutable thing. Changes that carry the same mark, one after another, are one step: a slider that is dragged.

const LONGEST = 200; // steps that can be undone

export const begin = (present) => ({ past: [], present, future: [], mark: null });

/** A step that can be undone. */
export function step(history, present, mark = null) {
  if (present === history.present) return history;
  const same = mark !== null && mark === history.mark;
  const past = same ? history.past : [...history.past, history.present].slice(-LONGEST);
  return { past, present, future: [], mark };
}

/** What follows from a step by itself, and is undone with it. */
export const amend = (history, present) => ({ ...history, present });

/** The next change is a step of its own, whatever its mark. */
export const rest = (history) => ({ ...history, mark: null });

export function undo({ past, present, future }) {
  return { past: past.slice(0, -1), present: past.at(-1), future: [present, ...future], mark: null };
}
export function redo({ past, present, future }) {
  return { past: [...past, present], present: future[0], future: future.slice(1), mark: null };
}
