/*
 * operate.h: single operations of the programs, chosen at random as the plan says, and judged.
 */
#ifndef NETMEM_SIM_OPERATE_H
#define NETMEM_SIM_OPERATE_H

#include "programs.h"

/* operate.c: any operation. */
void operate(struct thread *thread);
/* echo clear > control: pages that were lost may be used again. */
int operate_clear(struct object *object, struct thread *thread);
/* Judges the error of a call on an object, or on a file of it, and does something about pages that are lost. */
void operate_judge_object(struct thread *thread, struct object *object, int error, const char *what);
void operate_judge(struct thread *thread, struct inode *inode, int error, const char *what);

/* An object under some name, or an error. */
int operate_find(struct thread *thread, struct object **object);

/* operate_size.c: operations near the end of a file, and on what stat(2) gives. */
void operate_truncate(struct thread *thread, struct file *file);
void operate_grow(struct thread *thread, struct file *file);
void operate_tail(struct thread *thread, struct file *file);
void operate_attributes(struct thread *thread, struct file *file);

/* operate.c, for operate_size.c: the accesses themselves, and an open. */
void operate_load(struct thread *thread, struct inode *inode, unsigned page);
void operate_read(struct thread *thread, struct inode *inode, uint64_t from, uint64_t bytes);
void operate_open(struct thread *thread, struct file *file);
/* Judges the error of a call by path on the file under this name, in an object that was found as fixed or not. */
void operate_judge_path(struct thread *thread, struct object *object, unsigned file, int error, const char *what);
static inline unsigned last_page(uint64_t size)
{
	return size ? (unsigned)((size - 1) / PAGE_BYTES) : 0;
}

/* operate_files.c: names of files in an object. Some of them; `memory` where the plan has no others. */
void operate_files(struct thread *thread);
unsigned operate_some_file(struct thread *thread);

/* operate_names.c */
void operate_list_files(struct thread *thread, struct object *object);
void operate_names(struct thread *thread);
void operate_list(struct thread *thread);
uint64_t operate_dir(struct thread *thread);
int operate_name(struct thread *thread, const struct msg *msg, const char *text, uint32_t bytes,
                 struct request **request);

#endif
