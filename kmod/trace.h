/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM belfry

#if !defined(BELFRY_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define BELFRY_TRACE_H

#include <linux/srcu.h>
#include <linux/tracepoint.h>

#define BELFRY_TRACE_MARK      0
#define BELFRY_TRACE_PROMOTE   1
#define BELFRY_TRACE_CALLBACKS 2

/* clang-format off */

/*
 * One intervention. spared_us is the time that was left of the timer that
 * the module cut short: 0 for a mark, which acts before a timer starts.
 */
TRACE_EVENT(belfry_expedite,
	TP_PROTO(const struct srcu_struct *ssp, int action,
		 unsigned int spared_us),
	TP_ARGS(ssp, action, spared_us),
	TP_STRUCT__entry(
		__field(const void *,	domain)
		__field(int,		action)
		__field(unsigned long,	gp_seq)
		__field(unsigned long,	needed)
		__field(unsigned long,	needed_exp)
		__field(unsigned int,	spared_us)
	),
	TP_fast_assign(
		const struct srcu_usage *sup = ssp->srcu_sup;

		__entry->domain = ssp;
		__entry->action = action;
		__entry->gp_seq = READ_ONCE(sup->srcu_gp_seq);
		__entry->needed = READ_ONCE(sup->srcu_gp_seq_needed);
		__entry->needed_exp = READ_ONCE(sup->srcu_gp_seq_needed_exp);
		__entry->spared_us = spared_us;
	),
	TP_printk("domain=%p action=%s gp_seq=%lu needed=%lu needed_exp=%lu spared_us=%u",
		  __entry->domain,
		  __print_symbolic(__entry->action,
				   { BELFRY_TRACE_MARK, "mark" },
				   { BELFRY_TRACE_PROMOTE, "promote" },
				   { BELFRY_TRACE_CALLBACKS, "callbacks" }),
		  __entry->gp_seq, __entry->needed, __entry->needed_exp,
		  __entry->spared_us)
);

/* clang-format on */

#endif /* BELFRY_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
