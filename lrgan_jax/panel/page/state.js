// What a person has made of the faces: an immutable document, and the pure functions that change it. Undo, redo, reload and session files all
// keep documents, so nothing in here knows of the page or of Python.
//
//   document: {here, truncation, named, settings: {method, layers, keep}, faces: {number: face}}
//   keep: {names, drawn: [drawing]}; `names` null: what the panel was opened with keeps still
//   face: {drawing, answered, own, regions}; the drawing's directions are `answered`, those of the region `own`, or still to be looked for
//   drawing: {mask, soft, feather, name, title}; `soft` in the mask's place where a PNG had grey edges
//   region: {found, title, reaches, leaks, still, steps, walks}; `still`, names of what alone kept still; `walks`, the slider's reach along its
//     walk, null where it moves straight
import { Mask, packed, unpacked } from "./mask.js";

const VERSION = 1; // of documents as they are saved

export const blank = ({ method, layers, protect, named }) => ({
  here: 0,
  truncation: 1,
  named: named.map((region) => atRest({ ...region, title: region.title.replaceAll("_", " "), named: true })),
  settings: { method, layers, keep: { names: protect, drawn: [] } },
  faces: {},
});

/** A region of which no slider is moved. */
export const atRest = (region) => ({ ...region, steps: region.reaches.map(() => 0), walks: region.reaches.map(() => null) });

const fresh = (document) => ({ drawing: null, answered: true, regions: document.named });
export const faceOf = (document, number = document.here) => document.faces[number] ?? fresh(document);
const withFace = (document, change, number = document.here) => ({
  ...document,
  faces: { ...document.faces, [number]: { ...faceOf(document, number), ...change } },
});

/** Another face. Faces are alike enough for the same region to be meant: one without a drawing takes this one's over. */
export function choose(document, number) {
  const { drawing } = faceOf(document);
  const there = { ...document, here: number };
  return faceOf(document, number).drawing || !drawing ? there : draw(there, drawing);
}

export const draw = (document, drawing) => withFace(document, { drawing: { ...drawing }, answered: false });
export const clear = (document) => (faceOf(document).drawing ? withFace(document, { drawing: null, answered: true }) : document);

/** What a face's drawing is called if nobody calls it otherwise: numbered where that title is taken. */
export function titleOf(document, number, { title, name }) {
  const { regions } = faceOf(document, number);
  return numbered(title ?? name ?? "drawn", [...regions.filter(stays(regions)), ...document.settings.keep.drawn]);
}
function numbered(name, taken) {
  const titles = taken.map(({ title }) => title);
  let title = name;
  for (let number = 2; titles.includes(title); number++) title = `${name} ${number}`;
  return title;
}

/** The drawing itself keeps still from now on, under the title that its sliders have; the next drawing is the region. */
export function keepDrawing(document) {
  const { here, settings: { keep } } = document;
  const { drawing, answered, own, regions } = faceOf(document);
  const section = answered && regions.find(({ found }) => found === own);
  const title = section ? numbered(section.title, keep.drawn) : titleOf(document, here, drawing);
  return set(clear(document), { keep: { ...keep, drawn: [...keep.drawn, { ...drawing, title }] } });
}

/** What nobody has moved yet makes room for what is found next; sliders that were used stay, and all act together. */
const stays = (regions) => (region) => region.named || region !== regions.findLast(({ named }) => !named) || region.steps.some(Boolean);

/** The drawing's directions are there; nothing changes where it was drawn anew or cleared meanwhile. */
export function answer(document, number, drawing, region) {
  const { drawing: now, regions } = faceOf(document, number);
  if (now !== drawing) return document;
  const kept = regions.filter(stays(regions));
  const [named, before] = [true, false].map((kind) => kept.filter((one) => Boolean(one.named) === kind));
  return withFace(document, { answered: true, own: region.found, regions: [...before, atRest(region), ...named] }, number);
}

const withRegion = (document, found, change) =>
  withFace(document, { regions: faceOf(document).regions.map((region) => (region.found === found ? { ...region, ...change(region) } : region)) });

