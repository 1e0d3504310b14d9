#include "fuse/inode.h"

#include <string.h>

#include "base/check.h"

#define STAT_BLOCK_BYTES 512
#define NS_PER_SECOND INT64_C(1000000000)

/*
 * What a text file says its size is, as in sysfs: it is made when it is opened. From Linux 6.5 on splice() and sendfile()
 * ask for nothing past the size. It is one block, and small enough, that tail and wc do not take it for the length.
 */
#define TEXT_SIZE_BYTES (8u << 10)

static const char *const kind_names[KINDS] = {
	[KIND_CONTROL] = "control",
	[KIND_STATUS] = "status",
	[KIND_SIGNAL] = "signal",
};

static const char *const meta_names[INODE_FIXED_END] = {
	[INODE_NODES] = "nodes",     [INODE_STATUS] = "status",   [INODE_METRICS] = "metrics",
	[INODE_VERSION] = "version", [INODE_UNNAMED] = "unnamed",
};

bool inode_is_object(uint64_t ino)
{
	return object_home(inode_object(ino)) != 0 && (unsigned)inode_kind(ino) < KINDS;
}

int inode_kind_of_name(const char *name)
{
	for (int kind = 0; kind < KINDS; kind++) {
		if (kind_names[kind] && !strcmp(name, kind_names[kind]))
			return kind;
	}
	return -1;
}

uint64_t inode_meta_of_name(const char *name)
{
	for (uint64_t ino = 0; ino < INODE_FIXED_END; ino++) {
		if (meta_names[ino] && !strcmp(name, meta_names[ino]))
			return ino;
	}
	return strcmp(name, ".self") ? 0 : INODE_SELF;
}

const char *inode_meta_name(uint64_t ino)
{
	return ino < INODE_FIXED_END ? meta_names[ino] : NULL;
}

static void fill_text(struct stat *st, mode_t mode)
{
	st->st_mode = S_IFREG | mode;
	st->st_size = TEXT_SIZE_BYTES;
	st->st_blksize = TEXT_SIZE_BYTES;
}

static struct timespec time_of(uint64_t ns)
{
	int64_t seconds = (int64_t)ns / NS_PER_SECOND;
	int64_t rest = (int64_t)ns % NS_PER_SECOND;

	if (rest < 0) {
		seconds--;
		rest += NS_PER_SECOND;
	}
	return (struct timespec){ .tv_sec = seconds, .tv_nsec = rest };
}

/* Who may read the object, or write it, as execute bits. */
static mode_t user_bits(uint32_t mode)
{
	return ((mode & 0444) >> 2) | ((mode & 0222) >> 1);
}

/* The home of an owned object says in `mode` what a node may do with its memory. Its owner gets to the rest anyhow. */
static mode_t dir_mode(uint32_t mode)
{
	mode_t shown = (mode & 07777) | user_bits(mode);

	return S_IFDIR | (mode & OBJECT_OWNED ? (shown | 0500) & ~(mode_t)0022 : shown);
}

static mode_t control_mode(uint32_t mode)
{
	return S_IFREG | (mode & OBJECT_OWNED ? 0200 : mode & 0222);
}

/* To wait for a signal and to send one are one right. */
static mode_t signal_mode(uint32_t mode)
{
	return S_IFREG | (user_bits(mode) * 6) | (mode & OBJECT_OWNED ? 0600 : 0);
}

void inode_fill(uint64_t ino, const struct object_attr *attr, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = ino;
	st->st_nlink = attr->mode & OBJECT_REMAINS ? 0 : 1;
	st->st_uid = attr->uid;
	st->st_gid = attr->gid;
	st->st_blksize = PAGE_BYTES;
	st->st_atim = time_of(attr->atime_ns);
	st->st_mtim = time_of(attr->mtime_ns);
	st->st_ctim = time_of(attr->ctime_ns);
	switch (inode_kind(ino)) {
	case KIND_DIR:
		st->st_mode = dir_mode(attr->mode);
		st->st_nlink *= 2;
		break;
	case KIND_FILE:
		st->st_mode = S_IFREG | (attr->mode & 07777);
		st->st_size = (off_t)attr->size_bytes;
		st->st_blocks = (blkcnt_t)(attr->used_bytes / STAT_BLOCK_BYTES);
		break;
	case KIND_CONTROL:
		st->st_mode = control_mode(attr->mode);
		break;
	case KIND_STATUS:
		fill_text(st, user_bits(attr->mode) * 4);
		break;
	case KIND_SIGNAL:
		st->st_mode = signal_mode(attr->mode);
		break;
	case KINDS:
		CHECK(!"an inode's kind");
	}
}

void inode_fill_fixed(uint64_t ino, const struct inode_mount *mount, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = ino;
	st->st_uid = mount->uid;
	st->st_gid = mount->gid;
	st->st_blksize = PAGE_BYTES;
	st->st_atim = st->st_mtim = st->st_ctim = mount->time;
	st->st_nlink = 2;
	switch (ino) {
	case INODE_ROOT:
	case INODE_UNNAMED:
		st->st_mode = S_IFDIR | S_ISVTX | 0777; /* as /dev/shm: all may create, and remove what is theirs */
		break;
	case INODE_META:
		st->st_mode = S_IFDIR | 0555;
		break;
	case INODE_SELF:
		st->st_mode = S_IFDIR | 0500;
		break;
	default:
		fill_text(st, 0444);
		st->st_nlink = 1;
		break;
	}
}
