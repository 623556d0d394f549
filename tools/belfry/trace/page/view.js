/* The interval that the timeline shows, and its coordinates. */
const LANE = 38, AXIS = 26, LABEL = 150, NARROW_LABEL = 84;
const whole = {from: 0, to: Math.max(about.end_us, 1)};
/* The page opens on the start: the time up to the first KVM_RUN. */
const start = {from: whole.from, to: about.first_run_us === null ? whole.to :
  Math.min(about.first_run_us * 1.05, whole.to)};
const view = {from: start.from, to: start.to};
const widths = new Map();
let picked = null;
let svg = null;

const holder = byId("timeline");
const labelWidth = () => holder.clientWidth < 640 ? NARROW_LABEL : LABEL;
const plotWidth = () => Math.max(holder.clientWidth - labelWidth(), 50);
const toX = (us) => labelWidth() +
  (us - view.from) / (view.to - view.from) * plotWidth();
const toTime = (x) => view.from +
  (x - labelWidth()) / plotWidth() * (view.to - view.from);

function setView(from, to) {
  const least = 1;
  const span = Math.min(Math.max(to - from, least), whole.to - whole.from);
  view.from = Math.min(Math.max(from, whole.from), whole.to - span);
  view.to = view.from + span;
  drawTimeline();
}

function zoom(factor, around) {
  const center = around === undefined ? (view.from + view.to) / 2 : around;
  setView(center - (center - view.from) * factor,
    center + (view.to - center) * factor);
}

function move(share) {
  const by = (view.to - view.from) * share;
  setView(view.from + by, view.to + by);
}

function niceStep(span, most) {
  const power = 10 ** Math.floor(Math.log10(span / most));
  return [1, 2, 5, 10].map((n) => n * power)
    .find((step) => span / step <= most);
}
