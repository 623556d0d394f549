// SPDX-License-Identifier: MIT
/*
 * The calls of a program on its fds, through the preload library's interposers.
 * A model holds the file and the object of each number.  After each call the
 * kernel must have these files, the table must have these objects with as many
 * references as the model counts, and each VM its private fd.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "fuzz.h"
#include "io_bus/eventfd.h"
#include "preload/common/config.h"
#include "preload/common/process.h"
#include "preload/common/sys.h"
#include "preload/fds/fd_table.h"
#include "preload/fds/private_fd.h"
#include "preload/fds/vm.h"

#define LIMIT	   1024 /* of fds */
#define BASE	   64	/* all numbers below are taken */
#define NUMBERS	   32	/* from BASE on: those of the program */
#define FILES	   64
#define OBJECTS	   64
#define MOST_VMS   8
#define MOST_STEPS 120
#define MOST_FORKS 2
#define RUN_SIZE   4096

struct number {
	int file; /* -1: closed */
	struct object *obj;
};

/* An object that has references. */
struct tracked {
	struct object *obj;
	struct object *vm; /* of a vCPU or a device */
	int file;	   /* of a VM with a front; else -1 */
	bool passthrough;
};

static struct number numbers[NUMBERS];
static struct tracked tracked[OBJECTS];
static int masters[FILES]; /* an fd of each file, out of the library's sight */
static int fillers[BASE];  /* the numbers below BASE that were free */
static int nr_files, nr_fillers, nr_forks, sockets[2] = {-1, -1};

/* The interposer. */
long __real_syscall(long nr, ...);

void __wrap_log_line(const char *format, ...);

/* A VM that is passed through prints a line. */
void __wrap_log_line(const char *format, ...)
{
}

static struct number *number_of(int fd)
{
	return fd >= BASE && fd < BASE + NUMBERS ? &numbers[fd - BASE] : NULL;
}

static int file_of(int fd)
{
	const struct number *number = number_of(fd);

	return number ? number->file : -1;
}

static struct object *object_of(int fd)
{
	const struct number *number = number_of(fd);

	return number ? number->obj : NULL;
}

/* The number that the kernel gives out next; -1: beyond those of the model. */
static int lowest_free(int from)
{
	for (int fd = from; fd < BASE + NUMBERS; fd++)
		if (file_of(fd) < 0)
			return fd;
	return -1;
}

static struct tracked *find_tracked(const struct object *obj)
{
	for (int i = 0; i < OBJECTS; i++)
		if (tracked[i].obj == obj)
			return &tracked[i];
	abort();
}

static void track(struct object *obj, struct object *vm, int file)
{
	*find_tracked(NULL) = (struct tracked){obj, vm, file, false};
}

static uint32_t count_refs(const struct object *obj)
{
	uint32_t refs = 0;

	for (int i = 0; i < NUMBERS; i++)
		refs += numbers[i].obj == obj;
	for (int i = 0; i < OBJECTS; i++)
		refs += tracked[i].obj && tracked[i].vm == obj;
	return refs;
}

static void check_numbers(void)
{
	for (int fd = BASE; fd < BASE + NUMBERS; fd++) {
		int file = file_of(fd);
		struct object *obj = fd_table_get(fd);

		if (file < 0)
			fuzz_check(sys_fcntl(fd, F_GETFD, 0) == -EBADF,
				   "a number stayed open");
		else
			fuzz_check(bf_same_file(fd, masters[file]) == 1,
				   "a number has another file");
		fuzz_check(obj == object_of(fd), "the object of a number");
		if (obj)
			object_put(obj);
	}
}

static void check_object(struct tracked *t)
{
	fuzz_check(atomic_load(&t->obj->refs) == count_refs(t->obj),
		   "the references of an object");
	if (t->file < 0)
		return;
	fuzz_check(bf_same_file(t->obj->vm.fd, masters[t->file]) == 1,
		   "the private fd of a VM");
	fuzz_check(!private_fd_replace_begins(t->obj->vm.fd),
		   "a private fd is the program's");
	fuzz_check(atomic_load(&t->obj->vm.passthrough) == t->passthrough,
		   "whether a VM is passed through");
}

