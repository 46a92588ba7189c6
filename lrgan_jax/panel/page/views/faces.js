// The faces to choose from, and more of them.
import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { Button, FileButton, Help, Popover, Range, Toggle, useBench } from "./kit.js";

const origin = ({ title, label }) => [title, label !== null && `class ${label}`].filter(Boolean).join(", ");

export function Faces({ openPhotograph }) {
  const { state, document } = useBench();
  const { faces, thumbs } = state;
  const strip = useRef();
  const next = useRef(document.here); // to be brought into sight: first the chosen one, then what is new
  useEffect(() => {
    const { firstChild, children } = strip.current;
    strip.current.scrollLeft = children[next.current].offsetLeft - firstChild.offsetLeft; // the strip alone, never the page around it
    next.current = faces.length;
  }, [faces.length]);
  return html`<section aria-label="faces" className="faces">
    <div ref=${strip} className="strip" role="group" aria-label="faces to choose from">
      ${faces.map((face, number) =>
        html`<${Thumb} key=${number} number=${number} name=${`face ${number + 1}, ${origin(face)}`} image=${thumbs[number]} />`)}
    </div>
    <p className="which">Face ${document.here + 1} of ${faces.length} · ${origin(faces[document.here])}</p>
    <${Truncation} />
    <div className="bar">
      <${More} />
      <${FileButton} accept="image/*" open=${openPhotograph}>Open a photograph<//>
    </div>
    <${Photographed} />
  </section>`;
}

function Thumb({ number, name, image }) {
  const { document, act } = useBench();
  return html`<${Button} className="thumb" aria-label=${name} aria-pressed=${String(number === document.here)} onClick=${() => act.choose(number)}>
    ${image && html`<img src=${image} alt="" />`}<span>${number + 1}</span><//>`;
}

function Truncation() {
  const { state, document, act } = useBench();
  if (!state.about.truncates) return null;
  return html`<div className="setting"><label>truncation
    <${Range} min=${0} max=${1} step=${0.01} value=${document.truncation} moved=${act.truncate} rest=${act.rest} /></label>
    <output>${document.truncation.toFixed(2)}</output><${Help} word="truncation" /></div>`;
}

const number = (text) => (text === "" ? {} : { seed: Number(text) });

/** Further samples, or samples near this one; of a seed or a class where one is wanted. */
function More() {
  const { state: { about }, act } = useBench();
  const [seed, setSeed] = useState("");
  const [label, setLabel] = useState("");
  const [amount, setAmount] = useState(0.3);
  return html`
    <${Button} onClick=${() => act.more({ ...number(seed), ...(label === "" ? {} : { label: Number(label) }) })}>More faces<//>
    <${Button} onClick=${() => act.alike({ amount })}>Faces like this one<//>
    <${Popover} label="Which faces" name="Which faces to add">
      <label>seed <input type="number" min="0" step="1" value=${seed} placeholder="the next"
        onInput=${({ target }) => setSeed(target.value)} /></label>
      ${about.classes > 0 && html`<label>class <select value=${label} onChange=${({ target }) => setLabel(target.value)}>
        <option value="">all in turn</option>
        ${Array.from({ length: about.classes }, (_, i) => html`<option key=${i} value=${i}>${i}</option>`)}</select></label>`}
      <label>how different from this one <${Range} min=${0.05} max=${1} step=${0.05} value=${amount} moved=${setAmount} /></label>
    <//>`;
}

/** What there is to do with a photograph. */
function Photographed() {
  const { bench, state, document, act } = useBench();
  const { here } = document;
  if (!state.faces[here].photograph) return null;
  const change = (on) => bench.set({ whole: { ...state.whole, [here]: on } });
  return html`<div className="bar">
    <${Toggle} on=${Boolean(state.whole[here])} change=${change}>Show in the photograph<//>
    <${Button} onClick=${act.savePhotograph}>Save the photograph<//>
  </div>`;
}
