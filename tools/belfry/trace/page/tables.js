/* The tables of stalls and doorbells. */
const MOST_STALLS = 200;

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
  const {event, lane} = stall;
  return [moment(event.ts), event.name, duration(event.dur),
    event.args.behind || "\u2013", laneName(lane), vmText(event.args),
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

function doorbellRow(row) {
  return [String(row.vm || "\u2013"), row.space, row.address,
    String(row.length || "any"), row.datamatch || "any", row.served_by,
    count(row.signals), moment(row.assigned_us), moment(row.first_signal_us),
    moment(row.installed_us),
    `${count(row.assigned)} / ${count(row.deassigned)}` +
      (row.never_installed ?
        ` (${count(row.never_installed)} never installed)` : "")];
}

function writeDoorbells() {
  if (!about.doorbells.length) {
    byId("doorbells").append(make("p", {}, "No doorbell was assigned."));
    return;
  }
  byId("doorbells").append(table("Only signals in user space are counted: " +
    "the kernel does not count its own. Never installed: deassigned before " +
    "belfry installed the doorbell in the kernel.",
    [["VM", "number"], ["space"], ["address"], ["length"], ["datamatch"],
      ["served by"], ["signals", "number"], ["assigned at", "number"],
      ["first signal", "number"], ["installed at", "number"],
      ["assigned / deassigned"]], about.doorbells.map(doorbellRow)));
}
