// What was found: a region's title, and a slider for each of its directions.
import { reachOf } from "../state.js";
import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { Button, Help, Range, Toggle, useBench } from "./kit.js";

const NOTCHES = 100; // of a slider, from the middle to either end
const written = (step) => (step > 0 ? "+" : "") + step.toFixed(1);
const percent = (leak) => `leak ${(100 * leak).toFixed(leak < 0.1 ? 1 : 0)} %`;

export function Regions() {
  const { state, face } = useBench();
  const [named, drawn] = [true, false].map((kind) => face.regions.filter((region) => Boolean(region.named) === kind));
  return html`
    ${drawn.length === 0 && html`<p className="empty">Sliders appear here: draw a region on the image, or choose one by name.</p>`}
    ${drawn.map((region) => html`<${Region} key=${region.found} region=${region} />`)}
    ${named.length > 0 && html`<details className="named" open>
      <summary><h3>Named directions</h3></summary>
      ${named.map((region) => html`<${Slider} key=${region.found} region=${region} index=${0} label=${region.title} />`)}
    </details>`}
    ${face.regions.length > 0 && html`<p className="note">Double-click a slider, or press 0 on it, to put it back.</p>`}`;
}

function Region({ region }) {
  const { act } = useBench();
  const section = useRef();
  const remove = () => {
    const next = section.current.nextElementSibling?.querySelector("button") ?? section.current.closest(".lrgan-panel").querySelector("canvas");
    act.remove(region.found);
    next.focus(); // the button that had the focus is gone
  };
  return html`<section ref=${section} aria-label=${region.title}>
    <${Heading} region=${region} remove=${remove} />
    ${region.reaches.map((_, index) => html`<${Slider} key=${index} region=${region} index=${index} label=${`direction ${index + 1}`} ends />`)}
  </section>`;
}

function Heading({ region, remove }) {
  const { act } = useBench();
  const [typing, type] = useState(false);
  const [field, button] = [useRef(), useRef()];
  useEffect(() => void (typing && field.current.select()), [typing]);
  const end = (title, back) => {
    if (!typing) return;
    type(false);
    if (title.trim() && title.trim() !== region.title) act.rename(region.found, title.trim());
    if (back) setTimeout(() => button.current?.focus());
  };
  const key = ({ key, target }) => {
    if (key === "Enter") end(target.value, true);
    if (key === "Escape") end(region.title, true);
  };
  return html`<header onKeyDown=${({ key }) => key === "F2" && type(true)}>
    <h3 onDblClick=${() => type(true)}>${typing
      ? html`<input ref=${field} type="text" aria-label="title of the region" maxLength=${60} value=${region.title} onKeyDown=${key} onBlur=${({ target }) => end(target.value)} />`
      : region.title}</h3>
    <${Button} ref=${button} aria-label=${`Rename ${region.title}`} onClick=${() => type(true)}>Rename<//>
    <${Button} aria-label=${`Save the directions of ${region.title}`} onClick=${() => act.saveDirections(region.found)}>Save<//>
    <${Button} aria-label=${`Remove ${region.title}`} onClick=${remove}>Remove<//>
  </header>`;
}

function Slider({ region, index, label, ends }) {
  const { act } = useBench();
  const { found, title, steps, leaks, walks } = region;
  const [reach, step, leak] = [reachOf(region, index), steps[index], leaks?.[index] ?? null];
  const name = region.named ? title : `${title}, ${label}`;
  const value = Math.round((step / reach) * NOTCHES);
  const put = (notches) => act.put(found, index, (reach * notches) / NOTCHES);
  const key = (event) => {
    if (event.key === "0") put(0);
  };
  const walked = walks[index] !== null;
  return html`<div className=${ends ? "row" : "row plain"}>
    ${ends && html`<${End} region=${region} index=${index} side=${0} name=${name} go=${() => put(-NOTCHES)} />`}
    <div>
      <${Range} min=${-NOTCHES} max=${NOTCHES} value=${value} aria-label=${name} style=${{ "--at": `${50 + (50 * value) / NOTCHES}%` }}
        aria-valuetext=${written(step) + (leak === null ? "" : `, ${percent(leak)}`) + (walked ? ", walked" : "")}
        moved=${(notches) => act.slide(found, index, (reach * notches) / NOTCHES)} rest=${act.rest} onDblClick=${() => put(0)} onKeyDown=${key} />
      <div className="words"><span>${region.named ? title : index + 1}${leak !== null && ` · ${percent(leak)}`}</span>
        <${Toggle} className="walk" on=${walked} change=${(on) => act.walk(found, index, on)} aria-label=${`walk ${name}`}>walk<//>
        <output>${written(step)}</output></div>
    </div>
    ${ends && html`<${End} region=${region} index=${index} side=${1} name=${name} go=${() => put(NOTCHES)} />`}
  </div>`;
}

function End({ region, index, side, name, go }) {
  const { state } = useBench();
  const image = state.ends[`${region.found} ${index}`]?.[side];
  return html`<${Button} className="end" aria-label=${`${name}, all the way ${side ? "right" : "left"}`} onClick=${go}>
    ${image && html`<img src=${image} alt="" />`}<//>`;
}
