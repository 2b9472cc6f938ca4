/* SPDX-License-Identifier: Apache-2.0 */
/* System calls that sandboxed code has no business with. Sockets are made, never connected. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <linux/userfaultfd.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Who is privileged enough gets past the permission check to another error: that is open too. */
static bool got_past(long r)
{
	return r >= 0 || (errno != EPERM && errno != EACCES && errno != ENOSYS);
}

static bool unshare_user(void)
{
	return unshare(CLONE_NEWUSER) == 0;
}

static bool clone_user(void)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return pid > 0;
}

static bool clone3_user(void)
{
	struct clone_args args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0)
		_exit(0);
	return pid > 0;
}

static bool unshare_net(void)
{
	return unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWNS) == 0;
}

static bool ptrace_child(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0)
			_exit(errno);
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(pid, &status, WUNTRACED);
	if (WIFSTOPPED(status)) {
		kill(pid, SIGKILL);
		return true;
	}
	errno = WEXITSTATUS(status);
	return false;
}

static bool vm_readv(void)
{
	char from[8] = "secret", to[8];
	struct iovec local = {to, 8}, remote = {from, 8};

	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 8;
}

static bool io_uring(void)
{
	struct io_uring_params params = {0};

	return syscall(SYS_io_uring_setup, 4, &params) >= 0;
}

static bool userfault(void)
{
	return syscall(SYS_userfaultfd, O_CLOEXEC | 1 /* UFFD_USER_MODE_ONLY */) >= 0;
}

static bool key_add(void)
{
	return syscall(SYS_add_key, "user", "hawser-probe", "x", 1, KEY_SPEC_PROCESS_KEYRING) >= 0;
}

static bool key_ring(void)
{
	return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1) >= 0;
}

static bool personality_set(void)
{
	return personality(ADDR_NO_RANDOMIZE) >= 0;
}

static bool i386_call(void)
{
#ifdef __x86_64__
	long pid;

	__asm__ volatile("int $0x80" : "=a"(pid) : "a"(20L /* getpid there */) : "memory");
	return pid == getpid();
#else
	errno = ENOSYS;
	return false;
#endif
}

static bool x32_call(void)
{
#ifdef __x86_64__
	return syscall(0x40000000 | SYS_getpid) == getpid();
#else
	errno = ENOSYS;
	return false;
#endif
}

static bool has_family(int family, int type)
{
	return socket(family, type, 0) >= 0;
}
static bool socket_netlink(void)
{
	return has_family(AF_NETLINK, SOCK_RAW);
}
static bool socket_vsock(void)
{
	return has_family(AF_VSOCK, SOCK_STREAM);
}
static bool socket_alg(void)
{
	return has_family(AF_ALG, SOCK_SEQPACKET);
}
static bool socket_packet(void)
{
	return has_family(AF_PACKET, SOCK_RAW);
}
/* The upper half of the argument is not the kernel's business, nor may it fool a filter. */
static bool socket_vsock_wide(void)
{
	return syscall(SYS_socket, AF_VSOCK | (1ull << 32), SOCK_STREAM, 0) >= 0;
}

