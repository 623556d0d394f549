"use strict";
/*
 * Draws the trace that lies in the page.  Whatever comes from the trace
 * becomes text through textContent or an attribute, never markup.
 */
(() => {
  const trace = JSON.parse(document.getElementById("trace").textContent);
  const about = trace.belfry;
  const MOST_STALLS = 200;
  const MOST_LANES = 64;
  const SVG = "http://www.w3.org/2000/svg";

  /* Text and elements. */

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

  /* For prose: "1 ms", not "1.00 ms". */
  const limit = (us) => duration(us).replace(/\.0+ /, " ");

  const moment = (us) => us === null || us === undefined ? "\u2013" :
    `${(us / 1e3).toFixed(3)} ms`;

  /* Events by thread. */

  function gather() {
    const lanes = new Map();
    const lane = (event) => {
      const key = `${event.pid}:${event.tid}`;
      if (!lanes.has(key))
        lanes.set(key, {key, pid: event.pid, tid: event.tid, name: "",
          calls: [], runs: [], marks: [], stalled: 0});
      return lanes.get(key);
    };
    for (const event of trace.traceEvents) {
      const own = lane(event);
      if (event.ph === "M") {
        if (event.name === "thread_name")
          own.name = event.args.name;
      } else if (event.ph === "i") {
        own.marks.push(event);
      } else if (event.cat === "run") {
        own.runs.push(event);
      } else {
        own.calls.push(event);
        if (event.args.stall)
          own.stalled += event.dur;
      }
    }
    return [...lanes.values()].filter(
      (own) => own.calls.length + own.runs.length + own.marks.length);
  }

  /* Threads that make or run VMs tell more than those with many calls. */
  const isMain = (own) => own.runs.length > 0 ||
    own.calls.some((event) => event.name === "KVM_CREATE_VM");
  const size = (own) => own.calls.length + own.runs.length +
    (isMain(own) ? 1e6 : 0);
  const allLanes = gather();
  const lanes = allLanes.length <= MOST_LANES ? allLanes :
    [...allLanes].sort((a, b) => b.stalled - a.stalled || size(b) - size(a))
      .slice(0, MOST_LANES)
      .sort((a, b) => allLanes.indexOf(a) - allLanes.indexOf(b));
  const stalls = allLanes.flatMap((own) =>
    own.calls.filter((event) => event.args.stall)
      .map((event) => ({event, own})))
    .sort((a, b) => a.event.ts - b.event.ts);
  const manyProcesses = new Set(allLanes.map((own) => own.pid)).size > 1;

  function laneName(own) {
    if (!own.tid)
      return "other threads";
    return (own.name || "thread") +
      (manyProcesses ? ` ${own.pid}/${own.tid}` : ` ${own.tid}`);
  }

  function place(args) {
    const words = [];
    if (args.vm)
      words.push(`VM ${args.vm}`);
    if (args.vcpu !== undefined)
      words.push(`vCPU ${args.vcpu}`);
    return words.join(", ");
  }

  function bell(args) {
    const match = args.datamatch ? ` = ${args.datamatch}` : "";
    return `${args.space} ${args.address} +${args.length}${match}`;
  }

  function describe(event, own) {
    const words = [event.name];
    if (event.ph === "X")
      words.push(duration(event.dur));
    if (event.args.calls > 1)
      words.push(`${count(event.args.calls)} calls`);
    words.push(`at ${moment(event.ts)}`, laneName(own));
    if (place(event.args))
      words.push(place(event.args));
    if (event.args.address)
      words.push(bell(event.args));
    if (event.args.errno)
      words.push(event.args.errno);
    if (event.args.behind)
      words.push(`behind ${event.args.behind}`);
    return words.join(" \u00b7 ");
  }

  /* Head of the page. */

  function writeFacts() {
    const facts = [
      ["policy", about.policy],
      ["kernel", about.kernel],
      ["exit status", about.status],
      ["duration", duration(about.end_us)],
      ["virtual machines", about.vms.length],
    ];
    for (const [name, value] of facts)
      byId("facts").append(make("div", {}, make("dt", {}, name),
        make("dd", {}, String(value))));
    byId("command").textContent = about.command.join(" ");
    document.title = `belfry run: ${about.command[0]}`;
  }

  function tile(label, value, more, isBad) {
    byId("tiles").append(make("li", isBad ? {class: "bad"} : {},
      make("span", {class: "label"}, label), make("b", {}, value),
      make("span", {class: "more"}, more)));
  }

  const sum = (list, key) => list.reduce((all, item) => all + item[key], 0);
  const stalledCalls = sum(about.calls, "stalls");
  const stalledTime = sum(about.calls, "stalled_us");

  function writeTiles() {
    if (about.first_run_us === null)
      tile("Start to first KVM_RUN", "\u2013", "no vCPU ran");
    else
      tile("Start to first KVM_RUN", duration(about.first_run_us),
        about.stalled_before_run_us ?
          `of that ${duration(about.stalled_before_run_us)} stalled` :
          "none of that stalled");
    tile("In stalls", stalledCalls ? duration(stalledTime) : "none",
      `${plural(stalledCalls, "call")} over ${limit(about.stall_us)}`,
      stalledCalls > 0);
    tile("Doorbells", count(about.saved.assigned) + " assigned",
      `${count(about.saved.never_known)} gone before the kernel knew them`);
    if (about.saved.spared_estimate !== null && about.saved.assigned)
      tile("Stalls avoided", `about ${count(about.saved.spared_estimate)}`,
        "an estimate: see below");
  }

  function writeWarnings() {
    const words = [];
    const lost = about.dropped;
    if (lost.events)
      words.push(`${plural(lost.events, "call")} found no room in the ` +
        "timeline; totals and latencies have them (--events makes room).");
    if (lost.kept)
      words.push(`${plural(lost.kept, "stall or life event",
        "stalls or life events")} found no room.`);
    if (lost.doorbells)
      words.push(`${plural(lost.doorbells, "doorbell call")} found no room ` +
        "in the table of doorbells.");
    if (lost.threads)
      words.push(`${plural(lost.threads, "thread")} too many to be told ` +
        "apart.");
    if (lost.vms)
      words.push(`${plural(lost.vms, "VM")} too many to be told apart.`);
    if (about.vms_aside)
      words.push(`${plural(about.vms_aside, "VM")} left to themselves: ` +
        "the command's stderr says why.");
    if (!about.programs)
      words.push("The command did not load the library: nothing was seen.");
    byId("warnings").textContent = words.join(" ");
    byId("warnings").hidden = !words.length;
  }

  /* Timeline. */

  const LANE = 38, AXIS = 26, LABEL = 150, NARROW_LABEL = 84;
  const whole = {from: 0, to: Math.max(about.end_us, 1)};
  const view = {from: whole.from, to: whole.to};
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

  /* What is closer together than half a pixel is one bar. */
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

  /* As on-stall draws it. */
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

  function drawStalls(group, own, y) {
    for (const event of own.calls) {
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

  function drawMarks(group, own, y) {
    let last = -Infinity;
    for (const event of own.marks) {
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

  function drawPicked(group, own, y) {
    if (!picked || picked.own !== own)
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

  function drawLane(own, y) {
    const group = draw("g", {});
    group.append(draw("text", {class: "name", x: 8, y: y + 16},
      shorten(own.name || laneName(own), labelWidth() - 12),
      draw("title", {}, laneName(own))));
    if (own.tid)
      group.append(draw("text", {class: "soft", x: 8, y: y + 31},
        manyProcesses ? `${own.pid}/${own.tid}` : String(own.tid)));
    drawBars(group, own.runs, "run", y + 8, LANE - 16, () => true);
    drawBars(group, own.calls, "call", y + 12, LANE - 24,
      (event) => !event.args.stall);
    drawStalls(group, own, y);
    drawMarks(group, own, y);
    drawPicked(group, own, y);
    return group;
  }

  function drawTimeline() {
    const height = AXIS + Math.max(lanes.length, 1) * LANE + 4;
    const width = holder.clientWidth;
    const children = lanes.map((own, i) => i % 2 ? "" : draw("rect",
      {class: "lane", x: 0, y: AXIS + i * LANE, width, height: LANE}));
    children.push(drawAxis(height));
    children.push(...lanes.map((own, i) => drawLane(own, AXIS + i * LANE)));
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("height", height);
    svg.replaceChildren(...children.filter((child) => child !== ""));
    byId("window").textContent =
      `${moment(view.from)} to ${moment(view.to)}`;
  }

  /* The event at a place: a mark, else the shortest that covers it. */
  function find(x, y) {
    const own = lanes[Math.floor((y - AXIS) / LANE)];
    if (!own || x < labelWidth())
      return null;
    const near = (event) => Math.abs(toX(event.ts) - x) < 5;
    const low = (y - AXIS) % LANE > LANE - 12;
    const covers = (event) => toX(event.ts) - 2 <= x &&
      x <= toX(event.ts + event.dur) + 2;
    const shortest = (events) => events.filter(covers)
      .sort((a, b) => a.dur - b.dur)[0];
    const event = (low && own.marks.find(near)) || shortest(own.calls) ||
      own.marks.find(near) || shortest(own.runs);
    return event ? {event, own} : null;
  }

  function pick(found) {
    picked = found;
    if (found)
      byId("hover").textContent = describe(found.event, found.own);
    drawTimeline();
  }

  const actions = {
    in: () => zoom(0.5),
    out: () => zoom(2),
    left: () => move(-0.5),
    right: () => move(0.5),
    all: () => setView(whole.from, whole.to),
    start: () => setView(whole.from, about.first_run_us === null ? whole.to :
      about.first_run_us * 1.05),
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

  /* A press that does not move picks, which is all that a finger can do. */
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

  /* Tables. */

  function table(caption, heads, rows) {
    const head = make("tr", {}, ...heads.map(([text, kind]) =>
      make("th", {scope: "col", class: kind || ""}, text)));
    const body = rows.map((cells) => make("tr", {}, ...cells.map(
      (cell, i) => make("td", {class: heads[i][1] || ""}, cell))));
    return make("div", {}, make("p", {class: "caption"}, caption),
      make("div", {class: "scroll", tabindex: 0, role: "region",
        "aria-label": caption},
      make("table", {}, make("thead", {}, head),
        make("tbody", {}, ...body))));
  }

  function show(stall) {
    const margin = Math.max(stall.event.dur * 2, 500);
    pick(stall);
    setView(stall.event.ts - margin, stall.event.ts + stall.event.dur + margin);
    holder.scrollIntoView({block: "center"});
  }

  function showButton(stall) {
    const button = make("button", {type: "button", "aria-label":
      `show ${stall.event.name} at ${moment(stall.event.ts)}`}, "show");
    button.addEventListener("click", () => show(stall));
    return button;
  }

  function stallRow(stall) {
    const {event, own} = stall;
    return [moment(event.ts), event.name, duration(event.dur),
      event.args.behind || "\u2013", laneName(own), place(event.args),
      showButton(stall)];
  }

  function writeStalls() {
    if (!stalls.length) {
      byId("stalls").append(make("p", {},
        `No call took longer than ${limit(about.stall_us)}.`));
      return;
    }
    let shown = stalls;
    let caption = "Calls over 1 ms, in the order of their start.";
    if (stalls.length > MOST_STALLS) {
      shown = [...stalls].sort((a, b) => b.event.dur - a.event.dur)
        .slice(0, MOST_STALLS).sort((a, b) => a.event.ts - b.event.ts);
      caption = `The ${MOST_STALLS} longest of ${count(stalls.length)} ` +
        "calls over 1 ms, in the order of their start.";
    }
    byId("stalls").append(table(caption,
      [["at"], ["call"], ["took", "number"], ["behind", "wide"], ["thread"],
        ["of"], ["", "buttons"]], shown.map(stallRow)));
  }

  /* Latencies: all on one logarithmic scale. */

  const PLOT = 300, PLOT_HEIGHT = 34, LEAST = 0.1;
  const longest = Math.max(10 * about.stall_us,
    ...about.calls.map((call) => call.longest_us));
  const decades = Math.log10(longest / LEAST);
  const scale = (us) =>
    Math.log10(Math.max(us, LEAST) / LEAST) / decades * (PLOT - 4) + 2;

  function scaleHead() {
    const plot = draw("svg", {width: PLOT, height: 16,
      viewBox: `0 0 ${PLOT} 16`, "aria-hidden": "true"});
    for (let us = 1; us < longest; us *= 10) {
      if (us === 1e4 && longest < 2e4)
        continue;
      plot.append(draw("text", {class: "soft", x: scale(us), y: 12,
        "text-anchor": "middle"}, limit(us)));
    }
    return plot;
  }

  function histogram(call) {
    const plot = draw("svg", {width: PLOT, height: PLOT_HEIGHT, role: "img",
      viewBox: `0 0 ${PLOT} ${PLOT_HEIGHT}`,
      "aria-label": `${call.name}: half within ${duration(call.p50_us)}, ` +
        `the longest ${duration(call.longest_us)}`});
    const most = Math.max(...call.histogram.map(([, , n]) => n));
    for (let us = 1; us < longest; us *= 10)
      plot.append(draw("line", {class: "grid", x1: scale(us), x2: scale(us),
        y1: 0, y2: PLOT_HEIGHT}));
    for (const [from, to, n] of call.histogram) {
      const height = Math.max(Math.sqrt(n / most) * (PLOT_HEIGHT - 3), 2);
      plot.append(draw("rect",
        {class: from >= about.stall_us ? "stall" : "call", x: scale(from),
          width: Math.max(scale(to) - scale(from) - 0.4, 1.5), height,
          y: PLOT_HEIGHT - height},
        draw("title", {}, `${plural(n, "call")} of ${duration(from)} to ` +
          duration(to))));
    }
    return plot;
  }

  function callRow(call) {
    return [call.name, histogram(call), count(call.calls),
      duration(call.total_us), duration(call.p50_us), duration(call.p90_us),
      duration(call.p99_us), duration(call.longest_us),
      call.stalls ? `${count(call.stalls)}: ${duration(call.stalled_us)}` :
        "\u2013", call.errors ? count(call.errors) : "\u2013"];
  }

  function writeCalls() {
    if (!about.calls.length) {
      byId("calls").append(make("p", {}, "No KVM call was counted."));
      return;
    }
    byId("calls").append(table("Every call but KVM_RUN, whose time is the " +
      "guest's; those that stalled longest first. Percentiles are exact to " +
      "an eighth. Heights are square roots of the counts.",
      [["call"], [scaleHead()], ["calls", "number"], ["total", "number"],
        ["p50", "number"], ["p90", "number"], ["p99", "number"],
        ["longest", "number"], ["stalls", "number"], ["errors", "number"]],
      about.calls.map(callRow)));
  }

  /* Doorbells. */

  function doorbellRow(row) {
    return [String(row.vm || "\u2013"), row.space, row.address,
      String(row.length || "any"), row.datamatch || "any", row.served,
      count(row.rings), moment(row.assigned_us), moment(row.first_ring_us),
      moment(row.installed_us),
      `${count(row.assigned)} / ${count(row.deassigned)}` +
        (row.never_known ? ` (${count(row.never_known)} unknown)` : "")];
  }

  function writeDoorbells() {
    if (!about.doorbells.length) {
      byId("doorbells").append(make("p", {}, "No doorbell was assigned."));
      return;
    }
    byId("doorbells").append(table("Rings are those that user space served; " +
      "what the kernel serves it does not count. Unknown: deassigned before " +
      "the kernel knew of it.",
      [["VM", "number"], ["space"], ["address"], ["length"], ["datamatch"],
        ["served by"], ["rings", "number"], ["assigned at", "number"],
        ["first ring", "number"], ["installed at", "number"],
        ["assigned / deassigned"]], about.doorbells.map(doorbellRow)));
  }

  /* Saved, and not. */

  function list(title, items) {
    byId("effect").append(make("div", {}, make("h3", {}, title),
      make("ul", {}, ...items.map((item) => make("li", {}, item)))));
  }

  function savedItems() {
    const saved = about.saved;
    const items = [];
    if (about.policy === "plain")
      return ["Nothing: this run only measured."];
    items.push(`${plural(saved.never_known, "doorbell was", "doorbells were")}
      assigned and deassigned again before the kernel knew of them.`);
    if (saved.spared_estimate === null)
      items.push("No estimate of stalls avoided: before Linux 6.18 it is " +
        "the registration itself that waits.");
    else
      items.push(`Estimate: ${plural(saved.spared_estimate,
        "call")} came within two ticks (${limit(2 * about.tick_us)}) of ` +
        "a registration that belfry had kept from the kernel, three for the " +
        "close of a VM, and did not stall. Each would have slept out the " +
        "grace period of that registration. For how long was not measured " +
        "here: belfry compare does.");
    return items;
  }

  function leftItem(entry) {
    const what = `${plural(entry.stalls, "stall")}, ` +
      `${duration(entry.stalled_us)}`;
    if (!entry.behind)
      return `${what}, behind nothing that belfry knows of: calls that ` +
        "always wait, memory, or a busy machine.";
    if (entry.irqchip)
      return `${what}, behind the in-kernel irqchip (${entry.behind}): user ` +
        "space cannot avoid it. A split irqchip leaves no such debt; nor " +
        "does one that was created some ticks before the next change.";
    return `${what}, behind ${entry.behind}, once the kernel knew of it.`;
  }

  function writeEffect() {
    const ofIrqchip = about.left.filter((entry) => entry.irqchip);
    const others = about.left.filter((entry) => !entry.irqchip);
    list("Saved", savedItems());
    list("Not saved", others.length ? others.map(leftItem) :
      ["No stall behind a doorbell or a zone."]);
    list("In-kernel irqchip, apart", ofIrqchip.length ?
      ofIrqchip.map(leftItem) : ["No stall behind it."]);
  }

  function writeFooter() {
    byId("footer").textContent = `belfry ${about.belfry}. Times count from ` +
      "the start of the command. A stall is behind a call that left a grace " +
      "period on the same VM at most four ticks before: a likely cause, not " +
      "a proof. KVM_RUN calls of a thread a millisecond or less apart are " +
      "drawn as one.";
  }

  writeFacts();
  writeWarnings();
  writeTiles();
  beginTimeline();
  writeStalls();
  writeEffect();
  writeCalls();
  writeDoorbells();
  writeFooter();
})();
