/* SPDX-License-Identifier: MIT */
/*
 * Who drives a grace period, who sleeps and who wakes whom: src/srcu/wait.c
 * and worker.c for one domain.  The counters are one number here; gp.c itself
 * is explored by srcu_explore.
 *
 * Checked: when nobody can do anything any more, every request has been
 * answered and every callback has run; no endless loop on the way (-DNP).
 *
 * -DNO_PACE	 the pace never passes: expedited requests, and callbacks queued
 *		 before them, must be served all the same
 * -DREORDER	 a reader's exit may become visible after its look at waiting
 *		 (its store buffer); sleepers look again after a while
 *
 * Must be found wrong:
 * -DBREAK_RECHECK	REORDER, and sleepers rely on being woken
 * -DBREAK_ANNOUNCE	who goes to sleep does not look again after saying so
 * -DBREAK_DROP		the worker lets go of a domain without a second look
 * -DBREAK_ASLEEP	the worker looks at the word before it is asleep
 * -DBREAK_PROMOTE	NO_PACE, and an expedited request leaves the grace
 *			period to the worker
 */
#ifdef BREAK_RECHECK
#define REORDER
#endif
#ifdef BREAK_PROMOTE
#define NO_PACE
#endif

#ifndef CALLERS
#define CALLERS	 1
#endif
#ifndef SECTIONS
#define SECTIONS 1
#endif
#ifndef NORMALS		/* or 0 */
#define NORMALS	 1
#endif
#define SYNC	    1	/* bits of waiting */
#define WORKER	    2
#define FOREVER	    0	/* how long the worker sleeps */
#define PACE	    1
#define RECHECK	    2

/* The domain. */
bit lock;
byte gp_seq, gp_needed;		/* whole grace periods */
bool busy;			/* one is in progress */
byte cb_next, cb_wait, cb_done;	/* callbacks, as numbers */
bool cb_running;
byte waiting, sleepers;
bit queued, incoming;
bool due_set, due_passed;
byte inside;			/* open sections */

/*
 * A futex word that counts up: all that its sleepers ask is whether it moved
 * since they read it.  One bit for each who asks.
 */
bit wake_seq_moved[2], word_moved;

/* The worker. */
bit asleep;

/* Who sleeps in the kernel. */
bit in_futex[2];
bit worker_in_futex;
#define EXPEDITED 0
#define NORMAL	  1

/* What was asked for and what came of it. */
byte cb_queued, cb_run, cb_before_expedited;
bool expedited_done, normal_done;

inline acquire()
{
	atomic { lock == 0 -> lock = 1 }
}

inline release()
{
	lock = 0
}

inline wake_sleepers()
{
	d_step {
		wake_seq_moved[EXPEDITED] = 1;
		wake_seq_moved[NORMAL] = 1;
		in_futex[EXPEDITED] = 0;
		in_futex[NORMAL] = 0
	}
}

inline poke()
{
	word_moved = 1;
	if
	:: asleep -> worker_in_futex = 0
	:: else
	fi
}

inline kick(old)
{
	d_step { old = queued; queued = 1 }
	if
	:: old == 0 -> incoming = 1
	:: else
	fi;
	poke();
	old = 0
}

inline start()
{
	d_step { busy = true; cb_wait = cb_wait + cb_next; cb_next = 0 }
}

/* srcu_gp_step() */
inline step(old, ended)
{
	if
	:: atomic { inside == 0 ->
		busy = false;
		gp_seq++;
		cb_done = cb_done + cb_wait;
		cb_wait = 0;
		ended = true
	   }
	   if
	   :: sleepers > 0 -> wake_sleepers()
	   :: else
	   fi;
	   if
	   :: cb_done > 0 && !cb_running -> kick(old)
	   :: else
	   fi
	:: inside > 0 -> ended = false
	fi
}

/* srcu_gp_announce_sleep() */
inline announce(who, old, ended)
{
	waiting = waiting | who;
#ifdef BREAK_ANNOUNCE
	ended = false
#else
	step(old, ended)
#endif
}

inline futex_wait(who)
{
	in_futex[who] = !wake_seq_moved[who];
end_asleep:
	if
	:: in_futex[who] == 0
#if defined(REORDER) && !defined(BREAK_RECHECK)
	:: who == EXPEDITED && in_futex[who] -> in_futex[who] = 0
#endif
	fi
}

#define SNAP	 (gp_seq + 1 + busy)
#define WANTED	 (cb_next > 0 || gp_needed > gp_seq)

/* call_srcu() */
active [CALLERS] proctype caller()
{
	bit old;

	atomic { cb_next++; cb_queued++ }
	if
	:: queued == 0 -> kick(old)
	:: else
	fi
}

