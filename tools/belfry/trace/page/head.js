/* Above the timeline: facts, warnings, and a summary. */

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
    tile("Exec to first KVM_RUN", "\u2013", "no vCPU ran");
  else
    tile("Exec to first KVM_RUN", duration(about.first_run_us),
      about.stalled_before_run_us ?
        `of that ${duration(about.stalled_before_run_us)} stalled` :
        "none of that stalled");
  tile("In stalls", stalledCalls ? duration(stalledTime) : "none",
    `${plural(stalledCalls, "call")} over ${limit(about.stall_us)}`,
    stalledCalls > 0);
  tile("Doorbells", count(about.saved.assigned) + " assigned",
    `${count(about.saved.never_installed)} never installed in the kernel`);
  if (about.saved.stalls_avoided_estimate !== null && about.saved.assigned)
    tile("Stalls avoided",
      `about ${count(about.saved.stalls_avoided_estimate)}`,
      "an estimate: see below");
}

function writeWarnings() {
  const words = [];
  const lost = about.dropped;
  if (lost.events)
    words.push(`${plural(lost.events, "call")} found no room in the ` +
      "timeline; totals and latencies have them (--events makes room).");
  if (lost.priority_events)
    words.push(`${plural(lost.priority_events, "stall or event of a VM",
      "stalls or events of a VM")} found no room.`);
  if (lost.doorbells)
    words.push(`${plural(lost.doorbells, "doorbell call")} found no room ` +
      "in the table of doorbells.");
  if (lost.threads)
    words.push(`${plural(lost.threads, "thread")} found no room and ` +
      "share one row.");
  if (lost.vms)
    words.push(`${plural(lost.vms, "VM")} found no room and have no number.`);
  if (about.vms_passed_through)
    words.push(`${plural(about.vms_passed_through, "VM")} passed through ` +
      "without belfry: the command's stderr says why.");
  if (!about.programs)
    words.push("The command did not load the library: nothing was recorded.");
  byId("warnings").textContent = words.join(" ");
  byId("warnings").hidden = !words.length;
}
