// What was found: a region's title, and a slider for each of its directions.
import { endsOf } from "../asking/pictures.js";
import { reachOf } from "../state.js";
import { html, useLayoutEffect, useRef, useState } from "../vendor/preact.js";
import { Button, Help, Range, Toggle, useBench } from "./kit.js";

const NOTCHES = 100; // of a slider, from the middle to either end
const written = (step) => (step > 0 ? "+" : "") + step.toFixed(1);
const percent = (leak) => (leak < 0.0005 ? "<0.1 %" : `${(100 * leak).toFixed(leak < 0.1 ? 1 : 0)} %`);
/** Leaks of another meaning look different: those onto what alone keeps still name it. */
const onto = (still) => (still.length > 2 ? "what keeps still" : still.join(" and "));
const leaked = ({ leaks, still }, index) => `leak ${still?.length ? `on ${onto(still)} ` : ""}${percent(leaks[index])}`;

export function Regions() {
  const { face } = useBench();
  const [named, drawn] = [true, false].map((kind) => face.regions.filter((region) => Boolean(region.named) === kind));
  return html`
    ${drawn.length === 0 && html`<p className="empty">Sliders appear here: draw a region on the image, or choose one by name.</p>`}
    ${drawn.map((region) => html`<${Region} key=${region.found} region=${region} />`)}
    ${named.length > 0 && html`<details className="named" open>
      <summary><h2>Named directions</h2></summary>
      ${named.map((region) => html`<${Named} key=${region.found} region=${region} />`)}
    </details>`}
    ${face.regions.length > 0 && html`<div className="note"><span>Double-click a slider, or press 0 on it, to put it back.</span>
      ${["leak", "walk"].map((word) => html`<${Help} key=${word} word=${word} spelt />`)}</div>`}`;
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
    ${region.reaches.map((_, index) => html`<${Slider} key=${index} region=${region} index=${index} />`)}
  </section>`;
}

function Heading({ region, remove }) {
  const { act } = useBench();
  const [typing, type] = useState(false);
  const [field, button] = [useRef(), useRef()];
  useLayoutEffect(() => { // at once, so that no key is lost
    field.current?.focus();
    field.current?.select();
  }, [typing]);
  const end = ({ target }) => {
    type(false);
    act.rename(region.found, target.value.trim() || region.title);
  };
  const key = (event) => {
    if (event.key === "Escape") event.target.value = region.title;
    else if (event.key !== "Enter") return;
    event.preventDefault(); // it would press the button
    button.current.focus(); // and so it ends
  };
  return html`<header onKeyDown=${({ key }) => key === "F2" && type(true)}>
    <h2 onDblClick=${() => type(true)}>${typing
      ? html`<input ref=${field} type="text" aria-label="title of the region" maxLength=${60} defaultValue=${region.title}
          onKeyDown=${key} onBlur=${end} />`
      : region.title}</h2>
    <${Button} ref=${button} aria-label=${`Rename ${region.title}`} onClick=${() => type(true)}>Rename<//>
    <${Button} aria-label=${`Save directions of ${region.title}`} onClick=${() => act.saveDirections(region.found)}>Save directions<//>
    <${Button} aria-label=${`Remove ${region.title}`} onClick=${remove}>Remove<//>
  </header>`;
}

/** The range of a slider: what it moves, and how it tells of it. */
function Line({ region, index, name }) {
  const { act } = useBench();
  const { found, steps, leaks, walks } = region;
  const reach = reachOf(region, index);
  const value = Math.round((steps[index] / reach) * NOTCHES);
  const to = (notches) => [found, index, (reach * notches) / NOTCHES];
  const meaning = [written(steps[index]), leaks && leaked(region, index), walks[index] !== null && "walked"];
  return html`<${Range} min=${-NOTCHES} max=${NOTCHES} value=${value} aria-label=${name} aria-valuetext=${meaning.filter(Boolean).join(", ")}
    style=${{ "--at": `${50 + (50 * value) / NOTCHES}%` }} moved=${(notches) => act.slide(...to(notches))} rest=${act.rest}
    onDblClick=${() => act.put(...to(0))} onKeyDown=${({ key }) => key === "0" && act.put(...to(0))} />`;
}

/** One of the model's own, in a line. */
const Named = ({ region }) => html`<div className="row named">
  <span>${region.title}${region.leaks && html` <small>${leaked(region, 0)}</small>`}</span>
  <${Line} region=${region} index=${0} name=${region.title} /><output>${written(region.steps[0])}</output></div>`;

function Slider({ region, index }) {
  const { act } = useBench();
  const { found, title, steps, walks } = region;
  const name = `${title}, direction ${index + 1}`;
  const end = (side) => html`<${End} region=${region} index=${index} side=${side} name=${name} />`;
  return html`<div className="row">
    ${end(0)}
    <div>
      <${Line} region=${region} index=${index} name=${name} />
      <div className="words"><span>${index + 1} · ${leaked(region, index)}</span>
        <${Toggle} className="walk" on=${walks[index] !== null} change=${(on) => act.walk(found, index, on)} aria-label=${`walk ${name}`}>walk<//>
        <output>${written(steps[index])}</output></div>
    </div>
    ${end(1)}
  </div>`;
}

/** What a slider leads to, and the way there. */
function End({ region, index, side, name }) {
  const { state, document, act } = useBench();
  const last = useRef(); // until the one of another truncation is there
  last.current = state.ends[endsOf(document, region, index)]?.[side] ?? last.current;
  const go = () => act.put(region.found, index, reachOf(region, index) * (side ? 1 : -1));
  return html`<${Button} className="end" aria-label=${`${name}, all the way ${side ? "right" : "left"}`} onClick=${go}>
    ${last.current && html`<img src=${last.current} alt="" />`}<//>`;
}