/* A vCPU that has ended no longer holds its VM. */
static bool drop_ended(void)
{
	bool dropped = false;

	for (int i = 0; i < OBJECTS; i++) {
		struct tracked *t = &tracked[i];

		if (!t->obj || count_refs(t->obj))
			continue;
		fuzz_check(!atomic_load(&t->obj->refs),
			   "an object did not end");
		*t = (struct tracked){0};
		dropped = true;
	}
	return dropped;
}

static int count_private(void)
{
	int fd = -1, count = 0;

	while ((fd = private_fd_first((unsigned int)fd + 1, UINT_MAX)) >= 0)
		count++;
	return count;
}

static void check_state(void)
{
	int vms = 0;

	while (drop_ended())
		;
	check_numbers();
	for (int i = 0; i < OBJECTS; i++) {
		if (!tracked[i].obj)
			continue;
		check_object(&tracked[i]);
		vms += tracked[i].file >= 0;
	}
	fuzz_check(count_private() == vms, "the number of private fds");
}

static void expect(long ret, long expected, const char *call)
{
	if (ret < 0)
		ret = -errno;
	if (ret == expected)
		return;
	fprintf(stderr, "fuzz_fds: %s: %ld instead of %ld\n", call, ret,
		expected);
	abort();
}

/* A number of the program, a private one, or none. */
static int next_fd(struct fuzz_input *input)
{
	unsigned int choice = fuzz_next(input);
	int private_fd = private_fd_first(0, UINT_MAX);

	if (choice >= 250)
		return choice & 1 ? -1 : LIMIT + (int)choice;
	if (choice >= 230 && private_fd >= 0)
		return private_fd;
	return BASE + (int)(choice % NUMBERS);
}

static bool is_private(int fd)
{
	return fd >= 0 &&
	       private_fd_first((unsigned int)fd, (unsigned int)fd) == fd;
}

/* A new file at a number of the program; false: there is no room. */
static bool open_file(struct fuzz_input *input, bool is_vcpu, int *fdp)
{
	int fd = lowest_free(BASE + (int)(fuzz_next(input) % NUMBERS));
	int file, master;

	if (fd < 0 || nr_files == FILES)
		return false;
	master = is_vcpu ? memfd_create("vcpu", 0) : open("/dev/null", O_RDWR);
	fuzz_check(master >= 0 && (!is_vcpu || !ftruncate(master, RUN_SIZE)),
		   "a file");
	file = nr_files++;
	masters[file] = (int)sys_fcntl(master, F_DUPFD_CLOEXEC, LIMIT / 4);
	sys_close(master);
	fuzz_check(sys_fcntl(masters[file], F_DUPFD, fd) == fd,
		   "a free number");
	numbers[fd - BASE].file = file;
	*fdp = fd;
	return true;
}

static int count_vms(void)
{
	int count = 0;

	for (int i = 0; i < OBJECTS; i++)
		count += tracked[i].obj && tracked[i].file >= 0;
	return count;
}

/* As vm_track() does for an fd of KVM; the front makes no call on it. */
static void do_create_vm(struct fuzz_input *input)
{
	struct object *obj;
	int fd;

	if (count_vms() == MOST_VMS || !open_file(input, false, &fd))
		return;
	obj = object_new_vm();
	obj->vm.fd = private_fd_dup(fd);
	fuzz_check(obj->vm.fd >= PRIVATE_FD_MIN, "a private fd");
	fuzz_check(!bf_front_attach(-1, &config.front, &obj->vm.front),
		   "a front");
	obj->vm.run_size = RUN_SIZE;
	fuzz_check(fd_table_set(fd, obj), "an entry");
	numbers[fd - BASE].obj = obj;
	track(obj, NULL, file_of(fd));
}

