// The picture of the face as it is edited, the pictures at the ends of its sliders, and the small ones of all faces.
import { latest } from "../ask.js";
import { editsOf, isMoved } from "../state.js";

export const placeOf = ({ whole, history: { present } }) => `${present.here}${whole[present.here] ? " whole" : ""}`;
const AT_ONCE = 8; // small pictures

/** Keeps the picture up with the sliders: of what changes meanwhile only the newest is asked for. */
export function keepPicture(bench) {
  const { ask, about } = bench;
  let shown = null;
  const wanted = () => {
    const { here: face, truncation } = bench.document;
    const { whole, dragging } = bench.state;
    return { face, truncation, whole: Boolean(whole[face]), edits: editsOf(bench.face), quick: about.quick && dragging };
  };
  const refresh = latest(bench.attempt(async () => {
    const [place, moved, { edits, quick, ...where }] = [placeOf(bench.state), isMoved(bench.face), wanted()];
    const known = bench.state.pictures[place];
    let original = known?.truncation === where.truncation ? known.original : null;
    if (moved && !quick) original ??= (await ask({ kind: "render", ...where, edits: [] })).image;
    const { image: edited } = await ask({ kind: "render", ...where, edits, quick });
    if (!moved && !quick) original = edited;
    bench.set({ pictures: { ...bench.state.pictures, [place]: { truncation: where.truncation, original, edited } } });
  }));
  return () => {
    const now = JSON.stringify(wanted());
    if (now === shown) return;
    shown = now;
    refresh();
  };
}

/** Asks for what is missing, one after another, so that a slider that is moved meanwhile need not wait long. What fails is not asked for again. */
function keepAsking(bench, missing, get) {
  const asked = new Set();
  const next = () => missing(asked);
  const run = latest(bench.attempt(async () => {
    for (let wanted = next(); wanted.length; wanted = next()) {
      wanted.forEach((one) => asked.add(one));
      await get(wanted);
    }
  }));
  return () => next().length && run();
}

export const keepEnds = (bench) => keepAsking(bench,
  (asked) => bench.face.regions.filter(({ named }) => !named)
    .flatMap(({ found, reaches }) => reaches.map((_, index) => `${found} ${index}`)).filter((key) => !asked.has(key)).slice(0, 1),
  async ([key]) => {
    const [found, index] = key.split(" ").map(Number);
    const { ends } = await bench.ask({ kind: "ends", found, index });
    bench.set({ ends: { ...bench.state.ends, [key]: ends } });
  });

export const keepThumbs = (bench) => keepAsking(bench,
  (asked) => Object.keys(bench.state.pictures).length
    ? bench.state.faces.map((_, number) => number).filter((number) => !(number in bench.state.thumbs || asked.has(number))).slice(0, AT_ONCE) : [],
  async (faces) => {
    const { images } = await bench.ask({ kind: "thumbs", faces });
    bench.set({ thumbs: { ...bench.state.thumbs, ...Object.fromEntries(faces.map((face, i) => [face, images[i]])) } });
  });
