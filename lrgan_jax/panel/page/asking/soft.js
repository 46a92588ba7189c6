// A mask with soft edges, as Python sees it.
import { latest } from "../ask.js";
import { maskOf } from "./search.js";

export function keepSoft(bench) {
  const show = latest(bench.attempt(async (drawing) => {
    if (bench.face.drawing !== drawing) return;
    const { image } = await bench.ask({ kind: "mask", ...maskOf(drawing) });
    bench.set({ softMask: { drawing, image } });
  }));
  let asked = null;
  return () => {
    const { drawing } = bench.face;
    if (drawing === asked) return;
    asked = drawing;
    if (drawing && (drawing.feather || drawing.soft)) show(drawing);
  };
}