/* A vCPU or a device of a VM with a front. */
static void do_create_of_vm(struct fuzz_input *input)
{
	struct object *vm = object_of(next_fd(input));
	bool is_vcpu = fuzz_next(input) & 1;
	int fd;

	if (!vm || find_tracked(vm)->file < 0 || count_refs(vm) > NUMBERS / 2 ||
	    !open_file(input, is_vcpu, &fd))
		return;
	if (is_vcpu)
		vm_track_vcpu(vm, fd, (uint32_t)fd);
	else
		vm_track_device(vm, fd);
	numbers[fd - BASE].obj =
		fd_table_get_kind(fd, is_vcpu ? OBJECT_VCPU : OBJECT_DEVICE);
	fuzz_check(object_of(fd), "the new object");
	object_put(object_of(fd));
	track(object_of(fd), vm, -1);
}

static void do_open(struct fuzz_input *input)
{
	int fd;

	open_file(input, false, &fd);
}

/* The library does not see it: the entry stays. */
static void do_close_unseen(struct fuzz_input *input)
{
	int fd = BASE + (int)(fuzz_next(input) % NUMBERS);

	sys_close(fd);
	numbers[fd - BASE].file = -1;
}

static void close_in_model(int fd)
{
	if (number_of(fd))
		*number_of(fd) = (struct number){.file = -1};
}

static void do_close(struct fuzz_input *input)
{
	int fd = next_fd(input);

	expect(close(fd), file_of(fd) < 0 ? -EBADF : 0, "close");
	close_in_model(fd);
}

static void put(int fd, int file, struct object *obj)
{
	numbers[fd - BASE].file = file;
	if (obj)
		numbers[fd - BASE].obj = obj;
}

static void do_dup(struct fuzz_input *input)
{
	int from = BASE + (int)(fuzz_next(input) % NUMBERS);
	int to = lowest_free(BASE);

	if (file_of(from) < 0) {
		expect(dup(from), -EBADF, "dup");
	} else if (to >= 0) {
		expect(dup(from), to, "dup");
		put(to, file_of(from), object_of(from));
	}
}

static void do_fcntl(struct fuzz_input *input)
{
	int from = BASE + (int)(fuzz_next(input) % NUMBERS);
	int least = BASE + (int)(fuzz_next(input) % NUMBERS);
	int command = fuzz_next(input) & 1 ? F_DUPFD : F_DUPFD_CLOEXEC;
	int to = lowest_free(least);

	if (file_of(from) < 0) {
		expect(fcntl(from, command, least), -EBADF, "fcntl");
		return;
	}
	expect(fcntl(from, command, LIMIT), -EINVAL, "fcntl beyond the limit");
	if (to < 0)
		return;
	expect(fcntl(from, command, least), to, "fcntl");
	put(to, file_of(from), object_of(from));
}

static int replace_result(int from, int to, int flags, bool is_dup3)
{
	if (is_dup3 && (flags & ~O_CLOEXEC || from == to))
		return -EINVAL;
	if (file_of(from) < 0 || to < 0 || to >= LIMIT)
		return -EBADF;
	return is_private(to) ? -EBUSY : to;
}

static void do_replace(struct fuzz_input *input)
{
	int from = BASE + (int)(fuzz_next(input) % NUMBERS),
	    to = next_fd(input);
	unsigned int choice = fuzz_next(input);
	bool is_dup3 = choice & 1;
	int flags = choice & 2 ? O_CLOEXEC : 0;
	int expected;

	if (choice >= 240)
		flags |= O_APPEND;
	expected = replace_result(from, to, flags, is_dup3);
	if (is_dup3)
		expect(dup3(from, to, flags), expected, "dup3");
	else
		expect(dup2(from, to), expected, "dup2");
	if (expected != to || from == to)
		return;
	close_in_model(to);
	put(to, file_of(from), object_of(from));
}

static void close_all_in_model(unsigned int first, unsigned int last)
{
	for (int fd = BASE; fd < BASE + NUMBERS; fd++)
		if ((unsigned int)fd >= first && (unsigned int)fd <= last)
			close_in_model(fd);
}

/*
 * Spares the masters, which stand between the program's numbers and the private
 * ones.
 */
