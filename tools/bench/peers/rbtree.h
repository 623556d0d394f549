/* SPDX-License-Identifier: MIT */
/*
 * A red-black tree with embedded nodes.  The user descends the tree itself, and
 * may keep a value in each node that summarises the subtree.
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
	/* Recompute the value of a node from its children; may be NULL. */
	void (*update)(struct rb_node *node);
};

/* Insert the node below parent, at a side without a child. */
void rb_insert(struct rb_tree *tree, struct rb_node *node,
	       struct rb_node *parent, bool higher);
void rb_erase(struct rb_tree *tree, struct rb_node *node);

#endif
