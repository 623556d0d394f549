/* SPDX-License-Identifier: MIT */
/*
 * Driving a grace period, sleeping and waking: wait.c, worker.c and callback.c of
 * src/srcu/, for one domain.  A bank is only its number of open sections;
 * srcu_explore explores gp.c itself.
 *
 * Checked: when no process can go on, every request has been answered and every
 * callback has run; there is no endless loop on the way (-DNP).
 *
 * The numbers of processes: READERS (each with SECTIONS), SYNCS
 * (synchronize_srcu()), EXPEDITEDS (synchronize_srcu_expedited()), CALLS
 * (call_srcu()), URGENTS (call_srcu_expedited()) and CURRENTS
 * (srcu_expedite_current()).
 *
 * -DNO_PACE	 the pace never passes: expedited requests and callbacks, the
 *		 callbacks before them, and the requests before
 *		 srcu_expedite_current() must be served all the same
 * -DREORDER	 a reader's exit may become visible after its load of waiting
 *		 (its store buffer); sleepers have a timeout
 *
 * These variants must fail:
 * -DBREAK_RECHECK	REORDER without the timeout
 * -DBREAK_ANNOUNCE	a sleeper does not scan again after its announcement
 * -DBREAK_LAST		a reader asks whether it was the last of its bank
 *			before its exit is visible
 * -DBREAK_END		the end of a grace period wakes the sleepers, not the
 *			worker
 * -DBREAK_DROP		the worker drops a domain without a second look
 * -DBREAK_ASLEEP	the worker reads the word before it is at rest
 * -DBREAK_WORD		the worker sleeps on the word, not on rest
 * -DBREAK_PROMOTE	NO_PACE, and an expedited request leaves the grace
 *			period to the worker, as a normal one does
 * -DBREAK_URGENT	NO_PACE, and urgency is a separate word, set before the
 *			callback is queued and cleared by a grace period that
 *			begins
 * -DBREAK_CURRENT	NO_PACE, and srcu_expedite_current() wakes the worker
 *			only if a grace period could begin at once
 * -DBREAK_BEHIND	NO_PACE, and callbacks that an expedited grace period
 *			cannot take wait for the pace
 */
#ifdef BREAK_RECHECK
#define REORDER
#endif
#if defined(BREAK_PROMOTE) || defined(BREAK_URGENT) || \
	defined(BREAK_CURRENT) || defined(BREAK_BEHIND)
#define NO_PACE
#endif

#ifndef READERS
#define READERS	   1
#endif
#ifndef SECTIONS
#define SECTIONS   1
#endif
#ifndef SYNCS			/* 0 or 1 */
#define SYNCS	   0
#endif
#ifndef EXPEDITEDS		/* 0 or 1 */
#define EXPEDITEDS 0
#endif
#ifndef CALLS
#define CALLS	   0
#endif
#ifndef URGENTS
#define URGENTS	   0
#endif
#ifndef CURRENTS
#define CURRENTS   0
#endif

#define SYNC	   1		/* bits of waiting */
#define WORKER	   2

#define IDLE	   0		/* of gp_seq */
#define SCAN1	   1
#define SCAN2	   2

#define FOREVER	   0		/* the time for which the worker sleeps */
#define PACE	   1
#define RECHECK	   2

#define AWAKE	   0		/* worker.rest */
#define ASLEEP	   1
#define NAPS	   2

#define SOON	   0		/* enum srcu_haste */
#define NOW	   1

/* The domain. */
bit lock;
byte gp_seq, gp_needed;		/* whole grace periods */
byte phase;			/* the low bits of gp_seq */
bit bank;			/* that new readers count in: idx */
byte inside[2];			/* open sections of each */
byte cb_next, cb_wait, cb_done;	/* callbacks, as numbers */
bit cb_urgent;			/* SRCU_CB_URGENT, a bit of cb_next */
bit gp_urgent;
byte waiting, sleepers;
bit announced;			/* gp_announced == gp_seq */
bit blocked;			/* gp_blocked */
bit queued, incoming;
bit due_set, due_passed;

/*
 * A futex word that counts up.  A sleeper only asks whether the word moved since
 * the sleeper read it, so there is one bit for each sleeper.
 */
