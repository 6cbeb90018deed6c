// Making elements. Texts go in as texts, whatever they say; nothing here reads markup.

const SVG = 'http://www.w3.org/2000/svg';

/**
 * @param {string} name @param {Record<string, string>} [attributes] @param {(Node | string)[]} children
 * @returns {HTMLElement}
 */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/**
 * @param {string} name @param {Record<string, string | number>} [attributes] @param {Node[]} children
 * @returns {SVGElement}
 */
export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}

/** Sets a text only where it differs, so that nothing is laid out for nothing. @param {Element} node @param {string} text */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** @param {Element} node @param {string} name @param {string | number} value */
export function setAttribute(node, name, value) {
  const text = String(value);
  if (node.getAttribute(name) !== text) node.setAttribute(name, text);
}

/** When each list was last brought in line. @type {WeakMap<HTMLElement, number>} */
const changes = new WeakMap();

/**
 * Brings a list's items in line with `entries`, by key; items that stay are kept, and glide to their new places.
 * @template T
 * @param {HTMLElement} list @param {T[]} entries
 * @param {(entry: T) => string} key @param {() => HTMLElement} make @param {(item: HTMLElement, entry: T) => void} fill
 */
export function reconcile(list, entries, key, make, fill) {
  // Changes that come faster than an item glides are no movement anybody could follow.
  const changed = performance.now();
  const isCalm = changed - (changes.get(list) ?? -Infinity) > 900;
  changes.set(list, changed);
  /** @type {Map<string, HTMLElement>} */
  const known = new Map();
  for (const item of /** @type {HTMLCollectionOf<HTMLElement>} */ (list.children)) known.set(item.dataset.key ?? '', item);
  const before = new Map([...known].map(([name, item]) => [name, item.offsetTop]));
  const items = entries.map((entry) => {
    const name = key(entry);
    const item = known.get(name) ?? make();
    item.dataset.key = name;
    known.delete(name);
    fill(item, entry);
    return item;
  });
  for (const item of known.values()) item.remove();
  items.forEach((item, index) => {
    if (list.children[index] !== item) list.insertBefore(item, list.children[index] ?? null);
  });
  if (!isCalm || matchMedia('(prefers-reduced-motion: reduce)').matches) return;
  for (const item of items) {
    const from = before.get(item.dataset.key ?? '');
    if (from === undefined) continue;
    const moved = from - item.offsetTop;
    if (moved) item.animate([{ transform: `translateY(${moved}px)` }, { transform: 'none' }], { duration: 350, easing: 'ease-out' });
  }
}

/** @param {string} id @returns {any} */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element ${id}`);
  return found;
}
