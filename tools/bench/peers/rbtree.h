/* SPDX-License-Identifier: MIT */
/*
 * A red-black tree whose nodes are embedded, for buses that are built on one.
 * Its user descends by itself, and may keep in each node something about the
 * subtree below it.
 */
#ifndef BF_BENCH_RBTREE_H
#define BF_BENCH_RBTREE_H

#include <stdbool.h>

struct rb_node {
	struct rb_node *parent;
	struct rb_node *child[2]; /* lower, higher */
	bool red;
};

struct rb_tree {
	struct rb_node *root;
	/* Computes again what a node keeps of its children; may be NULL. */
	void (*update)(struct rb_node *node);
};

/* Puts the node where a descent ended: below parent, which has room there. */
void rb_insert(struct rb_tree *tree, struct rb_node *node,
	       struct rb_node *parent, bool higher);
void rb_erase(struct rb_tree *tree, struct rb_node *node);

#endif