bit wake_seq_moved[2], word_moved;

/* The worker. */
byte rest;

/* The processes that sleep in the kernel. */
bit in_futex[2];
bit worker_in_futex;
#define EXPEDITED 0
#define NORMAL	  1

/* Requests and their results. */
byte cb_queued, cb_run, cb_must_run;
byte expediteds_done, syncs_done, syncs_asked, syncs_must;

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

/* bf_srcu_worker_poke() */
inline poke(old, haste)
{
	word_moved = 1;
	old = rest;
	if
	:: old == ASLEEP || (old == NAPS && haste == NOW) ->
		d_step { old = rest; rest = AWAKE }
		if
		:: old != AWAKE -> worker_in_futex = 0
		:: else
		fi
	:: else
	fi;
	old = 0
}

inline kick(old, haste)
{
	d_step { old = queued; queued = 1 }
	if
	:: old == 0 -> incoming = 1
	:: else
	fi;
	poke(old, haste)
}

#define SNAP	    (gp_seq + 1 + (phase != IDLE))
#define WANTED	    ((cb_next > 0 && cb_done == 0) || gp_needed > gp_seq)
#define WANTED_NOW  (gp_urgent || cb_urgent)
#define NEED(c)	    gp_needed = (c > gp_needed -> c : gp_needed)

/* bf_srcu_gp_begin(): one exchange takes the callbacks and their bits */
inline start()
{
#ifdef BREAK_URGENT
	cb_urgent = 0;
#endif
	d_step {
		due_set = 0;
		due_passed = 0;
		phase = SCAN1;
		announced = 0;
		gp_urgent = 0;
		if
		:: cb_done == 0 ->
			cb_wait = cb_next;
			cb_next = 0;
#ifndef BREAK_URGENT
			cb_urgent = 0
#endif
#ifndef BREAK_BEHIND
		:: cb_done > 0 -> gp_urgent = (cb_next > 0)
#endif
		:: else
		fi
	}
}

/* bf_srcu_gp_advance(): one scan for each bank */
inline advance(ended)
{
	ended = 0;
	if
	:: phase == SCAN1 && inside[1 - bank] == 0 ->
		if
		:: inside[bank] == 0 -> ended = 1
		:: inside[bank] > 0 ->
			d_step {
				bank = 1 - bank;
				phase = SCAN2;
				announced = 0
			}
		fi
	:: phase == SCAN1 && inside[1 - bank] > 0
	:: phase == SCAN2
	fi;
	if
	:: phase == SCAN2 && inside[1 - bank] == 0 -> ended = 1
	:: phase != SCAN2 || inside[1 - bank] > 0
	fi
}

/* bf_srcu_gp_step() */
inline step(old, ended)
{
	advance(ended);
	if
	:: ended ->
		d_step {
			phase = IDLE;
			announced = 0;
			gp_seq++;
			cb_done = (cb_wait > 0 -> cb_wait : cb_done);
			cb_wait = 0
		}
		if
		:: blocked ->
			d_step {
				blocked = 0;
				old = waiting;
				waiting = 0
			}
			if
#ifndef BREAK_END
			:: old & WORKER -> poke(old, NOW)
#endif
			:: else
			fi;
			old = 0
		:: else
		fi;
		if
		:: sleepers > 0 -> wake_sleepers()
		:: else
		fi;
		if
		:: cb_done > 0 -> kick(old, NOW)
		:: else
		fi
	:: else
	fi
}

/* bf_srcu_gp_announce_sleep() returns false */
#define ANNOUNCED(sleeper) (announced && (waiting & sleeper))

inline announce(sleeper)
{
	d_step {
		announced = 1;
		blocked = 1;
		waiting = waiting | sleeper
	}
}

/* sleep_for_readers(): drops the lock, FUTEX_WAIT() in between, takes it again */
inline fall_asleep(me)
{
	atomic { sleepers++; release() }
	in_futex[me] = !wake_seq_moved[me]
}

inline wake_up()
{
	atomic { acquire(); sleepers-- }
}

/* The label, an end state, cannot be an argument of an inline. */
#define FUTEX_WAIT(label, asleep, times_out, pace)			\
label:	if								\
	:: !asleep							\
	:: atomic { asleep && (times_out) ->				\
		asleep = 0;						\
		due_passed = due_passed || (due_set && (pace))		\
	   }								\
	fi

