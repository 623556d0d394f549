/* The stalls that belfry saved, and those that it did not. */

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
