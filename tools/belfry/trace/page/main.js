/* The page from its top to its end. */

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