export const reachOf = (region, index) => region.walks[index] ?? region.reaches[index];
export const move = (document, found, index, to) => withRegion(document, found, ({ steps }) => ({ steps: steps.with(index, to) }));
export function rename(document, found, title) {
  const another = faceOf(document).regions.some((region) => region.found === found && region.title !== title);
  return another ? withRegion(document, found, () => ({ title })) : document;
}
export const remove = (document, found) => withFace(document, { regions: faceOf(document).regions.filter((region) => region.found !== found) });
/** The slider follows its walk, which reaches so far, or, with null, its line; it stays within its reach. */
export const walk = (document, found, index, reach) =>
  withRegion(document, found, ({ steps, walks, reaches }) => {
    const most = reach ?? reaches[index];
    return { walks: walks.with(index, reach), steps: steps.with(index, Math.max(-most, Math.min(most, steps[index]))) };
  });
export function allToTheMiddle(document) {
  const { regions } = faceOf(document);
  const middle = (region) => ({ ...region, steps: region.steps.map(() => 0) });
  return isMoved({ regions }) ? withFace(document, { regions: regions.map(middle) }) : document;
}

/** With other settings, or another truncation, the drawing that is there is searched again. */
const again = (document, { drawing } = faceOf(document)) => (drawing ? draw(document, drawing) : document);
export const set = (document, settings) => again({ ...document, settings: { ...document.settings, ...settings } });
export const truncate = (document, truncation) => again({ ...document, truncation });

/** What alone keeps still, by name. */
export const stillOf = ({ names, drawn }) => [...(names ?? []), ...drawn.map(({ title }) => title)];

/** As Python wants it; directions that were looked for are of interest even where they do not move. */
export const editsOf = ({ regions }) =>
  regions.filter(({ named, steps }) => !named || steps.some(Boolean)).map(({ found, steps, walks }) => {
    const walked = walks.flatMap((reach, index) => (reach === null ? [] : [index]));
    return walked.length ? [found, steps, walked] : [found, steps];
  });
export const isWalked = ({ regions }) => regions.some(({ steps, walks }) => steps.some((step, index) => step && walks[index] !== null));
export const isMoved = ({ regions }) => regions.some(({ steps }) => steps.some(Boolean));

/** As JSON, and back; what another version of the page has saved is not understood, and left alone. */
const written = (drawing) => drawing && { ...drawing, mask: packed(drawing.mask.pixels) };
const read = ([height, width]) => (drawing) => drawing && { ...drawing, mask: new Mask([height, width], unpacked(drawing.mask, height * width)) };
function withDrawings(document, change) {
  const { keep } = document.settings;
  const faces = Object.entries(document.faces).map(([number, face]) => [number, { ...face, drawing: change(face.drawing) }]);
  const settings = { ...document.settings, keep: { ...keep, drawn: keep.drawn.map(change) } };
  return { ...document, faces: Object.fromEntries(faces), settings };
}
export const saved = (document) => ({ version: VERSION, document: withDrawings(document, written) });
/** With no document, or one that cannot be used (a session file may hold anything), there are still the directions that were found. */
export function begun(about) {
  const fresh = blank(about);
  try {
    const document = withDrawings(about.state.document, read(about.grid));
    if (about.state.version === VERSION && isSound(document, about)) return { ...document, named: fresh.named };
  } catch {} // it is no document
  return about.found.reduce((document, { face, name, ...found }) => {
    const { regions } = faceOf(document, face);
    return withFace(document, { regions: [atRest({ title: name, ...found }), ...regions] }, face);
  }, fresh);
}

/** Whether all that it names is there, with a step for each slider. */
function isSound({ here, truncation, settings, faces }, { found, named, faces: all }) {
  const sliders = new Map([...found, ...named].map((one) => [one.found, one.reaches.length]));
  const whole = ({ found, title, reaches, leaks, still = [], steps, walks }) =>
    typeof title === "string" && Array.isArray(still) && (leaks === null || leaks.length === reaches.length) && [reaches, steps, walks].every(({ length }) => length === sliders.get(found));
  const numbers = [here, ...Object.keys(faces).map(Number)];
  return numbers.every((number) => number in all) && truncation >= 0 && truncation <= 1 && "keep" in settings &&
    Object.values(faces).every(({ regions }) => regions.every(whole));
}
