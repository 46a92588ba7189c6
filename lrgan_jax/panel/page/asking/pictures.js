// The picture of the face as it is edited, the pictures at the ends of its sliders, and the small ones of all faces.
import { latest } from "../ask.js";
import { editsOf, isMoved, isWalked } from "../state.js";

export const placeOf = ({ whole, history: { present } }) => `${present.here}${whole[present.here] ? " whole" : ""}`;
const AT_ONCE = 8; // small pictures
const PATIENCE = 500; // milliseconds until a picture takes long

/** Run what draws. Where it has to compute a walk first, that is told; an error from before goes. */
async function patiently(bench, job) {
  const { status } = bench.state;
  let over = status.kind === "error" ? status : null;
  const timer = setTimeout(() => {
    if (!isWalked(bench.face) || bench.state.status.kind === "busy") return;
    bench.say("Walking…", "busy");
    over = bench.state.status;
  }, PATIENCE);
  try {
    await job();
  } finally {
    clearTimeout(timer);
    if (bench.state.status === over) bench.say("");
  }
}

/** Keeps the picture up with the sliders: of what changes meanwhile only the newest is asked for. */
export function keepPicture(bench) {
  const { ask, about } = bench;
  let shown = null;
  const wanted = () => {
    const { here: face, truncation } = bench.document;
    const { whole, dragging } = bench.state;
    return { face, truncation, whole: Boolean(whole[face]), edits: editsOf(bench.face), quick: about.quick && dragging };
  };
  async function draw() {
    const [place, moved, { edits, quick, ...where }] = [placeOf(bench.state), isMoved(bench.face), wanted()];
    const known = bench.state.pictures[place];
    let original = known?.truncation === where.truncation ? known.original : null;
    if (moved && !quick) original ??= (await ask({ kind: "render", ...where, edits: [] })).image;
    const { image: edited } = await ask({ kind: "render", ...where, edits, quick });
    if (!moved && !quick) original = edited;
    bench.set({ pictures: { ...bench.state.pictures, [place]: { truncation: where.truncation, original, edited } } });
  }
  const refresh = latest(bench.attempt(() => patiently(bench, draw)));
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

/** Where the pictures at a slider's ends are kept. */
export const endsOf = ({ truncation }, { found }, index) => `${found} ${index} ${truncation}`;
export const keepEnds = (bench) => keepAsking(bench,
  (asked) => bench.face.regions.filter(({ named }) => !named)
    .flatMap((region) => region.reaches.map((_, index) => endsOf(bench.document, region, index)))
    .filter((key) => !bench.state.dragging && !asked.has(key)).slice(0, 1),
  async ([key]) => {
    const [found, index, truncation] = key.split(" ").map(Number);
    const { ends } = await bench.ask({ kind: "ends", found, index, truncation });
    bench.set({ ends: { ...bench.state.ends, [key]: ends } });
  });

export const keepThumbs = (bench) => keepAsking(bench,
  (asked) => Object.keys(bench.state.pictures).length
    ? bench.state.faces.map((_, number) => number).filter((number) => !(number in bench.state.thumbs || asked.has(number))).slice(0, AT_ONCE) : [],
  async (faces) => {
    const { images } = await bench.ask({ kind: "thumbs", faces });
    bench.set({ thumbs: { ...bench.state.thumbs, ...Object.fromEntries(faces.map((face, i) => [face, images[i]])) } });
  });
