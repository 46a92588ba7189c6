// The pane of a photograph that is open.
import { html, useEffect, useRef } from "../vendor/preact.js";
import { Button, useBench } from "./kit.js";
import { Frame } from "./frame.js";

export function Photograph() {
  const { state: { sitting } } = useBench();
  const pane = useRef();
  useEffect(() => {
    const panel = pane.current.closest(".panes");
    pane.current.focus();
    return () => setTimeout(() => panel.querySelector('.thumb[aria-pressed="true"]')?.focus()); // when it is seen again
  }, []);
  return html`
    <div className="left"><${Frame} /></div>
    <div ref=${pane} className="right sitting" tabIndex=${-1} aria-label=${`the photograph ${sitting.name}`} role="region">
      <h2>${sitting.name}</h2>
      <p role="status" className=${sitting.told.kind}>${sitting.told.text}</p>
      <${Ways} /><${Figures} /><${Steps} />
    </div>`;
}

function Ways() {
  const { state: { sitting }, act } = useBench();
  if (sitting.stage === "running") return null;
  const way = (name) => String(sitting.way === name);
  return html`<div className="bar" role="group" aria-label="what part is meant">
    ${sitting.points && html`<${Button} aria-pressed=${way("points")} onClick=${({ detail }) => act.placePoints(!detail)}>Place points<//>`}
    <${Button} aria-pressed=${way("box")} onClick=${act.dragBox}>Drag a box<//>
    <${Button} onClick=${act.takeMiddle}>Take the middle<//>
  </div>`;
}

function Figures() {
  const { state: { sitting: { crop, made } } } = useBench();
  const figure = (image, told) => html`<figure><img src=${image} alt=${told} /><figcaption>${told}</figcaption></figure>`;
  return html`<div className="figures">
    ${crop && figure(crop, "cut from the photograph")}
    ${made && figure(made, "as the model draws it")}
  </div>`;
}

function Steps() {
  const { state: { sitting: { stage, found, share } }, act } = useBench();
  const running = stage === "running";
  const ended = found && found.done >= found.rounds;
  return html`
    ${running && html`<progress value=${share ?? undefined} max="1" aria-label="how far it is" />`}
    <div className="bar">
      ${!running && stage !== "where" && !ended && html`<${Button} onClick=${() => act.run("invert")}>${found ? "Go on" : "Invert"}<//>`}
      ${running && html`<${Button} onClick=${act.stop}>Stop here<//>`}
      ${stage === "made" && html`<${Button} onClick=${act.become}>Edit it<//><${Button} onClick=${() => act.run("tune")}>Tune<//>`}
      <${Button} onClick=${act.closePhotograph}>Cancel<//>
    </div>`;
}
