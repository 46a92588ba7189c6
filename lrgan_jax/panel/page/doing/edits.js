// What a person does to the document: drawings, regions, sliders, settings.
import { BUSY, maskOf, protectOf } from "../asking/search.js";
import { contentOf } from "../files.js";
import { least } from "../layers.js";
import { Mask, unpacked } from "../mask.js";
import * as doc from "../state.js";

const unnamed = { soft: null, name: null, title: null };

export function edits(bench) {
  const { ask, attempt, about } = bench;
  const change = (change, mark) => bench.change(change(bench.document), mark);
  const received = (text) => new Mask(about.grid, unpacked(text, about.grid[0] * about.grid[1]));
  const draw = (drawn) => change((now) => doc.draw(now, { ...unnamed, feather: bench.state.feather, ...drawn }));
  const keep = (change) => act.set({ keep: change(bench.document.settings.keep) });

  const act = {
    undo: bench.undo,
    redo: bench.redo,
    draw: (mask) => draw({ mask }),
    clear() {
      change(doc.clear);
      bench.say("");
    },
    named: attempt(async (name) => draw({ name, mask: received((await ask({ kind: "region", name })).mask) })),
    openMask: attempt(async (file) => {
      const { mask, soft } = await ask({ kind: "open", picture: await contentOf(file) });
      draw({ mask: received(mask), soft: soft ?? null });
    }),
    feather(feather) {
      bench.set({ feather, dragging: true });
      if (bench.face.drawing) change((now) => doc.draw(now, { ...bench.face.drawing, feather }), "feather");
    },

    choose(number) {
      const { busy, failed } = bench.state;
      const status = number in busy ? { text: BUSY, kind: "busy" } : { text: "", kind: "" };
      bench.set({ status, failed: { ...failed, [number]: null } }); // what failed may work now
      bench.amend(doc.choose(bench.document, number));
    },
    truncate(truncation) {
      bench.set({ dragging: true });
      change((now) => doc.truncate(now, truncation), "truncation");
    },

    slide(found, index, to) {
      bench.set({ dragging: true, lastSlider: { found, index } });
      change((now) => doc.move(now, found, index, to), `${found} ${index}`);
    },
    rest: bench.rest,
    put(found, index, to) {
      bench.set({ dragging: false, lastSlider: { found, index } });
      change((now) => doc.move(now, found, index, to));
    },
    reset: () => change(doc.allToTheMiddle),
    rename: (found, title) => change((now) => doc.rename(now, found, title)),
    remove: (found) => change((now) => doc.remove(now, found)),
    walk: attempt(async (found, index, on) => {
      if (!on) return change((now) => doc.walk(now, found, index, null));
      const { here, truncation } = bench.document;
      bench.say("Walking…", "busy");
      const { reach } = await ask({ kind: "walk", face: here, truncation, found, index });
      if (bench.document.here !== here) return;
      change((now) => doc.walk(now, found, index, reach));
      bench.say("The slider follows the walk and reaches farther");
    }),

    set: (settings) => change((now) => doc.set(now, settings)),
    keepNamed: (name, still) => keep(({ names, drawn }) => {
      const kept = (other) => (other === name ? still : names?.includes(other));
      return { drawn, names: about.regions.filter(kept) };
    }),
    keepDrawing() {
      change(doc.keepDrawing);
      bench.say(`${bench.document.settings.keep.drawn.at(-1).title} keeps still: draw the region to change`);
    },
    forget: (title) => keep(({ names, drawn }) => ({ names, drawn: drawn.filter((one) => one.title !== title) })),
    measureLayers: attempt(async () => {
      const { document: { here, truncation, settings }, face: { drawing } } = bench;
      bench.say("Measuring every layer…", "busy");
      const region = { name: drawing.name, ...maskOf(drawing), protect: protectOf(settings.keep) };
      const { leaks, best } = await ask({ kind: "layers", face: here, truncation, ...region });
      bench.set({ layerLeaks: { of: drawing.mask, leaks, best } });
      bench.say(`Leaks are measured, ${least(best)}`);
    }),
  };
  return act;
}