static void do_close_range(struct fuzz_input *input)
{
	unsigned int first = BASE + fuzz_next(input) % NUMBERS;
	unsigned int choice = fuzz_next(input);
	unsigned int last = BASE + choice % NUMBERS;
	int flags = 0;

	if (choice >= 192) {
		first = PRIVATE_FD_MIN + choice % 4;
		last = choice & 1 ? UINT_MAX : PRIVATE_FD_MIN + 16;
	} else if (choice >= 160) {
		flags = choice & 1 ? CLOSE_RANGE_CLOEXEC : 8;
	}
	expect(close_range(first, last, flags),
	       first > last || flags == 8 ? -EINVAL : 0, "close_range");
	if (!flags && first <= last)
		close_all_in_model(first, last);
}

static void do_closefrom(struct fuzz_input *input)
{
	closefrom(PRIVATE_FD_MIN - (int)(fuzz_next(input) % 16));
}

static struct object *find_same_file(int fd)
{
	for (int other = BASE; other < BASE + NUMBERS; other++)
		if (other != fd && object_of(other) &&
		    file_of(other) == file_of(fd))
			return object_of(other);
	return NULL;
}

static void learn(int fd, struct object *obj)
{
	struct object *known = find_same_file(fd);

	numbers[fd - BASE].obj = obj;
	if (known) {
		fuzz_check(obj == known, "the same file is another object");
		return;
	}
	if (obj->kind == OBJECT_VCPU)
		track(obj->vcpu.vm, NULL, -1);
	track(obj, obj->kind == OBJECT_VCPU ? obj->vcpu.vm : NULL, -1);
}

/* An ioctl of KVM. */
static void do_lookup(struct fuzz_input *input)
{
	int fd = BASE + (int)(fuzz_next(input) % NUMBERS);
	struct object *obj = fd_table_lookup(
		fd, fuzz_next(input) & 1 ? OBJECT_VCPU : OBJECT_VM);

	if (object_of(fd))
		fuzz_check(obj == object_of(fd), "a lookup");
	else if (file_of(fd) < 0)
		fuzz_check(!obj, "a lookup of a closed number");
	else
		fuzz_check(obj, "a lookup of an unknown number");
	if (!obj)
		return;
	object_put(obj);
	if (!object_of(fd))
		learn(fd, obj);
}

static void pass_through_in_model(int fd)
{
	struct object *obj = object_of(fd);

	if (!obj)
		return;
	if (find_tracked(obj)->vm)
		obj = find_tracked(obj)->vm;
	find_tracked(obj)->passthrough = true;
}

union control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static struct mmsghdr make_message(union control *control, int fd)
{
	static char byte;
	static struct iovec iov = {.iov_base = &byte, .iov_len = 1};

	*control = (union control){.align = {
					   .cmsg_len = CMSG_LEN(sizeof(fd)),
					   .cmsg_level = SOL_SOCKET,
					   .cmsg_type = SCM_RIGHTS,
				   }};
	memcpy(CMSG_DATA(&control->align), &fd, sizeof(fd));
	return (struct mmsghdr){.msg_hdr = {
					.msg_iov = &iov,
					.msg_iovlen = 1,
					.msg_control = control->bytes,
					.msg_controllen = sizeof(*control),
				}};
}

/* The fd comes back with a new number, of which the table has no entry. */
static void do_send(struct fuzz_input *input)
{
	unsigned int choice = fuzz_next(input);
	int from = BASE + (int)(choice % NUMBERS), to = lowest_free(BASE);
	bool many = choice & 128;
	union control control;
	struct mmsghdr message = make_message(&control, from);
	int sent;

	if (to < 0)
		return;
	sent = many ? sendmmsg(sockets[0], &message, 1, 0) :
		      (int)sendmsg(sockets[0], &message.msg_hdr, 0);
	expect(sent, file_of(from) < 0 ? -EBADF : 1, "sendmsg");
	if (sent < 0)
		return;
	pass_through_in_model(from);
	message = make_message(&control, -1);
	sent = many ? recvmmsg(sockets[1], &message, 1, 0, NULL) :
		      (int)recvmsg(sockets[1], &message.msg_hdr, 0);
	expect(sent, 1, "recvmsg");
	fuzz_check(bf_eventfd_is_shared(), "eventfds count as unshared");
	put(to, file_of(from), NULL);
}

