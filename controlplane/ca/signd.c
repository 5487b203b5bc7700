// SPDX-License-Identifier: Apache-2.0
// sluice-signd: holds the CA keys and nothing else. No network, few system calls, few files.
#include "controlplane/ca/sign_store.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static struct sign_store store;

// Who may ask, besides root: who started it, and --client.
static uid_t clients[2];

static void converse(int fd) {
	struct ucred who;
	socklen_t len = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0
	    || (who.uid != 0 && who.uid != clients[0] && who.uid != clients[1]))
		return;
	struct sign_secrets *secret = store.secret;
	ssize_t n = recv(fd, &secret->request, sizeof(secret->request), 0);
	if (n <= 0)
		return;
	sign_answer(&store, (size_t)n);
	send(fd, &secret->reply, sizeof(secret->reply), MSG_NOSIGNAL);
	explicit_bzero(&secret->request, sizeof(secret->request));
	explicit_bzero(&secret->reply, sizeof(secret->reply));
}

// --- start

static int listen_on(const char *path) {
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	size_t len = strlen(path);

	if (len >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	memcpy(a.sun_path, path, len + 1);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || chmod(path, 0666) < 0
	    || listen(fd, 4) < 0)
		return -errno;
	return fd;
}

// Everything it may do from now on. Anything else ends the process.
static int confine(void) {
	static const int allowed[] = {
		SCMP_SYS(accept4),    SCMP_SYS(accept),	      SCMP_SYS(recvfrom),
		SCMP_SYS(sendto),     SCMP_SYS(getsockopt),   SCMP_SYS(read),
		SCMP_SYS(write),      SCMP_SYS(openat),	      SCMP_SYS(close),
		SCMP_SYS(fsync),      SCMP_SYS(rename),	      SCMP_SYS(getrandom),
		SCMP_SYS(brk),	      SCMP_SYS(mmap),	      SCMP_SYS(munmap),
		SCMP_SYS(mremap),     SCMP_SYS(futex),	      SCMP_SYS(clock_gettime),
		SCMP_SYS(fstat),      SCMP_SYS(newfstatat),   SCMP_SYS(lseek),
		SCMP_SYS(exit_group), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask),
		SCMP_SYS(unlink),
	};
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int ret = f == NULL ? -ENOMEM : 0;

	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]) && ret == 0; i++)
		ret = seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[i], 0);
	if (ret == 0)
		ret = seccomp_load(f);
	seccomp_release(f);
	return ret;
}

static const struct passwd *user_named(const char *name) {
	const struct passwd *p = getpwnam(name);

	if (p != NULL)
		return p;
	fprintf(stderr, "sluice-signd: there is no user %s\n", name);
	exit(1);
}

// The directory's files become the user's too: it may have been filled as root.
static void become(const char *user, const char *dir) {
	char path[400];

	if (user == NULL)
		return;
	const struct passwd *p = user_named(user);
	int ret = chown(dir, p->pw_uid, p->pw_gid);
	for (int f = 0; f < SIGN_FILE_COUNT && ret == 0; f++) {
		snprintf(path, sizeof(path), "%s/%s", dir, sign_file_name((enum sign_file)f));
		if (lchown(path, p->pw_uid, p->pw_gid) < 0 && errno != ENOENT)
			ret = -1;
	}
	if (ret < 0 || setgroups(0, NULL) < 0 || setgid(p->pw_gid) < 0 || setuid(p->pw_uid) < 0) {
		fprintf(stderr, "sluice-signd: cannot become %s: %s\n", user, strerror(errno));
		exit(1);
	}
}

static void stop(int) {
	_exit(0);
}

static int usage(FILE *to, int status) {
	fprintf(to,
		"usage: sluice-signd --key-file FILE [options]\n"
		"  -k, --key-file FILE   at least 32 secret bytes, read once; a systemd "
		"credential\n"
		"                        will do (--key-file %%d/NAME in its unit)\n"
		"  -d, --ca-dir DIR      where certificates and sealed keys lie "
		"(/var/lib/sluice/control/ca)\n"
		"  -s, --socket PATH     (/run/sluice/sign.sock)\n"
		"  -u, --user NAME       become this user before the first question\n"
		"  -c, --client NAME     the user of sluice-controld, if it is not root's or ours\n"
		"Exit status: 0 stopped, 1 could not start, 2 wrong usage.\n");
	return status;
}

int main(int argc, char **argv) {
	static const struct option options[] = {
		{"key-file", required_argument, NULL, 'k'},
		{"ca-dir", required_argument, NULL, 'd'},
		{"socket", required_argument, NULL, 's'},
		{"user", required_argument, NULL, 'u'},
		{"client", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *ca_dir = "/var/lib/sluice/control/ca", *key_file = NULL;
	const char *path = "/run/sluice/sign.sock", *user = NULL;
	struct rlimit none = {0, 0};
	int opt;

	while ((opt = getopt_long(argc, argv, "k:d:s:u:c:h", options, NULL)) != -1) {
		if (opt == 'k')
			key_file = optarg;
		else if (opt == 'd')
			ca_dir = optarg;
		else if (opt == 's')
			path = optarg;
		else if (opt == 'u')
			user = optarg;
		else if (opt == 'c')
			clients[1] = user_named(optarg)->pw_uid;
		else
			return usage(opt == 'h' ? stdout : stderr, opt == 'h' ? 0 : 2);
	}
	if (key_file == NULL)
		return usage(stderr, 2);
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	int ret = sign_store_open(&store, ca_dir, key_file);
	if (ret < 0) {
		fprintf(stderr,
			"sluice-signd: %s: %s\n",
			key_file,
			ret == -EINVAL ? "needs at least 32 bytes" : strerror(-ret));
		return 1;
	}
	mkdir(ca_dir, 0700);
	int listener = listen_on(path);
	clients[0] = geteuid();
	become(user, ca_dir);
	// A change of user makes a process dumpable again.
	prctl(PR_SET_DUMPABLE, 0);
	// The time zone and the error texts are read now, while files may still be opened.
	tzset();
	if (listener < 0 || confine() < 0) {
		fprintf(stderr, "sluice-signd: %s: cannot listen or confine itself\n", path);
		return 1;
	}
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		converse(fd);
		close(fd);
	}
}