#if defined(REORDER) && !defined(BREAK_RECHECK)
#define LOOKS_AGAIN true
#else
#define LOOKS_AGAIN false
#endif
#ifdef NO_PACE
#define PACE_PASSES false
#else
#define PACE_PASSES true
#endif

/* gp_drive(), with gp_wait() in it */
inline drive(me, cookie, old, ended)
{
	do
	:: gp_seq >= cookie -> break
	:: else ->
		if
		:: phase == IDLE -> start()
		:: else
		fi;
		step(old, ended);
		if
		:: ended
		:: else ->
			wake_seq_moved[me] = 0;
#ifdef BREAK_ANNOUNCE
			announce(SYNC);
#endif
			do
			:: ended -> break
			:: !ended && ANNOUNCED(SYNC) ->
				fall_asleep(me);
				FUTEX_WAIT(end_asleep, in_futex[me],
					   LOOKS_AGAIN, false);
				wake_up();
				if
				:: phase != IDLE -> step(old, ended)
				:: else
				fi;
				break
			:: !ended && !ANNOUNCED(SYNC) ->
				announce(SYNC);
				step(old, ended)
			od
		fi
	od
}

/* queue_callback() of a normal callback */
active [CALLS] proctype call()
{
	byte old;

	atomic { cb_next++; cb_queued++ }
	if
	:: queued == 0 -> kick(old, SOON)
	:: else
	fi
}

/* ... and of one that must not wait; those before it come along. */
active [URGENTS] proctype urgent()
{
	byte old;
	bit first;

#ifdef BREAK_URGENT
	d_step { first = !cb_urgent; cb_urgent = 1 }
#endif
	d_step {
#ifndef BREAK_URGENT
		first = !cb_urgent;
		cb_urgent = 1;
#endif
		cb_next++;
		cb_queued++;
		cb_must_run = cb_queued
	}
	if
	:: first -> kick(old, NOW)
	:: !first && queued == 0 -> kick(old, SOON)
	:: else
	fi
}

/* srcu_expedite_current() */
active [CURRENTS] proctype current()
{
	byte old;
	bit wanted;

	atomic {
		acquire();
		wanted = WANTED || cb_next > 0;
#ifdef BREAK_CURRENT
		wanted = wanted && phase == IDLE;
#endif
		gp_urgent = wanted;
		cb_must_run = cb_queued;
		syncs_must = syncs_asked
	}
	if
	:: wanted && sleepers > 0 -> wake_sleepers()
	:: else
	fi;
	release();
	if
	:: wanted -> kick(old, NOW)
	:: else
	fi
}

/* synchronize_srcu_expedited() */
active [EXPEDITEDS] proctype expedited()
{
	byte cookie, old;
	bit ended;

	atomic {
		acquire();
		cookie = SNAP;
		cb_must_run = cb_queued
	}
#ifdef BREAK_PROMOTE
	NEED(cookie);
	kick(old, NOW);
	do
	:: gp_seq >= cookie -> break
	:: else ->
		wake_seq_moved[EXPEDITED] = 0;
		fall_asleep(EXPEDITED);
		FUTEX_WAIT(end_asleep, in_futex[EXPEDITED], false, false);
		wake_up()
	od;
#else
	drive(EXPEDITED, cookie, old, ended);
#endif
	atomic { release(); expediteds_done++ }
}

/* synchronize_srcu() */
active [SYNCS] proctype normal()
{
	byte cookie, old;
	bit ended;

	atomic { acquire(); cookie = SNAP }
	if
	:: phase == IDLE && !WANTED	/* and idle for long */
	:: true ->
		/* gather_requests() */
		atomic {
			NEED(cookie);
			syncs_asked++;
			due_set = 1
		}
		do
		:: gp_seq >= cookie || due_passed || !due_set || WANTED_NOW ->
			break
		:: else ->
			wake_seq_moved[NORMAL] = 0;
			fall_asleep(NORMAL);
			FUTEX_WAIT(end_gathers, in_futex[NORMAL], PACE_PASSES,
				   true);
			wake_up()
		od
	fi;
	drive(NORMAL, cookie, old, ended);
	atomic { release(); syncs_done++ }
}

