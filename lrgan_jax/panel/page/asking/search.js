// Directions for what is drawn: whatever drawing has none yet is searched, on whichever face is looked at.
import { latest } from "../ask.js";
import { packed } from "../mask.js";
import * as doc from "../state.js";

export const BUSY = "Looking for directions…";
const FIRST = `${BUSY} the first search is compiled, which takes longer`;

/** A mask as it travels. */
export const maskOf = ({ mask, soft, feather }) => ({ ...(soft ? { soft } : { mask: packed(mask.pixels) }), feather });

/** What keeps still: null for what the panel was opened with. */
export const protectOf = ({ names, drawn }) =>
  names || drawn.length ? [...(names ?? []), ...drawn.map((drawing) => ({ title: drawing.title, ...maskOf(drawing) }))] : null;

/** Whether what is to change is kept still. */
const isHeld = ({ mask }, { drawn }) => mask.sharedWith(drawn.map(({ mask }) => mask)) > 0.5;
const HELD = "what keeps still covers most of this region: nothing there can change much";

const plural = (count) => `${count} ${count > 1 ? "directions" : "direction"}`;

export function keepSearching(bench) {
  let compiled = false;
  const queues = {}; // each face has its own, so that none takes another's place
  async function find(number, drawing) {
    const { document } = bench;
    const tell = (text, kind) => bench.document.here === number && bench.say(text, kind);
    const current = () => doc.faceOf(bench.document, number).drawing === drawing; // neither drawn anew nor cleared
    const settle = (failed) => {
      const { [number]: mine, ...busy } = bench.state.busy;
      if (mine === drawing) bench.set({ busy, failed: { ...bench.state.failed, [number]: failed } });
    };
    if (!current()) return settle(null);
    tell(compiled ? BUSY : FIRST, "busy");
    const { settings: { method, layers, keep }, truncation } = document;
    const [{ name }, title] = [drawing, doc.titleOf(document, number, drawing)];
    const still = doc.stillOf(keep).filter((kept) => kept !== name); // no region keeps itself still
    const how = { truncation, method, layers, protect: protectOf(keep) };
    const reply = await bench.ask({ kind: "find", face: number, ...maskOf(drawing), name, title, ...how }).catch(({ message }) => ({ error: message }));
    const { found, reaches, leaks, caveat, error } = reply;
    if (!error) bench.amend(doc.answer(bench.document, number, drawing, { found, title, reaches, leaks, still }));
    compiled ||= !error;
    settle(error ? drawing : null);
    if (!current()) return;
    if (error) return tell(error, "error");
    tell(`${plural(leaks.length)} found: ${isHeld(drawing, keep) ? HELD : "move a slider"}${caveat && ` (${caveat})`}`);
  }
  return () => {
    const [{ here }, { drawing, answered }, { busy, failed, dragging }] = [bench.document, bench.face, bench.state];
    if (answered || dragging || busy[here] === drawing || failed[here] === drawing) return;
    queues[here] ??= latest(find);
    bench.set({ busy: { ...busy, [here]: drawing } });
    queues[here](here, drawing);
  };
}
