/*
 * pagecache.h: the pages of a simulated inode: locks, write-back, invalidation, truncation. For the kernel's files only.
 * All but pagecache_changed() may block.
 */
#ifndef NETMEM_SIM_PAGECACHE_H
#define NETMEM_SIM_PAGECACHE_H

#include "kernel.h"
#include "node.h"

static inline struct sim *inode_sim(const struct inode *inode)
{
	return inode->node->sim;
}

static inline struct sched *inode_sched(const struct inode *inode)
{
	return &inode->node->sim->sched;
}

static inline unsigned page_index(const struct inode *inode, const struct page *page)
{
	return (unsigned)(page - inode->pages);
}

static inline bool page_locked(const struct page *page)
{
	return page->tickets != page->serving;
}

/* Until anything about the inode changes. */
void pagecache_wait(struct inode *inode, const char *what);
void pagecache_changed(struct inode *inode);
/* For about the kernel's delay. */
void pagecache_pause(struct inode *inode);

void pagecache_lock_inode(struct inode *inode);
void pagecache_unlock_inode(struct inode *inode);
/* First come first served: the kernel hands a contended lock on. */
void pagecache_lock(struct inode *inode, struct page *page, const char *what);
void pagecache_unlock(struct inode *inode, struct page *page);
void pagecache_drop(struct inode *inode, struct page *page, const char *why);

/* filemap_write_and_wait: pages from `first` on. */
void pagecache_flush(struct inode *inode, unsigned first);
/* fuse_set_nowrite() and its end */
void pagecache_hold_writes(struct inode *inode);
void pagecache_release_writes(struct inode *inode);
/* invalidate_inode_pages2_range() */
void pagecache_invalidate(struct inode *inode, unsigned first, unsigned last);
/* truncate_pagecache(). shown: for a size in an answer, not for a SETATTR of this kernel's own. */
void pagecache_truncate(struct inode *inode, uint64_t size, bool shown);

#endif
