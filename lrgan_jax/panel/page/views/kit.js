// What the panel is made of: buttons, popovers, ranges, and the bench that all of them reach.
import { createContext, html, useContext, useLayoutEffect, useRef, useState } from "../vendor/preact.js";

export const Bench = createContext(null);
/** {bench, state, document, face, act}, as they are now. */
export const useBench = () => useContext(Bench);

/** A name for an element that no other panel in the same document has. */
export const useName = () => useState(() => `lrgan-${Math.random().toString(36).slice(2)}`)[0];

export const Button = ({ children, ...rest }) => html`<button type="button" ...${rest}>${children}</button>`;

/** A button that opens a card over the panel; a click beside it or Escape closes it, and the focus comes back by itself. A `menu` closes by any of
 * its buttons, too. */
export function Popover({ label, name, className = "", menu, children }) {
  const id = useName();
  const [button, card] = [useRef(), useRef()];
  const place = ({ newState }) => newState === "open" && settle(card.current, button.current.getBoundingClientRect());
  return html`
    <${Button} ref=${button} className=${className} aria-label=${name} popovertarget=${id}>${label}<//>
    <div ref=${card} id=${id} popover="auto" className="card" onToggle=${place}
      onClick=${menu && (({ target }) => target.closest("button") && card.current.hidePopover())}>${children}</div>`;
}

/** Beside the button, and within the window. */
function settle(card, { left, bottom, top }) {
  const { offsetWidth, offsetHeight } = card;
  const below = bottom + offsetHeight <= innerHeight || top < offsetHeight;
  card.style.left = `${Math.max(8, Math.min(left, innerWidth - offsetWidth - 8))}px`;
  card.style.top = `${Math.max(8, below ? Math.min(bottom + 4, innerHeight - offsetHeight - 8) : top - offsetHeight - 4)}px`;
}

/** A word of the glossary, explained where it stands; `spelt` where several stand together. */
export function Help({ word, spelt }) {
  const { state } = useBench();
  const meaning = state.about.words[word];
  if (!meaning) return null;
  return html`<${Popover} className="help" label=${spelt ? `${word}?` : "?"} name=${`What is ${word}?`}>
    <p><b>${word}</b>: ${meaning}</p><//>`;
}

/** A button that is on or off. */
export const Toggle = ({ on, change, children, ...rest }) =>
  html`<${Button} aria-pressed=${String(on)} onClick=${() => change(!on)} ...${rest}>${children}<//>`;

/** One of several, as buttons. */
export const Choice = ({ label, names, chosen, choose }) => html`
  <div className="choice" role="group" aria-label=${label}>
    ${names.map((name) => html`<${Toggle} key=${name} on=${name === chosen} change=${() => choose(name)}>${name}<//>`)}
  </div>`;

/** A button that is held, by mouse or by key. `changed(held)` hears of both. */
export function Hold({ changed, children, ...rest }) {
  const press = () => changed(true);
  const release = () => changed(false);
  const key = ({ key }) => [" ", "Enter"].includes(key) && press();
  return html`<${Button} className="hold" onPointerDown=${press} onKeyDown=${key} onPointerUp=${release} onPointerLeave=${release}
    onPointerCancel=${release} onKeyUp=${release} onBlur=${release} ...${rest}>${children}<//>`;
}

/** A button that asks for a file. */
export function FileButton({ accept, open, children, ...rest }) {
  const input = useRef();
  const chosen = ({ target }) => {
    open(target.files[0]);
    target.value = "";
  };
  return html`<${Button} onClick=${() => input.current.click()} ...${rest}>${children}<//>
    <input ref=${input} type="file" accept=${accept} hidden onChange=${chosen} />`;
}

/** A slider; `moved` hears of every place, `rest` when it is let go. */
export function Range({ value, moved, rest, ...others }) {
  const input = useRef();
  useLayoutEffect(() => { input.current.value = value; }, [value]); // after min and max, which would clip it
  return html`<input ref=${input} type="range" ...${others} onInput=${({ target }) => moved(Number(target.value))} onChange=${rest} />`;
}
