// What stands above everything: undo, before and after, what leaves the page, and which model it is.
import { html } from "../vendor/preact.js";
import { Button, FileButton, Hold, Popover, useBench } from "./kit.js";

export function Bar({ model }) {
  const { bench, state: { history, about }, act } = useBench();
  return html`<div className="bar top" role="toolbar" aria-label="panel">
    <${Button} disabled=${!history.past.length} aria-keyshortcuts="Control+Z" onClick=${act.undo}>Undo<//>
    <${Button} disabled=${!history.future.length} aria-keyshortcuts="Control+Shift+Z Control+Y" onClick=${act.redo}>Redo<//>
    <${Hold} changed=${(held) => bench.set({ held })}>Hold for original<//>
    <${Button} onClick=${act.reset}>All sliders to 0<//>
    <${Save} />
    ${about.models.length > 1 && html`<label className="models">model <select value=${about.model} onChange=${({ target }) => model(target.value)}>
      ${about.models.map((name) => html`<option key=${name}>${name}</option>`)}</select></label>`}
  </div>`;
}

function Save() {
  const { state: { lastSlider }, face, act } = useBench();
  const region = lastSlider && face.regions.find(({ found }) => found === lastSlider.found);
  const slider = region && (region.named ? region.title : `${region.title} ${lastSlider.index + 1}`);
  const item = (label, onClick, disabled) => html`<${Button} disabled=${disabled} onClick=${onClick}>${label}<//>`;
  return html`<${Popover} label="File" menu>
    <div className="menu">
      ${item("Save the picture", () => act.savePicture("image"))}
      ${item("Copy the picture", act.copyPicture)}
      ${item("Save before and after", () => act.savePicture("before_after"))}
      ${item(slider ? `Save a strip of ${slider}` : "Save a strip of the slider moved last", () => act.savePicture("strip"), !slider)}
      ${item(slider ? `Save an animation of ${slider}` : "Save an animation of the slider moved last", () => act.savePicture("animation"), !slider)}
      <hr />
      ${item("Copy as code", act.copyCode)}
      ${item("Save the mask", act.saveMask, !face.drawing)}
      <${FileButton} accept="image/png" open=${act.openMask}>Open a mask…<//>
      <hr />
      ${item("Save the session", act.saveSession)}
      <${FileButton} accept=".zip" open=${act.openSession}>Open a session…<//>
    </div><//>`;
}
