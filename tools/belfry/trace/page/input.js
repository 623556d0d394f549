/* Pointer, keys and buttons of the timeline. */

/* Return the event at a place: a mark, or the shortest that covers it. */
function find(x, y) {
  const lane = lanes[Math.floor((y - AXIS) / LANE)];
  if (!lane || x < labelWidth())
    return null;
  const near = (event) => Math.abs(toX(event.ts) - x) < 5;
  const low = (y - AXIS) % LANE > LANE - 12;
  const covers = (event) => toX(event.ts) - 2 <= x &&
    x <= toX(event.ts + event.dur) + 2;
  const shortest = (events) => events.filter(covers)
    .sort((a, b) => a.dur - b.dur)[0];
  const event = (low && lane.marks.find(near)) || shortest(lane.calls) ||
    lane.marks.find(near) || shortest(lane.runs);
  return event ? {event, lane} : null;
}

function pick(found) {
  picked = found;
  if (found)
    byId("hover").textContent = describe(found.event, found.lane);
  drawTimeline();
}

const actions = {
  in: () => zoom(0.5),
  out: () => zoom(2),
  left: () => move(-0.5),
  right: () => move(0.5),
  all: () => setView(whole.from, whole.to),
  start: () => setView(start.from, start.to),
};
const keys = {"+": "in", "=": "in", "-": "out", ArrowLeft: "left",
  ArrowRight: "right", 0: "all", s: "start"};

function onKey(event) {
  if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey)
    return;
  actions[keys[event.key]]();
  event.preventDefault();
}

function at(event) {
  const box = svg.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

function onWheel(event) {
  if (!event.ctrlKey)
    return;
  event.preventDefault();
  zoom(event.deltaY > 0 ? 1.25 : 0.8, toTime(at(event)[0]));
}

/* A press without a move picks an event: a finger has no hover. */
function listenToPointer() {
  const slack = 3;
  let grip = null;
  const letGo = () => {
    grip = null;
    svg.classList.remove("moving");
  };
  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary)
      return;
    grip = {x: at(event)[0], from: view.from, to: view.to, moved: false};
    svg.setPointerCapture(event.pointerId);
    svg.classList.add("moving");
  });
  svg.addEventListener("pointerup", (event) => {
    if (grip && !grip.moved)
      pick(find(...at(event)) || picked);
    letGo();
  });
  svg.addEventListener("pointercancel", letGo);
  svg.addEventListener("lostpointercapture", letGo);
  svg.addEventListener("pointermove", (event) => {
    const [x, y] = at(event);
    if (grip) {
      grip.moved = grip.moved || Math.abs(grip.x - x) > slack;
      const by = (grip.x - x) / plotWidth() * (grip.to - grip.from);
      if (grip.moved)
        setView(grip.from + by, grip.to + by);
      return;
    }
    const found = find(x, y);
    if (found && found.event !== (picked && picked.event))
      pick(found);
  });
}

function listen() {
  svg.addEventListener("keydown", onKey);
  svg.addEventListener("wheel", onWheel, {passive: false});
  svg.addEventListener("dblclick",
    (event) => zoom(0.4, toTime(at(event)[0])));
  listenToPointer();
  for (const button of byId("controls").querySelectorAll("button"))
    button.addEventListener("click", actions[button.dataset.do]);
}
