/* The trace inside the page, and its events by thread. */
const CONTROLS =
  /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
const trace = JSON.parse(document.getElementById("trace").textContent,
  (key, value) => typeof value === "string" ?
    value.replace(CONTROLS, "\ufffd") : value);
const about = trace.belfry;
const MOST_LANES = 64;

function gather() {
  const lanes = new Map();
  const laneOf = (event) => {
    const key = `${event.pid}:${event.tid}`;
    if (!lanes.has(key))
      lanes.set(key, {key, pid: event.pid, tid: event.tid, name: "",
        calls: [], runs: [], marks: [], stalled: 0});
    return lanes.get(key);
  };
  for (const event of trace.traceEvents) {
    const lane = laneOf(event);
    if (event.ph === "M") {
      if (event.name === "thread_name")
        lane.name = event.args.name;
    } else if (event.ph === "i") {
      lane.marks.push(event);
    } else if (event.cat === "run") {
      lane.runs.push(event);
    } else {
      lane.calls.push(event);
      if (event.args.stall)
        lane.stalled += event.dur;
    }
  }
  return [...lanes.values()].filter(
    (lane) => lane.calls.length + lane.runs.length + lane.marks.length);
}

/* Threads that create or run VMs come before those with many calls. */
const isMain = (lane) => lane.runs.length > 0 ||
  lane.calls.some((event) => event.name === "KVM_CREATE_VM");
const size = (lane) => lane.calls.length + lane.runs.length +
  (isMain(lane) ? 1e6 : 0);
const allLanes = gather();
const lanes = allLanes.length <= MOST_LANES ? allLanes :
  [...allLanes].sort((a, b) => b.stalled - a.stalled || size(b) - size(a))
    .slice(0, MOST_LANES)
    .sort((a, b) => allLanes.indexOf(a) - allLanes.indexOf(b));
const stalls = allLanes.flatMap((lane) =>
  lane.calls.filter((event) => event.args.stall)
    .map((event) => ({event, lane})))
  .sort((a, b) => a.event.ts - b.event.ts);
const manyProcesses = new Set(allLanes.map((lane) => lane.pid)).size > 1;

function laneName(lane) {
  if (!lane.tid)
    return "other threads";
  return (lane.name || "thread") +
    (manyProcesses ? ` ${lane.pid}/${lane.tid}` : ` ${lane.tid}`);
}

function vmText(args) {
  const words = [];
  if (args.vm)
    words.push(`VM ${args.vm}`);
  if (args.vcpu !== undefined)
    words.push(`vCPU ${args.vcpu}`);
  return words.join(", ");
}

function doorbellText(args) {
  const match = args.datamatch ? ` = ${args.datamatch}` : "";
  return `${args.space} ${args.address} +${args.length}${match}`;
}

function describe(event, lane) {
  const words = [event.name];
  if (event.ph === "X")
    words.push(duration(event.dur));
  if (event.args.calls > 1)
    words.push(`${count(event.args.calls)} calls`);
  words.push(`at ${moment(event.ts)}`, laneName(lane));
  if (vmText(event.args))
    words.push(vmText(event.args));
  if (event.args.address)
    words.push(doorbellText(event.args));
  if (event.args.errno)
    words.push(event.args.errno);
  if (event.args.behind)
    words.push(`behind ${event.args.behind}`);
  return words.join(" \u00b7 ");
}
