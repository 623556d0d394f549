/*
 * Elements, and numbers as text.  Names from the trace become text through
 * textContent or an attribute, never markup.
 */
const SVG = "http://www.w3.org/2000/svg";

const byId = (id) => document.getElementById(id);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {}))
    node.setAttribute(name, value);
  for (const child of children || [])
    node.append(child);
  return node;
}

const make = (tag, attributes, ...children) =>
  fill(document.createElement(tag), attributes, children);
const draw = (tag, attributes, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

const count = (n) => n.toLocaleString("en-US");

function plural(n, one, many) {
  return `${count(n)} ${n === 1 ? one : many || one + "s"}`;
}

function digits(value) {
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
}

function duration(us) {
  if (us >= 1e6)
    return `${digits(us / 1e6)} s`;
  if (us >= 1e3)
    return `${digits(us / 1e3)} ms`;
  return us >= 1 ? `${digits(us)} \u00b5s` : `${Math.round(us * 1e3)} ns`;
}

/* For sentences: "1 ms", not "1.00 ms". */
const limit = (us) => duration(us).replace(/\.0+ /, " ");

const moment = (us) => us === null || us === undefined ? "\u2013" :
  `${(us / 1e3).toFixed(3)} ms`;