static bool mount_tmpfs(void)
{
	const char *dir = probe_word("dir");
	bool open = dir && mount("none", dir, "tmpfs", 0, NULL) == 0;

	if (open)
		umount2(dir, MNT_DETACH);
	return open;
}
static bool fs_open(void)
{
	return syscall(SYS_fsopen, "tmpfs", 0) >= 0;
}
static bool open_tree_clone(void)
{
	return syscall(SYS_open_tree, AT_FDCWD, "/usr", 1 /* OPEN_TREE_CLONE */) >= 0;
}
static bool pivot(void)
{
	return got_past(syscall(SYS_pivot_root, "/", "/"));
}
static bool change_root(void)
{
	return chroot("/") == 0;
}
static bool set_ns(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY);

	return fd >= 0 && setns(fd, CLONE_NEWNET) == 0;
}
static bool make_device(void)
{
	char path[4096];
	const char *dir = probe_word("dir");
	bool open;

	snprintf(path, sizeof(path), "%s/device", dir ? dir : "/tmp");
	open = mknod(path, S_IFCHR | 0600, makedev(1, 3)) == 0;
	if (open)
		unlink(path);
	return open;
}
static bool bpf_map(void)
{
	union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

	return syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)) >= 0;
}
static bool perf_open(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE, .size = sizeof(attr), .config = PERF_COUNT_SW_CPU_CLOCK};

	return syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0) >= 0;
}
static bool module_load(void)
{
	return got_past(syscall(SYS_init_module, "", 0ul, ""));
}
static bool kexec(void)
{
	return got_past(syscall(SYS_kexec_load, 0ul, 1ul << 20, NULL, 0ul));
}
static bool reboot_call(void)
{
	return got_past(syscall(SYS_reboot, 0, 0, 0, NULL)); /* wrong magic: it can do nothing */
}
static bool kernel_log(void)
{
	return got_past(syscall(SYS_syslog, 10 /* size of the buffer */, NULL, 0));
}
static bool file_handle(void)
{
	union {
		struct file_handle head;
		char room[sizeof(struct file_handle) + 128];
	} handle = {.head.handle_bytes = 128};
	int id, dir = open("/", O_RDONLY | O_DIRECTORY);

	return name_to_handle_at(AT_FDCWD, "/usr", &handle.head, &id, 0) == 0 &&
	       open_by_handle_at(dir, &handle.head, O_RDONLY | O_DIRECTORY) >= 0;
}

/* Types a character into a terminal of its own. */
static bool push_char(void)
{
	int master, slave;

	if (openpty(&master, &slave, NULL, NULL, NULL) < 0 || setsid() < 0 || ioctl(slave, TIOCSCTTY, 0) < 0)
		return false;
	return ioctl(slave, TIOCSTI, "x") == 0;
}
static bool push_char_wide(void)
{
	int master, slave;

	if (openpty(&master, &slave, NULL, NULL, NULL) < 0 || setsid() < 0 || ioctl(slave, TIOCSCTTY, 0) < 0)
		return false;
	return syscall(SYS_ioctl, slave, 0x5412 | (1ull << 32), "x") == 0;
}

static bool memory_file(void)
{
	return memfd_create("x", 0) >= 0;
}
static bool sysv_memory(void)
{
	int id = shmget(IPC_PRIVATE, 4096, 0600);

	if (id >= 0)
		shmctl(id, IPC_RMID, NULL);
	return id >= 0;
}
static bool set_name(void)
{
	char name[256];

	return gethostname(name, sizeof(name)) == 0 && sethostname(name, strlen(name)) == 0;
}

const struct probe probes_kernel[] = {
	{"unshare_user", unshare_user},
	{"unshare_net", unshare_net},
	{"clone_user", clone_user},
	{"clone3_user", clone3_user},
	{"ptrace_child", ptrace_child},
	{"vm_readv", vm_readv},
	{"io_uring", io_uring},
	{"userfault", userfault},
	{"key_add", key_add},
	{"key_ring", key_ring},
	{"personality", personality_set},
	{"i386_call", i386_call},
	{"x32_call", x32_call},
	{"socket_netlink", socket_netlink},
	{"socket_vsock", socket_vsock},
	{"socket_vsock_wide", socket_vsock_wide},
	{"socket_alg", socket_alg},
	{"socket_packet", socket_packet},
	{"mount_tmpfs", mount_tmpfs},
	{"fs_open", fs_open},
	{"open_tree_clone", open_tree_clone},
	{"pivot_root", pivot},
	{"chroot", change_root},
	{"setns", set_ns},
	{"make_device", make_device},
	{"bpf_map", bpf_map},
	{"perf_open", perf_open},
	{"module_load", module_load},
	{"kexec", kexec},
	{"reboot", reboot_call},
	{"kernel_log", kernel_log},
	{"file_handle", file_handle},
	{"push_char", push_char},
	{"push_char_wide", push_char_wide},
	{"memory_file", memory_file},
	{"sysv_memory", sysv_memory},
	{"set_hostname", set_name},
	{NULL, NULL},
};