/* In a child with a copy of the memory: nothing is left but the program's. */
static int check_child(void)
{
	if (!process_is_owner() || count_private())
		return 1;
	for (int fd = BASE; fd < BASE + NUMBERS; fd++) {
		bool open = sys_fcntl(fd, F_GETFD, 0) >= 0;

		if (fd_table_contains(fd) || open != (file_of(fd) >= 0))
			return 1;
	}
	for (int fd = PRIVATE_FD_MIN; fd < LIMIT; fd++)
		if (sys_fcntl(fd, F_GETFD, 0) >= 0)
			return 1;
	return 0;
}

static void wait_for(pid_t pid)
{
	int status = -1;

	fuzz_check(pid > 0 &&
			   TEMP_FAILURE_RETRY(waitpid(pid, &status, 0)) == pid,
		   "a child");
	fuzz_check(status == 0, "the fds of a child");
}

/* It shares the memory, so it must leave the parent's table alone. */
static __attribute__((noinline)) void run_in_vfork(int fd)
{
	pid_t pid = vfork();

	if (!pid) {
		close(fd);
		_exit(0);
	}
	wait_for(pid);
}

static void do_fork(struct fuzz_input *input)
{
	unsigned int kind = fuzz_next(input) % 4;
	int fd = next_fd(input);
	pid_t pid;

	if (nr_forks++ >= MOST_FORKS)
		return;
	if (kind == 3) {
		run_in_vfork(fd);
		return;
	}
	pid = kind == 0 ? fork() :
	      kind == 1 ? _Fork() :
			  (pid_t)__real_syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (!pid)
		_exit(check_child());
	wait_for(pid);
}

static void set_up_once(void)
{
	struct rlimit limit = {LIMIT, LIMIT};

	if (sockets[0] >= 0)
		return;
	if (bf_same_file(STDERR_FILENO, STDERR_FILENO) != 1) {
		puts("fuzz_fds: this kernel does not compare files");
		exit(77);
	}
	fuzz_check(!setrlimit(RLIMIT_NOFILE, &limit), "the limit of fds");
	fuzz_check(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets),
		   "a pair of sockets");
}

/* The fuzzer takes the low numbers between two inputs. */
static void fill_low_numbers(void)
{
	int fd;

	while ((fd = (int)sys_fcntl(sockets[0], F_DUPFD_CLOEXEC, 0)) < BASE) {
		fuzz_check(fd >= 0, "a low number");
		fillers[nr_fillers++] = fd;
	}
	sys_close(fd);
	fuzz_check(fd == BASE, "numbers from BASE on");
}

static void set_up(void)
{
	set_up_once();
	fill_low_numbers();
	nr_files = nr_forks = 0;
	for (int i = 0; i < NUMBERS; i++)
		numbers[i] = (struct number){.file = -1};
}

static void tear_down(void)
{
	fuzz_check(!close_range(BASE, BASE + NUMBERS - 1, 0), "a close of all");
	close_all_in_model(0, UINT_MAX);
	check_state();
	for (int fd = PRIVATE_FD_MIN; fd < LIMIT; fd++)
		fuzz_check(sys_fcntl(fd, F_GETFD, 0) == -EBADF,
			   "an fd is left");
	while (nr_files)
		sys_close(masters[--nr_files]);
	while (nr_fillers)
		sys_close(fillers[--nr_fillers]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const operations[])(struct fuzz_input * input) = {
		do_create_vm, do_create_of_vm, do_open,	     do_close_unseen,
		do_close,     do_dup,	       do_fcntl,     do_replace,
		do_replace,   do_close_range,  do_lookup,    do_send,
		do_create_vm, do_create_of_vm, do_closefrom, do_fork,
	};
	struct fuzz_input input = {data, size};

	set_up();
	for (int i = 0; input.size && i < MOST_STEPS; i++) {
		operations[fuzz_next(&input) % ARRAY_SIZE(operations)](&input);
		check_state();
	}
	tear_down();
	return 0;
}
