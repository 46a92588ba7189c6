// More faces to choose from.
import { editsOf } from "../state.js";

const AT_ONCE = 4;

export function faces(bench) {
  const { ask, attempt } = bench;
  const join = (added) => {
    const { faces } = bench.state;
    bench.set({ faces: [...faces, ...added.map((face) => ({ ...face, photograph: null }))] });
    const [first, last] = [faces.length + 1, faces.length + added.length];
    bench.say(`${added.length} more: ${first === last ? `face ${first}` : `faces ${first} to ${last}`}`);
  };
  const asked = (kind, busy) => attempt(async (how) => {
    bench.say(busy, "busy");
    const { here, truncation } = bench.document;
    join((await ask({ kind, face: here, truncation, edits: editsOf(bench.face), num: AT_ONCE, ...how })).faces);
  });
  return {
    more: asked("more", "More faces…"),
    alike: asked("alike", "Faces like this one…"),
    /** A photograph becomes one of the faces, and is looked at. */
    kept(portrait, choose) {
      const { face, image } = portrait;
      const faces = [...bench.state.faces];
      while (faces.length <= face) faces.push({ title: "", label: null, photograph: null }); // other pages may have opened some, too
      faces[face] = { title: portrait.name, label: null, photograph: portrait };
      bench.set({ faces, thumbs: { ...bench.state.thumbs, [face]: image } });
      choose(face);
    },
  };
}
