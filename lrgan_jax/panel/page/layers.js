// Layers as people write them, "4-7,9", and as a set of numbers; "" is all of them.

export function chosen(text, count) {
  const all = Array.from({ length: count }, (_, layer) => layer);
  const parts = text.split(",").filter(Boolean).map((part) => part.split("-").map(Number));
  return new Set(parts.length ? all.filter((layer) => parts.some(([first, last = first]) => layer >= first && layer <= last)) : all);
}

/** Which of them leak least, where each was measured. */
export const least = (best) => `each layer alone; ${best.includes("-") ? `together ${best} leak` : `${best} leaks`} least`;

export function written(layers, count) {
  if (layers.size === 0 || layers.size === count) return "";
  const runs = [];
  for (const layer of [...layers].sort((a, b) => a - b))
    if (layer - 1 === runs.at(-1)?.last) runs.at(-1).last = layer;
    else runs.push({ first: layer, last: layer });
  return runs.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(",");
}
