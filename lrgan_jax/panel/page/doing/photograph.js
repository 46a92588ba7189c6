// A photograph that is open: where its face lies, how its latent is found round by round, and then it is one of the faces.
//
//   sitting: what Python told of it; way: what clicks mean, "points", "box" or null; placed: [row, column] each, in pixels;
//   stage: "where", "crop", "running" or "made"; crop, quad; found {done, rounds}, made, its picture, and the share done; told {text, kind}
import { latest } from "../ask.js";
import { contentOf } from "../files.js";

export const POINTS = ["the eye on the left of the picture", "the eye on the right",
  "the corner of the mouth on the left", "the corner of the mouth on the right"];
const USUAL = [[0.45, 0.4], [0.45, 0.6], [0.65, 0.42], [0.65, 0.58]]; // rows and columns, to begin with where nobody can click
const WORDS = { invert: "Inverting", tune: "Tuning" };
const NEXT = { invert: "Edit it, or tune the model to it for a closer likeness.", tune: "Edit it." };
const FIRST = "the first round takes longer";
const nowhere = { stage: "where", placed: [], quad: null, crop: null, found: null, made: null, told: { text: "", kind: "" } };

export function photographs(bench, act) {
  const { ask } = bench;
  const sitting = () => bench.state.sitting;
  const set = (change) => bench.set({ sitting: { ...sitting(), ...change } });
  const tell = (text, kind = "") => set({ told: { text, kind } });
  const about = () => ({ photograph: sitting().photograph });
  const wanted = () => tell(`Click ${POINTS[sitting().placed.length]}.`);
  /** Do something with the photograph; an answer that comes when it is no longer open, is nobody's. */
  const attempt = (job) => async (...args) => {
    const mine = sitting()?.photograph;
    const ours = () => mine !== undefined && mine === sitting()?.photograph;
    try {
      await job(ours, ...args);
    } catch (error) {
      if (ours()) tell(error.message, "error");
    }
  };

  const align = latest(attempt(async (ours, where) => {
    set({ stage: "where", found: null, made: null });
    const { image: crop, quad, points } = await ask({ kind: "align", ...about(), ...where });
    if (!ours()) return;
    const found = where.face === undefined ? {} : { placed: points, way: "points" }; // where they were found, to be moved
    set({ crop, quad, stage: "crop", ...found });
    tell(points ? "Is this the face? Points can be dragged." : sitting().note);
  }));

  const run = attempt(async (ours, kind) => {
    const before = sitting().stage;
    set({ stage: "running", share: null });
    tell(`${WORDS[kind]}: ${FIRST}`, "busy");
    try {
      while (sitting().stage === "running" && !sitting().stopping) {
        const { done, rounds, image: made, psnr, note } = await ask({ kind, ...about() });
        if (!ours()) return;
        set({ made, share: done / rounds, ...(kind === "invert" ? { found: { done, rounds } } : {}) });
        const [close, ended] = [`${psnr.toFixed(1)} dB.`, done >= rounds];
        tell(ended ? `Done: ${close} ${NEXT[kind]} ${note}` : `${WORDS[kind]}: ${done} of ${rounds}, ${close} ${note}`);
        if (ended) break;
      }
    } finally {
      if (ours()) set({ stage: sitting().found ? "made" : before, stopping: false });
    }
  });

  /** Another way to say what is meant, from the start. */
  const take = (way, placed = []) => set({ ...nowhere, way, placed });

  return {
    openPhotograph: bench.attempt(async (file) => {
      act.closePhotograph();
      if (file.size > bench.about.largest) throw new Error(`${file.name} is too large: at most ${bench.about.largest >> 20} MB`);
      bench.say("Opening the photograph…", "busy");
      const told = await ask({ kind: "photograph", name: file.name, content: await contentOf(file) });
      bench.say("");
      bench.set({ sitting: { ...nowhere, ...told, name: file.name, way: null } });
      tell(told.faces.length > 1 ? "Whose face? Click one." : told.note);
      if (told.faces.length === 1) return align({ face: 0 });
      if (!told.points) return align({ box: "middle" });
      if (told.faces.length) return;
      take("points");
      tell(`${told.note}. Click ${POINTS[0]}.`);
    }),
    closePhotograph() {
      if (!sitting()) return;
      ask({ kind: "cancel", ...about() }).catch(() => {}); // it may be forgotten already
      bench.set({ sitting: null });
    },
    align,
    /** By key the points stand somewhere, to be moved by keys. */
    placePoints(byKey) {
      take("points", byKey ? USUAL.map((place) => place.map((at, axis) => at * sitting().size[axis])) : []);
      byKey ? align({ points: sitting().placed }) : wanted();
    },
    place(point) {
      set({ placed: [...sitting().placed, point] });
      sitting().placed.length < POINTS.length ? wanted() : align({ points: sitting().placed });
    },
    movePoint: (i, to) => set({ placed: sitting().placed.with(i, to) }),
    pointMoved: () => sitting().placed.length === POINTS.length && align({ points: sitting().placed }),
    dragBox() {
      take("box");
      tell("Drag a box over what is meant.");
    },
    takeMiddle() {
      take(null);
      align({ box: "middle" });
    },
    outline: (quad) => set({ quad }),
    run,
    stop() {
      set({ stopping: true });
      tell("Stopping after this round…", "busy");
    },
    become: attempt(async () => {
      const portrait = await ask({ kind: "keep", ...about() });
      bench.set({ sitting: null });
      act.kept(portrait, act.choose);
    }),
  };
}
