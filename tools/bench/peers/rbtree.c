// SPDX-License-Identifier: MIT
/*
 * Red-black trees: Guibas and Sedgewick, "A dichromatic framework for balanced
 * trees", 1978.  No red node has a red child, and all paths from the root to a
 * leaf have the same number of black nodes.
 */
#include "rbtree.h"

#include <stddef.h>

static bool is_red(const struct rb_node *node)
{
	return node && node->red;
}

static void update_up(struct rb_tree *tree, struct rb_node *node)
{
	for (; tree->update && node; node = node->parent)
		tree->update(node);
}

/* Make the parent of node, or the root, point to heir. */
static void replace(struct rb_tree *tree, const struct rb_node *node,
		    struct rb_node *heir)
{
	struct rb_node *parent = node->parent;

	if (!parent)
		tree->root = heir;
	else
		parent->child[parent->child[1] == node] = heir;
	if (heir)
		heir->parent = parent;
}

/* Move node down to side; its other child takes its place. */
static void rotate(struct rb_tree *tree, struct rb_node *node, bool side)
{
	struct rb_node *riser = node->child[!side];

	replace(tree, node, riser);
	node->child[!side] = riser->child[side];
	if (riser->child[side])
		riser->child[side]->parent = node;
	riser->child[side] = node;
	node->parent = riser;
	if (tree->update) {
		tree->update(node);
		tree->update(riser);
	}
}

/* The node is red, and its parent may be red. */
static void balance_insert(struct rb_tree *tree, struct rb_node *node)
{
	struct rb_node *parent, *grand, *uncle;
	bool side;

	while ((parent = node->parent) && parent->red) {
		grand = parent->parent; /* not NULL: the root is black */
		side = parent == grand->child[1];
		uncle = grand->child[!side];
		grand->red = true;
		if (is_red(uncle)) {
			parent->red = uncle->red = false;
			node = grand;
			continue;
		}
		if (node == parent->child[!side]) {
			rotate(tree, parent, side);
			parent = node;
		}
		parent->red = false;
		rotate(tree, grand, !side);
		break;
	}
	tree->root->red = false;
}

void rb_insert(struct rb_tree *tree, struct rb_node *node,
	       struct rb_node *parent, bool higher)
{
	*node = (struct rb_node){.parent = parent, .red = true};
	if (parent)
		parent->child[higher] = node;
	else
		tree->root = node;
	update_up(tree, node);
	balance_insert(tree, node);
}

/* Swap a node that has two children with its successor, and the colours. */
static void swap_with_next(struct rb_tree *tree, struct rb_node *node)
{
	struct rb_node *next = node->child[1], old;

	while (next->child[0])
		next = next->child[0];
	old = *next;
	replace(tree, node, next);
	*next = *node;
	next->child[0]->parent = next;
	if (old.parent == node) {
		next->child[1] = node;
		node->parent = next;
	} else {
		next->child[1]->parent = next;
		old.parent->child[0] = node;
		node->parent = old.parent;
	}
	node->child[0] = NULL;
	node->child[1] = old.child[1];
	node->red = old.red;
	if (node->child[1])
		node->child[1]->parent = node;
}

/* A sibling with a red child takes the place of the parent. */
static void borrow(struct rb_tree *tree, struct rb_node *parent, bool side)
{
	struct rb_node *sibling = parent->child[!side];

	if (!is_red(sibling->child[!side])) {
		sibling->child[side]->red = false;
		sibling->red = true;
		rotate(tree, sibling, !side);
		sibling = parent->child[!side];
	}
	sibling->red = parent->red;
	parent->red = false;
	sibling->child[!side]->red = false;
	rotate(tree, parent, side);
}

/* Paths through node, which may be NULL, lack one black node. */
static void balance_erase(struct rb_tree *tree, struct rb_node *node,
			  struct rb_node *parent)
{
	struct rb_node *sibling;
	bool side;

	for (; parent && !is_red(node); parent = node->parent) {
		side = parent->child[1] == node;
		sibling = parent->child[!side]; /* not NULL: has black nodes */
		if (sibling->red) {
			sibling->red = false;
			parent->red = true;
			rotate(tree, parent, side);
			sibling = parent->child[!side];
		}
		if (is_red(sibling->child[0]) || is_red(sibling->child[1])) {
			borrow(tree, parent, side);
			return;
		}
		sibling->red = true;
		node = parent;
	}
	if (node)
		node->red = false;
}

void rb_erase(struct rb_tree *tree, struct rb_node *node)
{
	struct rb_node *child, *parent;

	if (node->child[0] && node->child[1])
		swap_with_next(tree, node);
	child = node->child[node->child[1] != NULL];
	parent = node->parent;
	replace(tree, node, child);
	update_up(tree, parent);
	if (!node->red)
		balance_erase(tree, child, parent);
}
