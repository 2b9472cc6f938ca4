/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list of what is refused. Everything else is allowed: the name spaces, no_new_privs and the empty capability sets
 * are the walls, this keeps attack surface and the few calls that reach past them (AF_VSOCK knows no network name
 * space, key rings belong to the host's uid, same-uid code may change limits of the guest) away from sandboxed code.
 */
#include "providers/process/filter.h"

#include <errno.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOW32 0xffffffffull /* the kernel reads only these bits of an int argument */

/* Refused with EPERM, whatever the arguments. Names, as some are unknown on some architectures. */
static const char *const refused[] = {
	/* new views of the file system and the name spaces */
	"unshare",
	"setns",
	"mount",
	"umount",
	"umount2",
	"pivot_root",
	"chroot",
	"fsopen",
	"fsconfig",
	"fsmount",
	"fspick",
	"open_tree",
	"move_mount",
	"mount_setattr",
	"name_to_handle_at",
	"open_by_handle_at",
	"swapon",
	"swapoff",
	"quotactl",
	"quotactl_fd",
	"fanotify_init",
	"acct",
	/* other processes' insides */
	"ptrace",
	"process_vm_readv",
	"process_vm_writev",
	"process_madvise",
	"kcmp",
	"pidfd_getfd",
	"move_pages",
	"migrate_pages",
	/* large, young or privileged parts of the kernel */
	"bpf",
	"perf_event_open",
	"io_uring_setup",
	"io_uring_enter",
	"io_uring_register",
	"userfaultfd",
	"add_key",
	"request_key",
	"keyctl",
	"init_module",
	"finit_module",
	"delete_module",
	"kexec_load",
	"kexec_file_load",
	"reboot",
	"syslog",
	"iopl",
	"ioperm",
	"modify_ldt",
	"sethostname",
	"setdomainname",
	"settimeofday",
	"clock_settime",
	"clock_settime64",
	"adjtimex",
	"clock_adjtime",
	"clock_adjtime64",
	"lookup_dcookie",
	"vhangup",
	"uselib",
	"ustat",
	"sysfs",
	"mbind",
	"set_mempolicy",
	"set_mempolicy_home_node",
	"vmsplice",
	"memfd_secret",
	"nfsservctl",
	"_sysctl",
};

/* Pretended not to exist, so that callers fall back: clone3's flags cannot be seen by a filter, and memory behind these
 * objects belongs to no process and no tmpfs, so a watchdog would never see it. */
static const char *const absent[] = {"clone3", "memfd_create", "shmget", "msgget", "semget"};

static int refuse(scmp_filter_ctx ctx, const char *name, int error)
{
	int nr = seccomp_syscall_resolve_name(name);

	if (nr == __NR_SCMP_ERROR || nr < 0) /* not on this architecture */
		return 0;
	return seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO((uint32_t)error), nr, 0, NULL);
}

static struct scmp_arg_cmp when(unsigned argument, enum scmp_compare how, uint64_t a, uint64_t b)
{
	return (struct scmp_arg_cmp){.arg = argument, .op = how, .datum_a = a, .datum_b = b};
}

static int refuse_if(scmp_filter_ctx ctx, int nr, int error, struct scmp_arg_cmp condition)
{
	return nr < 0 ? 0 : seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO((uint32_t)error), nr, 1, &condition);
}

static int add_names(scmp_filter_ctx ctx)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(refused) / sizeof(refused[0]); i++)
		r = refuse(ctx, refused[i], EPERM);
	for (size_t i = 0; r == 0 && i < sizeof(absent) / sizeof(absent[0]); i++)
		r = refuse(ctx, absent[i], ENOSYS);
	return r;
}

/* Same-uid code could end, starve or deafen the guest through these: only on oneself (0). */
static int add_on_others(scmp_filter_ctx ctx)
{
	static const int by_pid[] = {SCMP_SYS(prlimit64), SCMP_SYS(sched_setaffinity), SCMP_SYS(sched_setscheduler),
				     SCMP_SYS(sched_setparam), SCMP_SYS(sched_setattr)};
	static const int by_class[] = {SCMP_SYS(setpriority), SCMP_SYS(ioprio_set)};
	static const unsigned process_class[] = {0 /* PRIO_PROCESS */, 1 /* IOPRIO_WHO_PROCESS */};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(by_pid) / sizeof(by_pid[0]); i++)
		r = refuse_if(ctx, by_pid[i], EPERM, when(0, SCMP_CMP_NE, 0, 0));
	for (size_t i = 0; r == 0 && i < sizeof(by_class) / sizeof(by_class[0]); i++) {
		r = refuse_if(ctx, by_class[i], EPERM, when(0, SCMP_CMP_NE, process_class[i], 0));
		if (r == 0)
			r = refuse_if(ctx, by_class[i], EPERM, when(1, SCMP_CMP_NE, 0, 0));
	}
	return r;
}

