/* The stalls that belfry avoided, and those that it did not avoid. */

function list(title, items) {
  byId("effect").append(make("div", {}, make("h3", {}, title),
    make("ul", {}, ...items.map((item) => make("li", {}, item)))));
}

function avoidedItems() {
  const saved = about.saved;
  const items = [];
  if (about.policy === "plain")
    return ["Nothing: this run only measured."];
  items.push(`${plural(saved.never_installed, "doorbell was",
    "doorbells were")} assigned and deassigned without an install in the ` +
    "kernel.");
  if (saved.stalls_avoided_estimate === null)
    items.push("No estimate of stalls avoided: before Linux 6.18 the " +
      "registration itself waits.");
  else
    items.push(`Estimate: ${plural(saved.stalls_avoided_estimate,
      "call")} came within two ticks (${limit(2 * about.tick_us)}), or ` +
      "three for the close of a VM, of a registration that belfry had " +
      "deferred, and did not stall. Each would have waited for the grace " +
      "period of that registration. Use belfry compare to measure the " +
      "time saved.");
  return items;
}

function remainingItem(entry) {
  const what = `${plural(entry.stalls, "stall")}, ` +
    `${duration(entry.stalled_us)}`;
  if (!entry.behind)
    return `${what}, without a known cause: calls that always wait, ` +
      "memory, or a busy machine.";
  if (entry.irqchip)
    return `${what}, behind the in-kernel irqchip (${entry.behind}): user ` +
      "space cannot avoid it. On x86-64 a split irqchip leaves no grace " +
      "period behind. Nor does a VM stall that changes some ticks after the " +
      "irqchip was created.";
  return `${what}, behind ${entry.behind}, installed in the kernel.`;
}

function writeEffect() {
  const remaining = about.remaining_stalls;
  const ofIrqchip = remaining.filter((entry) => entry.irqchip);
  const others = remaining.filter((entry) => !entry.irqchip);
  list("Avoided", avoidedItems());
  list("Not avoided", others.length ? others.map(remainingItem) :
    ["No stall behind a doorbell or a zone."]);
  list("Behind the in-kernel irqchip", ofIrqchip.length ?
    ofIrqchip.map(remainingItem) : ["No stall behind it."]);
}
