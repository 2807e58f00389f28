// Every text on the page whose contrast with what lies behind it is below the bound.
// In print a background counts only where the style sheet insists on it: printers leave it out.
({ bound, isPrint }) => {
  const channels = (color) => {
    const [r, g, b, a = 1] = color.match(/[\d.]+/g).map(Number);
    return { rgb: [r, g, b], a };
  };
  const over = (top, under) => top.rgb.map((value, i) => value * top.a + under[i] * (1 - top.a));
  const luminance = (rgb) =>
    rgb
      .map((value) => value / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
      .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const contrast = (a, b) => {
    const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (light + 0.05) / (dark + 0.05);
  };
  const isDark = matchMedia("screen and (prefers-color-scheme: dark)").matches;
  const canvas = isDark ? [0, 0, 0] : [255, 255, 255];
  const behind = (element) => {
    if (!element) return canvas;
    const style = getComputedStyle(element);
    const paint = channels(style.backgroundColor);
    if (isPrint && style.printColorAdjust !== "exact") paint.a = 0;
    return paint.a === 1 ? paint.rgb : over(paint, behind(element.parentElement));
  };
  const opacity = (element) =>
    element ? Number(getComputedStyle(element).opacity) * opacity(element.parentElement) : 1;

  const found = [];
  let looked = 0;
  const look = (element, color, text) => {
    const ground = behind(element);
    const ink = channels(color);
    ink.a *= opacity(element);
    const ratio = contrast(over(ink, ground), ground);
    looked += 1;
    if (ratio < bound) found.push(`${ratio.toFixed(2)} ${element.tagName} ${text.slice(0, 60)}`);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const element = walker.currentNode.parentElement;
    if (text && element.checkVisibility({ visibilityProperty: true }))
      look(element, getComputedStyle(element).color, text);
  }
  for (const input of document.querySelectorAll("input, textarea")) {
    if (!input.checkVisibility()) continue;
    look(input, getComputedStyle(input).color, "(what is typed)");
    if (input.placeholder)
      look(input, getComputedStyle(input, "::placeholder").color, input.placeholder);
  }
  return { found, looked };
};
