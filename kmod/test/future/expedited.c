// SPDX-License-Identifier: GPL-2.0
/* Stands in for a kernel that has call_srcu_expedited(). */
#include <linux/module.h>
#include <linux/srcu.h>

static noinline __used void call_srcu_expedited(struct srcu_struct *ssp,
						struct rcu_head *head,
						rcu_callback_t func)
{
	call_srcu(ssp, head, func);
}

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A function that a later kernel may have");
