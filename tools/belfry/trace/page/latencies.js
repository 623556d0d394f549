/* Latencies, as histograms on one logarithmic scale. */

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
  byId("calls").append(table("All calls except KVM_RUN, whose time is the " +
    "guest's; the longest stalled first. Percentiles are exact to an " +
    "eighth. Heights are square roots of the counts.",
    [["call"], [scaleHead()], ["calls", "number"], ["total", "number"],
      ["p50", "number"], ["p90", "number"], ["p99", "number"],
      ["longest", "number"], ["stalls", "number"], ["errors", "number"]],
    about.calls.map(callRow)));
}
