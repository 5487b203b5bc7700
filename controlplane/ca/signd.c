// SPDX-License-Identifier: Apache-2.0
// sluice-signd: holds the CA keys and nothing else. No network, few system calls, few files.
#include "controlplane/ca/ca.h"
#include "controlplane/ca/digest.h"
#include "controlplane/ca/sign_message.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
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

#define YEAR_S (365 * 86400ll)
#define ROOT_YEARS 20
#define ISSUING_YEARS 10

static const char *ca_dir = "/var/lib/sluice/control/ca";

// All that is secret lies here: locked, out of core dumps, not inherited.
static struct secrets {
	uint8_t kek[32];
	char key[CA_KEY_MAX];
	uint8_t sealed[CA_KEY_MAX + 64];
	struct sign_request request;
	struct sign_reply reply;
} *secret;

// --- files

static int file_read(const char *name, void *out, size_t room) {
	char path[400];

	snprintf(path, sizeof(path), "%s/%s", ca_dir, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, out, room);
	int ret = n < 0 ? -errno : n == (ssize_t)room ? -EFBIG : (int)n;
	close(fd);
	return ret;
}

static int file_write(const char *name, const void *bytes, size_t len, mode_t mode) {
	char path[400], part[420];

	snprintf(path, sizeof(path), "%s/%s", ca_dir, name);
	snprintf(part, sizeof(part), "%s.part", path);
	int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	int ret = write(fd, bytes, len) == (ssize_t)len ? 0 : -ENOSPC;
	if (ret == 0 && fsync(fd) < 0)
		ret = -errno;
	close(fd);
	if (ret == 0 && rename(part, path) < 0)
		ret = -errno;
	return ret;
}

static int text_read(const char *name, char *out, size_t room) {
	int n = file_read(name, out, room - 1);

	out[n > 0 ? n : 0] = '\0';
	return n < 0 ? n : 0;
}

static int key_read(const char *name, char out[CA_KEY_MAX]) {
	int n = file_read(name, secret->sealed, sizeof(secret->sealed));

	if (n >= 0)
		n = ca_unseal(secret->kek, secret->sealed, (size_t)n, out);
	if (n >= 0 && n < CA_KEY_MAX)
		out[n] = '\0';
	return n < 0 ? n : 0;
}

static int key_write(const char *name, const char *key) {
	int n = ca_seal(secret->kek, key, strlen(key), secret->sealed);
	return n < 0 ? n : file_write(name, secret->sealed, (size_t)n, 0600);
}

// --- questions

static int ca_make(const struct sign_request *q, struct sign_reply *r) {
	char issuing_key[CA_KEY_MAX], subject[200], issuing[200];
	int64_t now = q->not_before_s;

	snprintf(subject, sizeof(subject), "O=%.100s,CN=Sluice root", q->name);
	snprintf(issuing, sizeof(issuing), "O=%.100s,CN=Sluice issuing", q->name);
	int ret = ca_key_make(secret->key, r->text, sizeof(r->text));
	struct ca_order root = {
		.kind = CA_ROOT,
		.subject = subject,
		.not_before_s = now,
		.not_after_s = now + ROOT_YEARS * YEAR_S,
		.key = secret->key,
	};
	if (ret == 0)
		ret = ca_sign(&root, r->chain, r->text, sizeof(r->text));
	if (ret == 0)
		ret = ca_key_make(issuing_key, r->text, sizeof(r->text));
	struct ca_order below = {
		.kind = CA_ISSUING,
		.subject = issuing,
		.not_before_s = now,
		.not_after_s = now + ISSUING_YEARS * YEAR_S,
		.key = issuing_key,
		.issuer_certificate = r->chain,
		.issuer_key = secret->key,
	};
	if (ret == 0)
		ret = ca_sign(&below, r->certificate, r->text, sizeof(r->text));
	if (ret == 0)
		ret = key_write("root.key", secret->key);
	if (ret == 0)
		ret = file_write("root.crt", r->chain, strlen(r->chain), 0644);
	if (ret == 0)
		ret = key_write("issuing.key", issuing_key);
	// Last: with this file the CA exists.
	if (ret == 0)
		ret = file_write("issuing.crt", r->certificate, strlen(r->certificate), 0644);
	explicit_bzero(issuing_key, sizeof(issuing_key));
	return ret;
}

static int answer_init(const struct sign_request *q, struct sign_reply *r) {
	char there[CA_PEM_MAX];

	if (text_read("issuing.crt", there, sizeof(there)) != -ENOENT) {
		snprintf(r->text, sizeof(r->text), "there is a CA already");
		return -EEXIST;
	}
	if (q->name[0] == '\0' || strpbrk(q->name, ",+\"\\<>;=#") != NULL) {
		snprintf(r->text, sizeof(r->text), "the organisation's name must be plain text");
		return -EINVAL;
	}
	return ca_make(q, r);
}

static int answer_show(struct sign_reply *r) {
	int ret = text_read("issuing.crt", r->certificate, sizeof(r->certificate));

	if (ret == 0)
		ret = text_read("root.crt", r->chain, sizeof(r->chain));
	if (ret == -ENOENT)
		snprintf(r->text, sizeof(r->text), "there is no CA yet: `sluicectl ca init`");
	return ret;
}

