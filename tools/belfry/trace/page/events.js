/* The trace that lies in the page, its events by thread. */
const trace = JSON.parse(document.getElementById("trace").textContent);
const about = trace.belfry;
const MOST_LANES = 64;

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
