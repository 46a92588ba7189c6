// How directions are looked for: regions by name, the edge of what is drawn, the method, what keeps still, layers.
import { stillOf } from "../state.js";
import { html, useRef, useState } from "../vendor/preact.js";
import { Button, Help, Range, Toggle, useBench, useName } from "./kit.js";
import { Layers } from "./layers.js";

export function Names() {
  const { state, face, act } = useBench();
  return html`<div className="bar names" role="group" aria-label="regions by name">
    <span>Regions</span>
    ${state.about.regions.map((name) => html`<${Toggle} key=${name} on=${face.drawing?.name === name} change=${() => act.named(name)}>${name}<//>`)}
  </div>`;
}

export function Feather() {
  const { state, face, act } = useBench();
  const feather = face.drawing?.feather ?? state.feather;
  const most = Math.round(Math.max(...state.about.grid) / 8);
  return html`<div className="setting feather"><label>soft edge
    <${Range} min=${0} max=${most} value=${feather} aria-valuetext=${`${feather} pixels`} moved=${act.feather} rest=${act.rest} /></label>
    <output>${feather} px</output></div>`;
}

/** In words, what is not as it usually is. */
function unusual(about, { method, layers, keep }) {
  const still = stillOf(keep);
  return [
    method !== about.method && about.methods.find(({ name }) => name === method).title,
    still.length > 0 && `only ${still.join(", ")} kept still`,
    layers && `layers ${layers}`,
  ].filter(Boolean);
}

export function Settings() {
  const { state: { about }, document } = useBench();
  const told = unusual(about, document.settings);
  const [open] = useState(told.length > 0); // at first; later it stays as it was left
  return html`<details className="settings" open=${open}><summary>${["Search settings", ...told].join(" · ")}</summary>
    <${Method} /><${Still} />${about.num_layers > 1 && html`<${Layers} />`}
  </details>`;
}

function Method() {
  const { state: { about }, document, act } = useBench();
  const described = useName();
  const { method } = document.settings;
  return html`<label>method <select value=${method} aria-describedby=${described} onChange=${({ target }) => act.set({ method: target.value })}>
      ${about.methods.map(({ name, title, about: tip }) => html`<option key=${name} value=${name} title=${tip}>${title}</option>`)}</select></label>
    <p id=${described}>${about.methods.find(({ name }) => name === method).about}</p>`;
}

const told = ({ names, drawn }) => {
  if (drawn.length || names?.length) return "All else may follow.";
  return names ? "None chosen: everything outside the region keeps still." : "What the panel was opened with keeps still; all else may follow.";
};

function Still() {
  const { state: { about }, document, face, act } = useBench();
  const described = useName();
  const { keep } = document.settings;
  const group = useRef();
  const forget = (title) => {
    group.current.focus(); // the button that had it goes
    act.forget(title);
  };
  return html`<div ref=${group} tabIndex=${-1} className="bar keep" role="group" aria-label="keep only these still" aria-describedby=${described}>
      <span>keep only these still</span><${Help} word="outside" />
      ${about.regions.map((name) => html`<${Toggle} key=${name} on=${keep.names?.includes(name) ?? false} change=${(on) => act.keepNamed(name, on)}
        aria-label=${`keep ${name} still`}>${name}<//>`)}
      ${keep.drawn.map(({ title }) => html`<${Toggle} key=${title} on=${true} change=${() => forget(title)}
        aria-label=${`keep ${title} still`}>${title}<//>`)}
      <${Button} disabled=${!face.drawing} onClick=${act.keepDrawing}>Keep the drawing still<//>
    </div><p id=${described}>${told(keep)}</p>`;
}
