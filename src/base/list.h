/*
 * list.h: intrusive, circular, doubly linked lists. A list head and a link are the same struct; an entry embeds the
 * link and list_entry() finds the entry again. Nothing is allocated here.
 */
#ifndef NETMEM_BASE_LIST_H
#define NETMEM_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next;
	struct list *prev;
};

#define list_entry(link, type, member) ((type *)((char *)(link) - offsetof(type, member)))

/* Iterates over the links; the body may remove `link` itself, but no other. */
#define list_for_each_safe(link, after, head)                                                                          \
	for ((link) = (head)->next, (after) = (link)->next; (link) != (head); (link) = (after), (after) = (link)->next)

static inline void list_init(struct list *head)
{
	head->next = head;
	head->prev = head;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

static inline void list_push_back(struct list *head, struct list *link)
{
	link->prev = head->prev;
	link->next = head;
	head->prev->next = link;
	head->prev = link;
}

/* Leaves `link` as an empty list of its own, so that removing twice is harmless. */
static inline void list_remove(struct list *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	list_init(link);
}

/* Puts all of `from` behind what is in `to`, in order; `from` is empty then. */
static inline void list_move_all(struct list *from, struct list *to)
{
	while (!list_empty(from)) {
		struct list *link = from->next;

		list_remove(link);
		list_push_back(to, link);
	}
}

#endif