/* __bf_srcu_wake() */
inline reader_wakes(b, sleeper)
{
	if
	:: b != bank && inside[1 - bank] == 0 ->
		d_step { sleeper = waiting; waiting = 0 }
		if
		:: sleeper & SYNC -> wake_sleepers()
		:: else
		fi;
		if
		:: sleeper & WORKER -> poke(sleeper, NOW)
		:: else
		fi
	:: else
	fi
}

active [READERS] proctype reader()
{
	byte i, sleeper;
	bit b;

	do
	:: i < SECTIONS ->
		i++;
		b = bank;
		inside[b]++;
#ifdef BREAK_LAST
		sleeper = waiting;
		if
		:: sleeper && (b == bank || inside[b] > 1) -> sleeper = 0
		:: else
		fi;
		inside[b]--;
		if
		:: sleeper -> reader_wakes(b, sleeper)
		:: else
		fi;
#else
		if
		:: inside[b]--;
		   sleeper = waiting
#ifdef REORDER
		:: sleeper = waiting;
		   inside[b]--	/* the fence: before the accesses below */
#endif
		fi;
		if
		:: sleeper -> reader_wakes(b, sleeper)
		:: else
		fi;
#endif
		d_step { sleeper = 0; b = 0 }
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
			release()
		}
		atomic {
			acquire();
			cb_run = cb_run + n;
			n = 0
		}
	:: cb_done == 0 && phase == IDLE && !WANTED ->
		d_step { due_set = 0; due_passed = 0 }
		break
	:: cb_done == 0 && phase == IDLE && WANTED ->
		if
		:: WANTED_NOW || due_passed -> start()
		:: else -> due_set = 1; break
		fi
	:: cb_done == 0 && phase != IDLE ->
		step(old, ended);
		if
		:: ended
		:: !ended && ANNOUNCED(WORKER) -> break
		:: !ended && !ANNOUNCED(WORKER) ->
			announce(WORKER);
#ifdef BREAK_ANNOUNCE
			break
#endif
		fi
	od
}

/* worker_drop(); keeps the domain if a request came in between */
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

/* worker_rest() until it is in the kernel */
inline go_to_rest(how)
{
#ifdef BREAK_ASLEEP
	if
	:: !word_moved -> rest = how; worker_in_futex = (rest == how)
	:: else
	fi
#else
	rest = how;
	if
#ifdef BREAK_WORD
	:: !word_moved -> worker_in_futex = !word_moved
#else
	:: !word_moved -> worker_in_futex = (rest == how)
#endif
	:: else
	fi
#endif
}

#define TIMES_OUT	((length == PACE && PACE_PASSES) || \
			 (length == RECHECK && LOOKS_AGAIN))

active proctype worker()
{
	byte n, length, old;
	bit ended, mine, keep;

	do
	:: true ->
		word_moved = 0;
		d_step { mine = mine || incoming; incoming = 0 }
		length = FOREVER;
		if
		:: mine ->
			acquire();
			worker_steps(old, ended, n);
			keep = phase != IDLE || WANTED;
			if
			:: !keep -> worker_drop(old, keep)
			:: else
			fi;
			atomic {
				length = (!keep -> FOREVER :
					  (phase != IDLE -> RECHECK : PACE));
				mine = keep;
				keep = 0;
				ended = 0;
				release()
			}
		:: else
		fi;
		go_to_rest(ASLEEP);
		FUTEX_WAIT(end_asleep, worker_in_futex, TIMES_OUT,
			   length == PACE);
		rest = AWAKE;
#ifdef WITH_NAPS
		if
		:: word_moved ->
			word_moved = 0;
			go_to_rest(NAPS);
			FUTEX_WAIT(nap, worker_in_futex, true, false);
			rest = AWAKE
		:: true
		fi
#endif
	od
}

/* When all others are done, or sleep for good. */
active proctype judge()
{
end:	timeout;
	assert(expediteds_done == EXPEDITEDS);
#ifdef NO_PACE
	assert(syncs_done >= syncs_must);
	assert(cb_run >= cb_must_run)
#else
	assert(syncs_done == SYNCS);
	assert(cb_run == cb_queued)
#endif
}