/* synchronize_srcu_expedited() */
active proctype expedited()
{
	byte cookie;
	bit old;
	bool ended;

#ifdef NO_PACE
	cb_before_expedited = cb_queued;
#endif
	atomic { acquire(); cookie = SNAP }
#ifdef BREAK_PROMOTE
	gp_needed = (cookie > gp_needed -> cookie : gp_needed);
	kick(old);
#endif
	do
	:: gp_seq >= cookie -> break
	:: else ->
#ifndef BREAK_PROMOTE
		atomic {
			if
			:: !busy -> start()
			:: else
			fi
		}
		step(old, ended);
		if
		:: ended -> goto again
		:: else
		fi;
#endif
		wake_seq_moved[EXPEDITED] = 0;
#ifndef BREAK_PROMOTE
		announce(SYNC, old, ended);
		if
		:: ended -> goto again
		:: else
		fi;
#endif
		atomic { sleepers++; release() }
		futex_wait(EXPEDITED);
		atomic { acquire(); sleepers-- }
again:		skip
	od;
	atomic { release(); expedited_done = true }
}

/* synchronize_srcu() of a domain in use */
active [NORMALS] proctype normal()
{
	byte cookie;
	bit old;

	atomic {
		acquire();
		cookie = SNAP;
		gp_needed = (cookie > gp_needed -> cookie : gp_needed)
	}
	kick(old);
	do
	:: gp_seq >= cookie -> break
	:: else ->
		wake_seq_moved[NORMAL] = 0;
		atomic { sleepers++; release() }
		futex_wait(NORMAL);
		atomic { acquire(); sleepers-- }
	od;
	atomic { release(); normal_done = true }
}

inline reader_wakes(who)
{
	d_step { who = waiting; waiting = 0 }
	if
	:: who & SYNC -> wake_sleepers()
	:: else
	fi;
	if
	:: who & WORKER -> poke()
	:: else
	fi;
	who = 0
}

active proctype reader()
{
	byte i, who;

	do
	:: i < SECTIONS ->
		atomic { i++; inside++ }
		if
		:: inside--;
		   who = waiting
#ifdef REORDER
		:: who = waiting;
		   inside--
#endif
		fi;
		if
		:: who -> reader_wakes(who)
		:: else
		fi
	:: else -> break
	od
}

/* worker_step() until there is nothing to do but wait */
inline worker_steps(old, ended, n)
{
	do
	:: cb_done > 0 ->
		atomic {
			n = cb_done;
			cb_done = 0;
			cb_running = true;
			release()
		}
		atomic {
			cb_run = cb_run + n;
			n = 0;
			acquire();
			cb_running = false
		}
	:: cb_done == 0 && !busy && !WANTED ->
		due_set = false;
		break
	:: cb_done == 0 && !busy && WANTED ->
		atomic {
			due_passed = due_set && due_passed;
			due_set = true;
			if
			:: due_passed -> due_set = false; start()
			:: !due_passed -> break
			fi
		}
	:: cb_done == 0 && busy ->
		step(old, ended);
		if
		:: !ended -> announce(WORKER, old, ended)
		:: else
		fi;
		if
		:: !ended -> break
		:: else
		fi
	od
}

/* worker_drop(); keeps the domain if somebody came in between */
inline worker_drop(old, keep)
{
	queued = 0;
#ifndef BREAK_DROP
	if
	:: WANTED ->
		d_step { old = queued; queued = 1 }
		keep = !old
	:: else
	fi;
#endif
	old = 0
}

inline worker_sleep(length)
{
#ifdef BREAK_ASLEEP
	if
	:: !word_moved -> asleep = 1; worker_in_futex = 1
	:: else
	fi;
#else
	asleep = 1;
	worker_in_futex = !word_moved;
#endif
end_asleep:
	if
	:: worker_in_futex == 0
#ifndef NO_PACE
	:: atomic { worker_in_futex && length == PACE ->
		worker_in_futex = 0;
		due_passed = true
	   }
#endif
#if defined(REORDER) && !defined(BREAK_RECHECK)
	:: worker_in_futex && length == RECHECK -> worker_in_futex = 0
#endif
	fi;
	asleep = 0
}

active proctype worker()
{
	byte n, length;
	bit old;
	bool ended, mine, keep;

	do
	:: true ->
		word_moved = 0;
		d_step { mine = mine || incoming; incoming = 0 }
		length = FOREVER;
		if
		:: mine ->
			acquire();
			worker_steps(old, ended, n);
			keep = busy || WANTED;
			if
			:: !keep -> worker_drop(old, keep)
			:: else
			fi;
			atomic {
				length = (!keep -> FOREVER :
					  (busy -> RECHECK : PACE));
				mine = keep;
				release()
			}
		:: else
		fi;
		worker_sleep(length)
	od
}

/* When all others are done, or sleep for good. */
active proctype judge()
{
end:	timeout;
	assert(expedited_done);
#ifdef NO_PACE
	assert(cb_run >= cb_before_expedited)
#else
	assert(normal_done || NORMALS == 0);
	assert(cb_run == cb_queued)
#endif
}
