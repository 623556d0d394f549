/* SPDX-License-Identifier: MIT */
/*
 * Who drives a grace period, who sleeps and who wakes whom: wait.c, worker.c,
 * worker_thread.c and callback.c of src/srcu/, for one domain.  Of a bank there
 * is only the number of open sections; gp.c itself is explored by srcu_explore.
 *
 * Checked: when nobody can do anything any more, every request has been
 * answered and every callback has run; no endless loop on the way (-DNP).
 *
 * How many there are of each: READERS (each with SECTIONS), SYNCS
 * (synchronize_srcu()), EXPEDITEDS (synchronize_srcu_expedited()), CALLS
 * (call_srcu()), URGENTS (call_srcu_expedited()) and CURRENTS
 * (srcu_expedite_current()).
 *
 * -DNO_PACE	 the pace never passes: expedited requests and callbacks, what
 *		 was queued before them, and what was asked for before
 *		 srcu_expedite_current() must be served all the same
 * -DREORDER	 a reader's exit may become visible after its look at waiting
 *		 (its store buffer); sleepers look again after a while
 *
 * Must be found wrong:
 * -DBREAK_RECHECK	REORDER, and sleepers rely on being woken
 * -DBREAK_ANNOUNCE	who goes to sleep does not look again after saying so
 * -DBREAK_LAST		a reader asks whether it was the last of its bank
 *			before its exit is visible
 * -DBREAK_END		who ends a grace period tells the sleepers, not the
 *			worker
 * -DBREAK_DROP		the worker lets go of a domain without a second look
 * -DBREAK_ASLEEP	the worker looks at the word before it is at rest
 * -DBREAK_WORD		the worker sleeps on the word, not on rest
 * -DBREAK_PROMOTE	NO_PACE, and an expedited request leaves the grace
 *			period to the worker, as a normal one does
 * -DBREAK_URGENT	NO_PACE, and urgency is a word of its own, said before
 *			the callback is there and cleared by a grace period
 *			that begins
 * -DBREAK_CURRENT	NO_PACE, and srcu_expedite_current() tells the worker
 *			only if a grace period could begin at once
 */
#ifdef BREAK_RECHECK
#define REORDER
#endif
#if defined(BREAK_PROMOTE) || defined(BREAK_URGENT) || defined(BREAK_CURRENT)
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

#define FOREVER	   0		/* how long the worker sleeps */
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
 * A futex word that counts up: all that its sleepers ask is whether it moved
 * since they read it.  One bit for each who asks.
 */
bit wake_seq_moved[2], word_moved;

/* The worker. */
byte rest;

/* Who sleeps in the kernel. */
bit in_futex[2];
bit worker_in_futex;
#define EXPEDITED 0
#define NORMAL	  1

/* What was asked for and what came of it. */
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

/* srcu_worker_poke() */
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
#define WANTED	    (cb_next > 0 || gp_needed > gp_seq)
#define WANTED_NOW  (gp_urgent || cb_urgent)
#define NEED(c)	    gp_needed = (c > gp_needed -> c : gp_needed)

/* srcu_gp_begin(): one exchange takes the callbacks and what they want */
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
		cb_wait = cb_wait + cb_next;
		cb_next = 0;
#ifndef BREAK_URGENT
		cb_urgent = 0
#endif
	}
}

/* srcu_gp_advance(): each bank is looked at on its own */
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

/* srcu_gp_step() */
inline step(old, ended)
{
	advance(ended);
	if
	:: ended ->
		d_step {
			phase = IDLE;
			announced = 0;
			gp_seq++;
			cb_done = cb_done + cb_wait;
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

/* srcu_gp_announce_sleep() returns false */
#define ANNOUNCED(who) (announced && (waiting & who))

inline announce(who)
{
	d_step {
		announced = 1;
		blocked = 1;
		waiting = waiting | who
	}
}

/* srcu_sleep(): drops the lock, FUTEX_WAIT() in between, takes it again */
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

/* srcu_gp_drive(), with srcu_gp_wait() in it */
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
		wanted = WANTED;
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
	:: phase == IDLE && !WANTED	/* and has been for long */
	:: true ->
		/* srcu_gather() */
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

/* __srcu_wake() */
inline reader_wakes(b, who)
{
	if
	:: b != bank && inside[1 - bank] == 0 ->
		d_step { who = waiting; waiting = 0 }
		if
		:: who & SYNC -> wake_sleepers()
		:: else
		fi;
		if
		:: who & WORKER -> poke(who, NOW)
		:: else
		fi
	:: else
	fi
}

active [READERS] proctype reader()
{
	byte i, who;
	bit b;

	do
	:: i < SECTIONS ->
		i++;
		b = bank;
		inside[b]++;
#ifdef BREAK_LAST
		who = waiting;
		if
		:: who && (b == bank || inside[b] > 1) -> who = 0
		:: else
		fi;
		inside[b]--;
		if
		:: who -> reader_wakes(b, who)
		:: else
		fi;
#else
		if
		:: inside[b]--;
		   who = waiting
#ifdef REORDER
		:: who = waiting;
		   inside[b]--	/* before what follows: the fence */
#endif
		fi;
		if
		:: who -> reader_wakes(b, who)
		:: else
		fi;
#endif
		d_step { who = 0; b = 0 }
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