static int answer_sign(const struct sign_request *q, struct sign_reply *r) {
	char subject[160];
	bool fresh = q->op == SIGN_NEW;

	if (ca_subject(q->name, subject, sizeof(subject)) < 0) {
		snprintf(r->text, sizeof(r->text), "the device's name does not fit a certificate");
		return -EINVAL;
	}
	int ret = text_read("issuing.crt", r->chain, sizeof(r->chain));
	if (ret == 0)
		ret = key_read("issuing.key", secret->key);
	if (ret == -ENOENT)
		snprintf(r->text, sizeof(r->text), "there is no CA yet: `sluicectl ca init`");
	if (ret == -EBADMSG)
		snprintf(r->text, sizeof(r->text), "the issuing key does not open: wrong key file");
	if (ret == 0 && fresh)
		ret = ca_key_make(r->key, r->text, sizeof(r->text));
	struct ca_order o = {
		.kind = CA_DEVICE,
		.subject = subject,
		.not_before_s = q->not_before_s,
		.not_after_s = q->not_after_s,
		.key = fresh ? r->key : NULL,
		.csr = fresh ? NULL : q->pem,
		.issuer_certificate = r->chain,
		.issuer_key = secret->key,
	};
	return ret == 0 ? ca_sign(&o, r->certificate, r->text, sizeof(r->text)) : ret;
}

static void answer(const struct sign_request *q, size_t len, struct sign_reply *r) {
	memset(r, 0, sizeof(*r));
	bool good = len == sizeof(*q) && q->magic == SIGN_MAGIC && q->op < SIGN_OP_COUNT
		&& memchr(q->name, '\0', sizeof(q->name)) != NULL
		&& memchr(q->pem, '\0', sizeof(q->pem)) != NULL && q->not_before_s >= 0
		&& q->not_after_s >= q->not_before_s && q->not_after_s < 253402300800ll;
	if (!good) {
		r->result = -EINVAL;
		snprintf(r->text, sizeof(r->text), "malformed question");
		return;
	}
	switch ((enum sign_op)q->op) {
	case SIGN_INIT:
		r->result = answer_init(q, r);
		break;
	case SIGN_SHOW:
		r->result = answer_show(r);
		break;
	default:
		r->result = answer_sign(q, r);
	}
	if (r->result < 0) {
		explicit_bzero(r->key, sizeof(r->key));
		if (r->text[0] == '\0')
			snprintf(r->text, sizeof(r->text), "%s", strerror(-r->result));
	}
	explicit_bzero(secret->key, sizeof(secret->key));
}

static void converse(int fd, uid_t owner) {
	struct ucred who;
	socklen_t len = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0
	    || (who.uid != 0 && who.uid != owner))
		return;
	ssize_t n = recv(fd, &secret->request, sizeof(secret->request), 0);
	if (n <= 0)
		return;
	answer(&secret->request, (size_t)n, &secret->reply);
	send(fd, &secret->reply, sizeof(secret->reply), MSG_NOSIGNAL);
	explicit_bzero(&secret->request, sizeof(secret->request));
	explicit_bzero(&secret->reply, sizeof(secret->reply));
}

// --- start

static int kek_read(const char *path) {
	uint8_t raw[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, raw, sizeof(raw));
	close(fd);
	if (n < 32)
		return -EINVAL;
	digest_sha256(raw, (size_t)n, secret->kek);
	explicit_bzero(raw, sizeof(raw));
	return 0;
}

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

static void become(const char *user) {
	const struct passwd *p = user != NULL ? getpwnam(user) : NULL;

	if (user == NULL)
		return;
	if (p == NULL || setgid(p->pw_gid) < 0 || setuid(p->pw_uid) < 0) {
		fprintf(stderr, "sluice-signd: cannot become %s\n", user);
		exit(1);
	}
}

static void stop(int) {
	_exit(0);
}

static int usage(FILE *to, int status) {
	fprintf(to,
		"usage: sluice-signd --key-file FILE [--ca-dir DIR] [--socket PATH] [--user NAME]\n"
		"  FILE has at least 32 secret bytes; a systemd credential will do. It is read "
		"once.\n"
		"Exit status: 0 stopped, 1 could not start, 2 wrong usage.\n");
	return status;
}

int main(int argc, char **argv) {
	static const struct option options[] = {
		{"key-file", required_argument, NULL, 'k'},
		{"ca-dir", required_argument, NULL, 'd'},
		{"socket", required_argument, NULL, 's'},
		{"user", required_argument, NULL, 'u'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *key_file = NULL, *path = "/run/sluice/sign.sock", *user = NULL;
	struct rlimit none = {0, 0};
	int opt;

	while ((opt = getopt_long(argc, argv, "k:d:s:u:h", options, NULL)) != -1) {
		if (opt == 'k')
			key_file = optarg;
		else if (opt == 'd')
			ca_dir = optarg;
		else if (opt == 's')
			path = optarg;
		else if (opt == 'u')
			user = optarg;
		else
			return usage(opt == 'h' ? stdout : stderr, opt == 'h' ? 0 : 2);
	}
	if (key_file == NULL)
		return usage(stderr, 2);
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	secret = mmap(
		NULL, sizeof(*secret), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0
	);
	if (secret == MAP_FAILED || madvise(secret, sizeof(*secret), MADV_DONTDUMP) < 0)
		return 1;
	(void)mlock(secret, sizeof(*secret));
	int ret = kek_read(key_file);
	if (ret < 0) {
		fprintf(stderr,
			"sluice-signd: %s: %s\n",
			key_file,
			ret == -EINVAL ? "needs at least 32 bytes" : strerror(-ret));
		return 1;
	}
	mkdir(ca_dir, 0700);
	int listener = listen_on(path);
	uid_t owner = geteuid();
	become(user);
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
		converse(fd, owner);
		close(fd);
	}
}
