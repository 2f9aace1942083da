// What a page looks like from within: one object, told as JSON. It changes nothing on the page.
(() => {
  const blank = (text) => !text || !text.trim();
  const shown = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const name = (element) => {
    const id = element.closest('[id]');
    const own = typeof element.className === 'string' && element.className ? '.' + element.className.split(' ').join('.') : '';
    return `${element.tagName.toLowerCase()}${own}${id ? ' in #' + id.id : ''}`;
  };

  // Colours, composed onto each other. Computed values are `rgb(...)` and `rgba(...)`.
  const colour = (text) => {
    const numbers = text.match(/[\d.]+/g);
    if (!text.startsWith('rgb') || !numbers) return null;
    const [r, g, b, a = 1] = numbers.map(Number);
    return [r, g, b, a];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const luminance = (c) => {
    const part = (v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(c[0]) + 0.7152 * part(c[1]) + 0.0722 * part(c[2]);
  };
  const contrast = (a, b) => {
    const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  const ground = (element) => {
    const layers = [];
    const drawn = element.closest('svg') && element.closest('g')?.querySelector(':scope > rect');
    if (drawn) layers.push(colour(getComputedStyle(drawn).fill) ?? [0, 0, 0, 0]);
    for (let at = element; at; at = at.parentElement) {
      const layer = colour(getComputedStyle(at).backgroundColor);
      if (layer && layer[3] > 0) layers.push(layer);
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
  };
  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    const range = document.createRange();
    range.selectNode(node);
    if (blank(node.data) || !shown(element) || range.getClientRects().length === 0) continue;
    const style = getComputedStyle(element);
    const ink = colour(element instanceof SVGElement ? style.fill : style.color);
    if (!ink) continue;
    let opacity = ink[3];
    for (let at = element; at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
    const below = ground(element);
    texts.push({
      text: node.data.trim().slice(0, 40),
      where: name(element),
      ratio: contrast(over([...ink.slice(0, 3), opacity], below), below),
    });
  }

  // What sticks out of the window and is in no box that scrolls.
  const width = document.documentElement.clientWidth;
  const scrolls = (element) => ['auto', 'scroll'].includes(getComputedStyle(element).overflowX);
  const wide = [...document.body.querySelectorAll('*')].filter((element) => {
    if (!shown(element) || element.getBoundingClientRect().right <= width + 1) return false;
    for (let at = element.parentElement; at; at = at.parentElement) if (scrolls(at)) return false;
    return true;
  });
  const boxes = [...document.body.querySelectorAll('*')].filter(
    (element) => scrolls(element) && element.scrollWidth > element.clientWidth + 1,
  );

  const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
  const links = [...document.querySelectorAll('a[href]')].map((a) => a.getAttribute('href'));
  return JSON.stringify({
    ground: getComputedStyle(document.body).backgroundColor,
    scripts: document.scripts.length,
    levels: [...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].filter((h) => !h.closest('nav')).map((h) => Number(h.tagName[1])),
    twice: ids.filter((id, i) => ids.indexOf(id) !== i),
    links: links.length,
    dead: links.filter((to) => !(to.startsWith('#') ? document.getElementById(decodeURIComponent(to.slice(1))) : /^(https?|mailto):/.test(to))),
    pictures: [...document.images].map((image) => ({
      where: name(image),
      alt: image.alt,
      natural: image.naturalWidth,
      width: image.getBoundingClientRect().width,
      height: image.getBoundingClientRect().height,
      shown: shown(image),
    })),
    silent: [...document.querySelectorAll('svg')].filter((svg) => !svg.closest('[aria-hidden=true]') && blank(svg.getAttribute('aria-label'))).map(name),
    drawings: document.querySelectorAll('svg[role=img]').length,
    tables: document.querySelectorAll('table').length,
    texts: texts.length,
    faint: texts.filter((text) => text.ratio < 4.5),
    window: width,
    overflow: document.documentElement.scrollWidth,
    wide: wide.map(name),
    unreachable: boxes.filter((box) => box.tabIndex < 0).map(name),
  });
})()
