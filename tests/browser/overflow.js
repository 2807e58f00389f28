// What stands out of the page to the left or right, or is cut off by its own box. What lies in a box
// that scrolls by itself does neither, where such boxes scroll: not on paper.
({ isPrint }) => {
  const width = document.documentElement.clientWidth;
  const found = [];
  const scrolled = document.scrollingElement.scrollWidth;
  if (scrolled > width) found.push(`the page is ${scrolled} wide`);
  const scrolls = (element) => ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
  const isHeld = (element) => {
    for (let box = element.parentElement; box && box !== document.body; box = box.parentElement)
      if (!isPrint && scrolls(box)) return true;
    return false;
  };
  for (const element of document.body.querySelectorAll("*")) {
    if (!element.checkVisibility() || element.matches(".skip")) continue;
    const box = element.getBoundingClientRect();
    const name = `${element.tagName}.${element.getAttribute("class")} ${element.textContent.slice(0, 40)}`;
    if ((box.right > width + 1 || box.left < -1) && !isHeld(element)) found.push(`out: ${name}`);
    const isHiding = ["hidden", "clip"].includes(getComputedStyle(element).overflowX);
    const isCut = element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 1;
    if (isCut && (isHiding || (isPrint && scrolls(element)))) found.push(`cut: ${name}`);
  }
  return found;
};
