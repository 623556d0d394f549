/* Writes the page from top to bottom. */

function writeFooter() {
  byId("footer").textContent = `belfry ${about.belfry}. Times count from ` +
    "the start of the command. A stall is shown behind a call that left a " +
    "grace period on the same VM at most four ticks before: a likely cause, " +
    "not a proof. KVM_RUN calls of a thread at most a millisecond apart are " +
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
