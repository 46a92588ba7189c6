// The layers that move, as a strip: drag over it, or use the arrows; where it was measured, how much each leaks.
import { chosen, least, written } from "../layers.js";
import { html, useRef, useState } from "../vendor/preact.js";
import { Button, Help, useBench } from "./kit.js";

export function Layers() {
  const { state: { about, layerLeaks }, document, face, act } = useBench();
  const { num_layers: count } = about;
  const [draft, drag] = useState(null); // [from, to] while it is dragged over
  const [at, go] = useState(0);
  const strip = useRef();
  const measured = layerLeaks?.of === face.drawing?.mask ? layerLeaks : null;
  const most = measured && Math.max(...measured.leaks);
  const { layers } = document.settings;
  const settled = chosen(layers, count);
  const now = draft ? between(...draft) : settled;
  const set = (next) => act.set({ layers: written(next, count) });

  const begun = () => new Set(settled.size === count ? [] : settled); // from all of them the first one begins anew
  const focus = (layer) => {
    go(layer);
    strip.current.children[layer].focus();
  };
  const toggle = (layer) => {
    const next = begun();
    next.delete(layer) || next.add(layer);
    set(next);
  };
  const press = (event) => {
    const next = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: count - 1 }[event.key];
    if (event.key === " " || event.key === "Enter") toggle(at);
    else if (next === undefined) return;
    else if (next >= 0 && next < count) {
      if (event.shiftKey) set(begun().add(at).add(next));
      focus(next);
    }
    event.preventDefault();
  };
  const over = ({ clientX }) => {
    const { left, width } = strip.current.getBoundingClientRect();
    return Math.min(count - 1, Math.max(0, Math.floor(((clientX - left) / width) * count)));
  };
  const down = (event) => {
    strip.current.setPointerCapture(event.pointerId);
    drag([over(event), over(event)]);
  };
  const up = () => {
    if (!draft) return;
    draft[0] === draft[1] ? toggle(draft[0]) : set(between(...draft));
    drag(null);
  };
  return html`<div className="layers">
    <div className="bar"><span>layers: ${written(now, count) || "all"}</span><${Help} word="layers" />
      <${Button} disabled=${!layers} onClick=${() => act.set({ layers: "" })}>All layers<//>
      <${Button} disabled=${!face.drawing} onClick=${act.measureLayers}>Measure the leaks<//>
      ${measured?.best && html`<${Button} onClick=${() => set(chosen(measured.best, count))}>Take ${measured.best}<//>`}</div>
    <div ref=${strip} className="cells" role="listbox" aria-multiselectable="true" aria-orientation="horizontal"
      aria-label="layers that move" onKeyDown=${press} onPointerDown=${down} onPointerMove=${(event) => draft && drag([draft[0], over(event)])} onPointerUp=${up} onPointerCancel=${() => drag(null)}>
      ${Array.from({ length: count }, (_, layer) => html`<${Cell} key=${layer} layer=${layer} on=${now.has(layer)} tabIndex=${layer === at ? 0 : -1}
        leak=${measured?.leaks[layer]} most=${most} />`)}
    </div>
    ${measured && html`<p>Leaks in %, ${least(measured.best)}.</p>`}
  </div>`;
}

const between = (a, b) => new Set(Array.from({ length: Math.abs(a - b) + 1 }, (_, i) => Math.min(a, b) + i));

/** `leak` of this layer, null where the region does not react; `most`, that of the layer with the longest bar, null before they are measured. */
function Cell({ layer, on, leak, most, tabIndex }) {
  const percent = Math.round(100 * leak);
  const told = most === null ? "" : leak === null ? ", the region does not react" : `, leak ${percent} %`;
  const name = `layer ${layer}${told}`;
  return html`<div role="option" aria-selected=${String(on)} aria-label=${name} title=${name} tabIndex=${tabIndex}>
    ${layer}${most !== null && html`<i style=${{ "--share": leak / (most || 1) }} /><small>${leak === null ? "–" : percent}</small>`}</div>`;
}
