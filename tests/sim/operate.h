/*
 * operate.h: single operations of the programs, chosen at random as the plan says, and judged.
 */
#ifndef NETMEM_SIM_OPERATE_H
#define NETMEM_SIM_OPERATE_H

#include "programs.h"

/* operate.c: any operation. */
void operate(struct thread *thread);
/* echo clear > control: pages that were lost may be used again. */
int operate_clear(struct inode *inode, struct thread *thread);
/* Judges the error of a call on an object, and does something about pages that are lost. */
void operate_judge(struct thread *thread, struct inode *inode, int error, const char *what);

/* An object under some name, or an error. */
int operate_find(struct thread *thread, struct inode **inode);

/* operate_size.c: operations near the end of a file, and on what stat(2) gives. */
void operate_truncate(struct thread *thread, struct file *file);
void operate_grow(struct thread *thread, struct file *file);
void operate_tail(struct thread *thread, struct file *file);
void operate_attributes(struct thread *thread, struct file *file);

/* operate.c, for operate_size.c: the accesses themselves, and an open. */
void operate_load(struct thread *thread, struct inode *inode, unsigned page);
void operate_read(struct thread *thread, struct inode *inode, uint64_t from, uint64_t bytes);
void operate_open(struct thread *thread, struct file *file);
static inline unsigned last_page(uint64_t size)
{
	return size ? (unsigned)((size - 1) / PAGE_BYTES) : 0;
}

/* operate_names.c */
void operate_names(struct thread *thread);
void operate_list(struct thread *thread);
enum name_dir operate_dir(struct thread *thread);
int operate_name(struct thread *thread, const struct msg *msg, const char *text, uint32_t bytes, uint64_t *obj);

#endif
