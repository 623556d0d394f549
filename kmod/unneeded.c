// SPDX-License-Identifier: GPL-2.0
/* The module for kernels before 6.18: nothing stalls behind a registration. */
#include <linux/module.h>

static int __init belfry_init(void)
{
	pr_info("belfry: not needed: KVM's registrations wait in this kernel\n");
	return 0;
}

static void __exit belfry_exit(void)
{
}

module_init(belfry_init);
module_exit(belfry_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The belfry authors");
MODULE_DESCRIPTION("Ends the stall behind device registrations of KVM");
MODULE_VERSION("0.2");
