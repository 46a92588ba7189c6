// The bench that all work lies on: one state, changed in one place, and everyone who watches it is told.
//
//   history  of the document (state.js), for undo and redo
//   faces    [{title, label, photograph}], thumbs {number: image}, pictures {"number" or "number whole": {truncation, original, edited}}
//   busy, failed  {number: drawing}: searches under way, and those that led to nothing
//   ends     {"found index truncation": [image, image]}
//   tool, mode, width, feather  of drawing; held: the original is looked at; dragging: a slider or a setting is; whole: {number: true} in the photograph
//   softMask {drawing, image}; layerLeaks {of: mask, leaks, best}; lastSlider {found, index}
//   status   {text, kind}; code: Python to be copied by hand; sitting: a photograph that is open (doing/photograph.js)
import * as past from "./history.js";
import { begun, faceOf } from "./state.js";

const told = (text, kind = "") => ({ text, kind });

const beginning = (about) => ({
  about,
  history: past.begin(begun(about)),
  faces: about.faces.map((face, number) => ({ ...face, photograph: about.photographs.find((one) => one.face === number) ?? null })),
  thumbs: Object.fromEntries(about.photographs.map(({ face, image }) => [face, image])),
  pictures: {}, ends: {}, busy: {}, failed: {}, whole: {},
  tool: "box", mode: "new", width: Math.max(2, Math.round(Math.max(...about.grid) / 12)), feather: 0,
  held: false, dragging: false, lastSlider: null, layerLeaks: null,
  status: told(""), code: null, softMask: null, sitting: null,
});

export function makeBench(asked, about) {
  let state = beginning(about);
  const watchers = new Set();
  const bench = {
    about,
    get state() { return state; },
    get document() { return state.history.present; },
    get face() { return faceOf(state.history.present); },
    ask: (request) => asked({ model: about.model, ...request }),
    set(change) {
      state = { ...state, ...change };
      watchers.forEach((watcher) => watcher());
    },
    /** Have a function called after every change, and now. */
    watch(watcher) {
      watchers.add(watcher);
      watcher();
      return () => watchers.delete(watcher);
    },
    say: (text, kind) => bench.set({ status: told(text, kind) }),
    /** Run what a person asked for; what goes wrong becomes a line under the image. */
    attempt: (job) => async (...args) => {
      try {
        return await job(...args);
      } catch (error) {
        bench.say(error.message, "error");
      }
    },
    change: (document, mark) => bench.set({ history: past.step(state.history, document, mark, Date.now()) }),
    amend: (document) => bench.set({ history: past.amend(state.history, document) }),
    rest: () => bench.set({ history: past.rest(state.history, Date.now()), dragging: false }),
    undo: () => state.history.past.length && bench.set({ history: past.undo(state.history), status: told("Undone") }),
    redo: () => state.history.future.length && bench.set({ history: past.redo(state.history), status: told("Done again") }),
  };
  return bench;
}
