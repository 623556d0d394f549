/* The drawing of the timeline. */

function drawAxis(height) {
  const group = draw("g", {});
  const step = niceStep(view.to - view.from, plotWidth() / 110);
  for (let us = Math.ceil(view.from / step) * step; us <= view.to;
    us += step) {
    const x = toX(us);
    group.append(draw("line", {class: "grid", x1: x, x2: x, y1: AXIS - 6,
      y2: height}));
    const isLast = x > holder.clientWidth - 40;
    group.append(draw("text", {class: "soft", x: isLast ? x - 3 : x + 3,
      y: 14, "text-anchor": isLast ? "end" : "start"}, axisText(us, step)));
  }
  return group;
}

function axisText(us, step) {
  const [unit, name] = view.to >= 2e6 ? [1e6, "s"] :
    view.to >= 2e3 ? [1e3, "ms"] : [1, "\u00b5s"];
  const decimals = Math.max(0, Math.ceil(-Math.log10(step / unit) - 1e-9));
  return `${(us / unit).toFixed(decimals)} ${name}`;
}

/* Events less than half a pixel apart share one bar. */
function bars(events, isWanted) {
  const out = [];
  const edge = labelWidth();
  for (const event of events) {
    if (event.ts > view.to || event.ts + event.dur < view.from ||
        !isWanted(event))
      continue;
    const from = Math.max(toX(event.ts), edge);
    const to = Math.max(Math.min(toX(event.ts + event.dur),
      holder.clientWidth), from + 1);
    const last = out[out.length - 1];
    if (last && from < last.to + 0.5)
      last.to = Math.max(last.to, to);
    else
      out.push({from, to, event});
  }
  return out;
}

function drawBars(group, events, kind, y, height, isWanted) {
  for (const bar of bars(events, isWanted))
    group.append(draw("rect", {class: kind, x: bar.from, y,
      width: bar.to - bar.from, height}));
}

/* The width of a text in the style of on-stall. */
function textWidth(text) {
  if (!widths.has(text)) {
    const probe = draw("text", {class: "on-stall", visibility: "hidden"},
      text);
    svg.append(probe);
    widths.set(text, probe.getComputedTextLength());
    probe.remove();
  }
  return widths.get(text);
}

function drawStalls(group, lane, y) {
  for (const event of lane.calls) {
    if (!event.args.stall || event.ts > view.to ||
        event.ts + event.dur < view.from)
      continue;
    const from = Math.max(toX(event.ts), labelWidth());
    const to = Math.max(Math.min(toX(event.ts + event.dur),
      holder.clientWidth), from + 2);
    group.append(draw("rect", {class: "stall", x: from, y: y + 4,
      width: to - from, height: LANE - 8}));
    const text = `${event.name} ${duration(event.dur)}`;
    if (to - from > textWidth(text) + 10)
      group.append(draw("text", {class: "on-stall", x: from + 5,
        y: y + LANE / 2 + 4}, text));
  }
}

function drawMarks(group, lane, y) {
  let last = -Infinity;
  for (const event of lane.marks) {
    const x = toX(event.ts);
    if (event.ts < view.from || event.ts > view.to)
      continue;
    if (event.cat === "run") {
      group.append(draw("line", {class: "first", x1: x, x2: x, y1: y + 1,
        y2: y + LANE - 1}));
    } else if (x >= last + 2) {
      last = x;
      group.append(draw("path", {class: "mark",
        d: `M${x} ${y + LANE - 11}l4 5l-4 5l-4-5z`}));
    }
  }
}

function drawPicked(group, lane, y) {
  if (!picked || picked.lane !== lane)
    return;
  const event = picked.event;
  const from = Math.max(toX(event.ts) - 3, labelWidth());
  const to = Math.min(toX(event.ts + (event.dur || 0)) + 3,
    holder.clientWidth);
  if (to > labelWidth() && from < holder.clientWidth)
    group.append(draw("rect", {class: "picked", x: from, y: y + 2,
      width: Math.max(to - from, 6), height: LANE - 4}));
}

function shorten(text, width) {
  const most = Math.floor(width / 7);
  return text.length > most ? `${text.slice(0, most - 1)}\u2026` : text;
}

function drawLane(lane, y) {
  const group = draw("g", {});
  group.append(draw("text", {class: "name", x: 8, y: y + 16},
    shorten(lane.name || laneName(lane), labelWidth() - 12),
    draw("title", {}, laneName(lane))));
  if (lane.tid)
    group.append(draw("text", {class: "soft", x: 8, y: y + 31},
      manyProcesses ? `${lane.pid}/${lane.tid}` : String(lane.tid)));
  drawBars(group, lane.runs, "run", y + 8, LANE - 16, () => true);
  drawBars(group, lane.calls, "call", y + 12, LANE - 24,
    (event) => !event.args.stall);
  drawStalls(group, lane, y);
  drawMarks(group, lane, y);
  drawPicked(group, lane, y);
  return group;
}

function drawTimeline() {
  const height = AXIS + Math.max(lanes.length, 1) * LANE + 4;
  const width = holder.clientWidth;
  const children = lanes.map((lane, i) => i % 2 ? "" : draw("rect",
    {class: "lane", x: 0, y: AXIS + i * LANE, width, height: LANE}));
  children.push(drawAxis(height));
  children.push(...lanes.map((lane, i) => drawLane(lane, AXIS + i * LANE)));
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("height", height);
  svg.replaceChildren(...children.filter((child) => child !== ""));
  byId("window").textContent =
    `${moment(view.from)} to ${moment(view.to)}`;
}

function beginTimeline() {
  if (!lanes.length) {
    holder.replaceWith(make("p", {}, "No KVM call was recorded."));
    byId("controls").hidden = byId("hover").hidden = true;
    byId("controls").style.display = "none";
    return;
  }
  svg = draw("svg", {tabindex: 0, role: "group", "aria-label":
    `Timeline of ${plural(lanes.length, "thread")}, ` +
    `${duration(about.end_us)} long, ${plural(stalls.length, "stall")}; ` +
    "plus and minus zoom, arrows move; the stalls are also in the table " +
    "below"});
  holder.append(svg);
  if (allLanes.length > lanes.length)
    holder.after(make("p", {class: "note"},
      `${count(allLanes.length - lanes.length)} more threads, with less ` +
      "stalled time or fewer calls, are not drawn."));
  listen();
  new ResizeObserver(drawTimeline).observe(holder);
  window.addEventListener("beforeprint", drawTimeline);
  drawTimeline();
}
