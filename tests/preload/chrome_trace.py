# SPDX-License-Identifier: MIT
"""A validator for Chrome's trace event format.

The document is "Trace Event Format"; doc/trace.md has its address.  The
validator also checks further needs of viewers.
"""
import math

PHASES = {"M", "X", "i"}  # the phases that belfry writes
METADATA = {"process_name", "thread_name"}
MEMBERS = {"name", "cat", "ph", "ts", "dur", "pid", "tid", "s", "args"}
NANOSECOND = 0.001


def is_time(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) \
        and math.isfinite(value) and value >= 0


def is_id(value):
    return isinstance(value, int) and not isinstance(value, bool) \
        and 0 <= value < 1 << 32


def problems_of_event(event):
    """The problems of one event, which must be an object."""
    phase = event.get("ph")
    if phase not in PHASES:
        yield "unknown phase"
    if not event.keys() <= MEMBERS:
        yield f"unknown members {sorted(event.keys() - MEMBERS)}"
    if not isinstance(event.get("name"), str) or not event["name"]:
        yield "no name"
    if not is_id(event.get("pid")) or not is_id(event.get("tid")):
        yield "no pid or tid"
    if not isinstance(event.get("args", {}), dict):
        yield "args are no object"
    if phase == "M":
        if event.get("name") not in METADATA:
            yield "unknown metadata"
        if not isinstance(event.get("args", {}).get("name"), str):
            yield "metadata without a name"
        return
    if not is_time(event.get("ts")):
        yield "no time stamp"
    if not isinstance(event.get("cat"), str) or not event["cat"]:
        yield "no category"
    if (phase == "X") != ("dur" in event):
        yield "a duration, or none, where it does not belong"
    if phase == "X" and not is_time(event.get("dur")):
        yield "no duration"
    if (phase == "i") != ("s" in event) or event.get("s", "t") not in "gpt":
        yield "no scope, or one where it does not belong"


def problems_of_nesting(events):
    """On each thread a call must lie inside another, or after it."""
    open_until = {}
    for event in events:
        thread = event["pid"], event["tid"]
        if event["ph"] != "X" or thread == (0, 0):  # events of many threads
            continue
        ends = open_until.setdefault(thread, [])
        end = event["ts"] + event["dur"]
        while ends and ends[-1] <= event["ts"] + NANOSECOND:
            ends.pop()
        if ends and end > ends[-1] + NANOSECOND:
            yield f"overlaps the call in which it begins: {event}"
        ends.append(end)


def problems(trace):
    """The problems of a trace, each in words."""
    if not isinstance(trace, dict):
        return ["the trace is no object"]
    events = trace.get("traceEvents")
    if not isinstance(events, list) or \
            not all(isinstance(event, dict) for event in events):
        return ["traceEvents is no array of objects"]
    found = [f"{problem}: {event}" for event in events
             for problem in problems_of_event(event)]
    if trace.get("displayTimeUnit") not in ("ms", "ns"):
        found.append("displayTimeUnit is neither ms nor ns")
    if found:
        return found
    times = [event["ts"] for event in events if event["ph"] != "M"]
    if times != sorted(times):
        found.append("not in the order of time")
    return found + list(problems_of_nesting(events))
