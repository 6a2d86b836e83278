/* tree.c: the windows of a key, as a treap: a search tree by end and start that is a heap by a hash
 * of them, which keeps it shallow whatever order windows come in. Most keys have one window. */
#include "runner/engine/general.h"
#include "runner/engine/hash.h"

static inline bool before(beamc_window a, beamc_window b) {
    return a.end != b.end ? a.end < b.end : a.start < b.start;
}

static inline uint64_t weight(const beamc_gwin *w) {
    return beamc_hash_fold((uint64_t)w->window.end ^ 0x9e3779b97f4a7c15u,
                           (uint64_t)w->window.start ^ 0xd6e8feb86659fd93u);
}

/* Cuts the tree in two: what is before @p at, and the rest. */
static void split(beamc_gwin *tree, beamc_window at, beamc_gwin **less, beamc_gwin **rest) {
    while (tree != NULL) {
        if (before(tree->window, at)) {
            *less = tree;
            less = &tree->right;
            tree = tree->right;
        } else {
            *rest = tree;
            rest = &tree->left;
            tree = tree->left;
        }
    }
    *less = *rest = NULL;
}

void beamc__gkey_link(beamc_gkey *k, beamc_gwin *w) {
    w->left = w->right = NULL;
    beamc_gwin **at = &k->root;
    uint64_t mine = k->root == NULL ? 0 : weight(w);
    while (*at != NULL && weight(*at) >= mine) {
        at = before((*at)->window, w->window) ? &(*at)->right : &(*at)->left;
    }
    split(*at, w->window, &w->left, &w->right);
    *at = w;
}

void beamc__gkey_unlink(beamc_gkey *k, beamc_gwin *w) {
    beamc_gwin **at = &k->root;
    while (*at != w) {
        at = before((*at)->window, w->window) ? &(*at)->right : &(*at)->left;
    }
    beamc_gwin *left = w->left, *right = w->right;
    while (left != NULL && right != NULL) {
        if (weight(left) >= weight(right)) {
            *at = left;
            at = &left->right;
            left = left->right;
        } else {
            *at = right;
            at = &right->left;
            right = right->left;
        }
    }
    *at = left != NULL ? left : right;
    w->left = w->right = NULL;
}

beamc_gwin *beamc__gkey_window(const beamc_gkey *k, beamc_window window) {
    beamc_gwin *w = k->root;
    while (w != NULL && (w->window.end != window.end || w->window.start != window.start)) {
        w = before(w->window, window) ? w->right : w->left;
    }
    return w;
}

beamc_gwin *beamc__gkey_behind(const beamc_gkey *k, beamc_window window) {
    beamc_gwin *found = NULL;
    for (beamc_gwin *w = k->root; w != NULL;) {
        if (before(window, w->window)) {
            found = w;
            w = w->left;
        } else {
            w = w->right;
        }
    }
    return found;
}
