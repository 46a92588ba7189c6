// The picture, and drawing on it.
import { placeOf } from "../asking/pictures.js";
import { HELP } from "../keys.js";
import { painter } from "../painter.js";
import { html, useLayoutEffect, useRef } from "../vendor/preact.js";
import { Button, Choice, Range, useBench, useName } from "./kit.js";

const TOOLS = ["box", "polygon", "brush", "eraser"];
const MODES = ["new", "add", "subtract"];
const WHEN_DRAWN = { // in the place of modes
  brush: "The brush paints onto the drawing; clear it to begin anew",
  eraser: "The eraser takes away from the drawing; clear it to begin anew",
};
const strokes = (tool) => tool === "brush" || tool === "eraser";

export function Tools() {
  const { bench, state, face, act } = useBench();
  const choose = (tool) => {
    bench.set({ tool });
    if (face.drawing && WHEN_DRAWN[tool]) bench.say(WHEN_DRAWN[tool]);
  };
  const widest = Math.round(Math.max(...state.about.grid) / 4);
  return html`<div className="bar" role="toolbar" aria-label="drawing tools">
    <${Choice} label="tool" names=${TOOLS} chosen=${state.tool} choose=${choose} />
    ${strokes(state.tool)
      ? html`<label className="width">width <${Range} min=${1} max=${widest} value=${state.width} moved=${(width) => bench.set({ width })} /></label>`
      : html`<${Choice} label="what a drawing does" names=${MODES} chosen=${state.mode} choose=${(mode) => bench.set({ mode })} />`}
    <${Button} aria-label="clear drawing" onClick=${act.clear}>clear<//>
  </div>`;
}

export function Stage() {
  const { bench, state, document, face, act } = useBench();
  const { about, held, tool, mode, width } = state;
  const [canvas, paint] = [useRef(), useRef()];
  const described = useName();
  useLayoutEffect(() => {
    paint.current = painter(canvas.current, about.grid, { finished: act.draw, cleared: act.clear, told: bench.say });
  }, []);
  useLayoutEffect(() => paint.current.choose({ name: tool, mode, width }), [tool, mode, width]);
  useLayoutEffect(() => paint.current.show(face.drawing?.mask ?? null), [face.drawing?.mask]);

  const picture = state.pictures[placeOf(state)];
  const last = useRef();
  last.current = (picture && (held && picture.original || picture.edited)) ?? last.current;
  const empty = !face.drawing && face.regions.every(({ named }) => named);
  const whole = state.whole[document.here];
  const shape = whole ? state.faces[document.here].photograph.shape : about.grid[1] / about.grid[0];
  return html`
    <div className="stage" style=${{ "--shape": shape }}>
      <img className="image" src=${last.current} alt=${`the picture of face ${document.here + 1}${held ? ", unedited" : ""}`} draggable=${false} />
      <${Soft} hidden=${whole} />
      <canvas ref=${canvas} hidden=${whole} tabIndex=${0} role="application" aria-label="drawing area" aria-describedby=${described} />
      <p id=${described} className="keys">${HELP[tool]}</p>
      ${empty && html`<p className="hint" aria-hidden="true">Drag a box around what you want to change</p>`}
    </div>`;
}

/** What the edges of a soft region reach. */
function Soft({ hidden }) {
  const { state, face } = useBench();
  const seen = face.drawing && state.softMask?.drawing === face.drawing;
  return html`<div className="soft" hidden=${hidden || !seen} style=${{ maskImage: seen ? `url(${state.softMask.image})` : "none" }} />`;
}

export function Status() {
  const { state: { status } } = useBench();
  return html`<p className=${`status ${status.kind}`} role="status">${status.text}</p>`;
}