static int add_sockets(scmp_filter_ctx ctx)
{
	static const unsigned allowed[] = {AF_UNIX, AF_INET, AF_INET6};
	int r = 0;

	for (unsigned family = 0; r == 0 && family <= AF_INET6; family++) {
		int ok = 0;

		for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
			ok |= family == allowed[i];
		if (!ok)
			r = refuse_if(ctx, SCMP_SYS(socket), EAFNOSUPPORT, when(0, SCMP_CMP_EQ, family, 0));
	}
	if (r == 0)
		r = refuse_if(ctx, SCMP_SYS(socket), EAFNOSUPPORT, when(0, SCMP_CMP_GT, AF_INET6, 0));
	if (r == 0)
		r = refuse_if(ctx, SCMP_SYS(socketpair), EAFNOSUPPORT, when(0, SCMP_CMP_NE, AF_UNIX, 0));
	return r;
}

static int add_clone(scmp_filter_ctx ctx)
{
	static const uint64_t flags[] = {CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
					 CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(flags) / sizeof(flags[0]); i++)
		r = refuse_if(ctx, SCMP_SYS(clone), EPERM, when(0, SCMP_CMP_MASKED_EQ, flags[i], flags[i]));
	return r;
}

static int add_arguments(scmp_filter_ctx ctx)
{
	static const unsigned devices[] = {S_IFCHR, S_IFBLK};
	int r;

	/* Typing into a terminal that somebody else reads. */
	r = refuse_if(ctx, SCMP_SYS(ioctl), EPERM, when(1, SCMP_CMP_MASKED_EQ, LOW32, 0x5412 /* TIOCSTI */));
	if (r == 0)
		r = refuse_if(ctx, SCMP_SYS(ioctl), EPERM, when(1, SCMP_CMP_MASKED_EQ, LOW32, 0x541c /* TIOCLINUX */));
	/* 0xffffffff only asks, 0 changes nothing. Any other value has a 1 with a 0 as its next bit (round the corner).
	 */
	for (unsigned i = 0; r == 0 && i < 32; i++) {
		uint64_t bit = 1ull << i, next = 1ull << (i + 1) % 32;

		r = refuse_if(ctx, SCMP_SYS(personality), EPERM, when(0, SCMP_CMP_MASKED_EQ, bit | next, bit));
	}
	for (size_t i = 0; r == 0 && i < 2; i++) {
		r = refuse_if(ctx, SCMP_SYS(mknod), EPERM, when(1, SCMP_CMP_MASKED_EQ, S_IFMT, devices[i]));
		if (r == 0)
			r = refuse_if(ctx, SCMP_SYS(mknodat), EPERM, when(2, SCMP_CMP_MASKED_EQ, S_IFMT, devices[i]));
	}
	return r;
}

static int export_program(scmp_filter_ctx ctx, void **ret, size_t *ret_len)
{
	int fd = memfd_create("seccomp", MFD_CLOEXEC), r;
	struct stat st;
	void *program;

	if (fd < 0)
		return -errno;
	r = seccomp_export_bpf(ctx, fd);
	if (r == 0 && fstat(fd, &st) < 0)
		r = -errno;
	program = r == 0 ? malloc((size_t)st.st_size) : NULL;
	if (r == 0 && (!program || pread(fd, program, (size_t)st.st_size, 0) != st.st_size)) {
		free(program);
		r = -EIO;
	}
	close(fd);
	if (r)
		return r;
	*ret = program;
	*ret_len = (size_t)st.st_size;
	return 0;
}

int process_seccomp_make(void **ret, size_t *ret_len)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int r;

	if (!ctx)
		return -ENOMEM;
	/* int 0x80, x32: a call whose number means something else here is no mistake. */
	r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r == 0)
		r = add_names(ctx);
	if (r == 0)
		r = add_on_others(ctx);
	if (r == 0)
		r = add_sockets(ctx);
	if (r == 0)
		r = add_clone(ctx);
	if (r == 0)
		r = add_arguments(ctx);
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a binary tree: about the same cost for every call */
	if (r == 0)
		r = export_program(ctx, ret, ret_len);
	seccomp_release(ctx);
	return r;
}
