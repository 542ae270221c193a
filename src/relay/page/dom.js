// What the parts of the page share: its elements, its clock, and the browser for the link.

export const $ = (id) => document.getElementById(id);
// Beneath whatever path a proxy has put the relay.
export const base = new URL(location.pathname.replace(/\/?$/, "/"), location.origin);
export const env = {
  WebSocket,
  fetch: fetch.bind(window),
  setTimeout: setTimeout.bind(window),
  clearTimeout: clearTimeout.bind(window),
  now: () => performance.now(),
  random: Math.random,
  // Timers of a hidden page are slow, and nobody sees it halt.
  pause: async () => document.hidden || new Promise((resolve) => setTimeout(resolve)),
};

// The relay's time in milliseconds, as far as its answers have told.
export const clock = () => Date.now() + clock.skew;
clock.skew = 0;

// Sets a text where it is another one.
export function say(node, text) {
  if (node.said !== text) node.textContent = node.said = text;
}

// Sets an attribute where it has another value.
export function flag(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

// An element with properties and children.
export function element(name, properties = {}, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
}

// Draws how far a job is.
export function drawBar(bar, percentNode, { state, percent }) {
  const isOpen = percent === null && state === "running";
  bar.classList.toggle("open", isOpen);
  flag(bar, "data-state", state);
  if (bar.value !== percent) {
    bar.value = percent;
    bar.firstChild.style.transform = `scaleX(${(percent ?? 0) / 100})`;
    if (percent === null) bar.removeAttribute("aria-valuenow");
    else bar.setAttribute("aria-valuenow", Math.floor(percent));
  }
  say(percentNode, percent === null ? "" : `${Math.floor(percent)}%`);
}
