// The photograph, and what part of it is meant: a box around a face, points, or a box that is dragged.
import { POINTS } from "../doing/photograph.js";
import { html, useRef } from "../vendor/preact.js";
import { Button, useBench } from "./kit.js";

const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const within = (place, size) => place.map((at, axis) => Math.min(Math.max(at, 0), size[axis]));
const share = ([row, column], size) => [`${(100 * column) / size[1]}%`, `${(100 * row) / size[0]}%`];
const at = (place, size) => {
  const [left, top] = share(place, size);
  return { left, top };
};

export function Frame() {
  const { bench, state: { sitting }, act } = useBench();
  const { way, placed, stage, size, faces, quad } = sitting;
  const frame = useRef();
  const from = useRef(null); // where a box begins
  const dragged = useRef(null);
  const position = ({ clientX, clientY }) => {
    const { left, top, width, height } = frame.current.getBoundingClientRect();
    return within([((clientY - top) / height) * size[0], ((clientX - left) / width) * size[1]], size);
  };
  const down = (event) => {
    if (event.button || stage === "running") return;
    if (way === "points" && placed.length < POINTS.length) act.place(position(event));
    if (way !== "box") return;
    frame.current.setPointerCapture(event.pointerId);
    [from.current, dragged.current] = [position(event), null];
  };
  const move = (event) => {
    if (!from.current) return;
    dragged.current = boxOf(from.current, position(event), size, bench.about.grid);
    act.outline(cornersOf(dragged.current));
  };
  const up = () => {
    if (from.current && dragged.current) act.align({ box: dragged.current });
    from.current = null;
  };
  const choosing = way === null && !quad && faces.length > 1;
  return html`<div ref=${frame} className="frame" onPointerDown=${down} onPointerMove=${move} onPointerUp=${up}
    onPointerCancel=${() => (from.current = null)}>
    <img src=${sitting.image} alt="the photograph" draggable=${false} />
    <div className="shade" hidden=${!quad} style=${{ clipPath: quad ? outside(quad, size) : "none" }} />
    <div inert=${stage === "running"}>
      ${choosing && faces.map((box, face) => html`<${Face} box=${box} face=${face} />`)}
      ${placed.map((place, i) => html`<${Dot} key=${i} place=${place} i=${i} position=${position} />`)}
    </div>
  </div>`;
}

function Face({ box: [top, left, height, width], face }) {
  const { state: { sitting: { size, faces } }, act } = useBench();
  const [w, h] = share([height, width], size);
  return html`<${Button} className="box" aria-label=${`face ${face + 1} of ${faces.length}`} 
    style=${{ ...at([top, left], size), width: w, height: h }} onClick=${() => act.align({ face })} />`;
}

function Dot({ place, i, position }) {
  const { state: { sitting: { size } }, act } = useBench();
  const down = (event) => {
    event.stopPropagation();
    event.currentTarget.setPointerCapture(event.pointerId);
  };
  const move = (event) => event.currentTarget.hasPointerCapture(event.pointerId) && act.movePoint(i, position(event));
  const key = (event) => {
    const by = ARROWS[event.key];
    if (!by) return;
    event.preventDefault();
    const step = Math.max(...size) / (event.shiftKey ? 50 : 400);
    act.movePoint(i, within(place.map((at, axis) => at + step * by[axis]), size));
    act.pointMoved();
  };
  return html`<${Button} className="dot" aria-label=${`${POINTS[i]}, moved by the arrow keys`} style=${at(place, size)}
    onPointerDown=${down} onPointerMove=${move} onPointerUp=${act.pointMoved} onKeyDown=${key} />`;
}

/** Of the images' shape, from one corner towards the other, as large as it goes: top, left, height and width. */
function boxOf(from, to, size, shape) {
  const room = from.map((at, axis) => (to[axis] < at ? at : size[axis] - at));
  const times = Math.min(Math.max(...to.map((at, axis) => Math.abs(at - from[axis]) / shape[axis])), ...room.map((most, axis) => most / shape[axis]));
  const sides = shape.map((side) => side * times);
  return [...from.map((at, axis) => (to[axis] < at ? at - sides[axis] : at)), ...sides];
}
const cornersOf = ([top, left, height, width]) => [[top, left], [top, left + width], [top + height, left + width], [top + height, left]];

/** What lies outside of the corners, as a clipping path. */
function outside(quad, size) {
  const corners = quad.map((place) => share(place, size).join(" "));
  return `polygon(evenodd, 0 0, 100% 0, 100% 100%, 0 100%, 0 0, ${[...corners, corners[0]].join(", ")})`;
}
