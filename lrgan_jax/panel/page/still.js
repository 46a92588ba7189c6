/** While the panel lives, the picture of it that stays in a saved notebook (snapshot.py) need not be seen. Returns what shows it again. */
export function hideStill(model) {
  const rule = document.createElement("style");
  rule.textContent = model.get ? `.${model.get("still")} { display: none }` : "";
  document.head.append(rule);
  return () => rule.remove();
}
