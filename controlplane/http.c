// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http.h"
#include "controlplane/later.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64
#define IDLE_S 30
#define CONNECTION_MEMORY 65536
#define GROUPS_MAX 256

struct http {
	struct control *control;
	char path[108];
	struct MHD_Daemon *api;
	struct MHD_Daemon *metrics;
	gid_t operators, viewers; // (gid_t)-1: no such group
};

// One request while its body arrives.
struct exchange {
	char *body;
	size_t len, room;
	bool too_large;
	struct MHD_Connection *suspended; // its reply follows; NULL: it has not to wait
	struct reply reply; // that followed: status 0 until then
};

static enum MHD_Result
answer(struct MHD_Connection *connection,
       unsigned status,
       const char *type,
       char *text // owned
) {
	static char nothing[] = "{\"error\":{\"code\":\"failed\",\"message\":\"out of memory\"}}";
	struct MHD_Response *response = text != NULL
		? MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE)
		: MHD_create_response_from_buffer(
			  sizeof(nothing) - 1, nothing, MHD_RESPMEM_PERSISTENT
		  );

	if (response == NULL) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	enum MHD_Result ret = MHD_queue_response(connection, text != NULL ? status : 500, response);
	MHD_destroy_response(response);
	return ret;
}

// --- who asks

static bool in_group(const gid_t *groups, int count, gid_t wanted) {
	if (wanted == (gid_t)-1)
		return false;
	for (int i = 0; i < count; i++)
		if (groups[i] == wanted)
			return true;
	return false;
}

static enum role
peer_role(const struct http *h, struct MHD_Connection *connection, struct author *who) {
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct ucred cred;
	gid_t groups[GROUPS_MAX];
	socklen_t len = sizeof(cred), groups_len = sizeof(groups) - sizeof(gid_t);

	if (info == NULL)
		return ROLE_NONE;
	int fd = info->connect_fd; // the next call overwrites *info
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return ROLE_NONE;
	struct passwd *user = getpwuid(cred.uid);
	who->uid = cred.uid;
	if (user != NULL)
		snprintf(who->name, sizeof(who->name), "%.60s", user->pw_name);
	else
		snprintf(who->name, sizeof(who->name), "uid %u", cred.uid);
	if (cred.uid == 0 || cred.uid == geteuid())
		return ROLE_OPERATOR;
	int n = 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &groups_len) == 0)
		n = (int)(groups_len / sizeof(gid_t));
	groups[n++] = cred.gid;
	if (in_group(groups, n, h->operators))
		return ROLE_OPERATOR;
	return in_group(groups, n, h->viewers) ? ROLE_VIEWER : ROLE_NONE;
}

// --- one request

static enum MHD_Result
query_add(void *query, enum MHD_ValueKind kind, const char *key, const char *value) {
	if (json_object_size(query) < 32)
		json_object_set_new(query, key, json_string(value != NULL ? value : ""));
	return MHD_YES;
}

static bool body_add(struct exchange *x, const char *bytes, size_t n) {
	if (x->len + n > REQUEST_BODY_MAX) {
		x->too_large = true;
		return true; // read on, answer at the end
	}
	if (x->len + n + 1 > x->room) {
		size_t room = x->room > 0 ? 2 * x->room : 16384;
		while (room < x->len + n + 1)
			room *= 2;
		char *grown = realloc(x->body, room);
		if (grown == NULL)
			return false;
		x->body = grown;
		x->room = room;
	}
	memcpy(x->body + x->len, bytes, n);
	x->len += n;
	x->body[x->len] = '\0';
	return true;
}

static enum MHD_Result reply_send(struct MHD_Connection *connection, const struct reply *r) {
	return answer(
		connection, r->status, r->type != NULL ? r->type : "application/json", r->text
	);
}

// The reply that was waited for: the connection goes on in the next http_run().
static void reply_follows(void *owner, const struct reply *r) {
	struct exchange *x = owner;

	x->reply = *r;
	MHD_resume_connection(x->suspended);
}

static enum MHD_Result request_done(
	struct http *h,
	struct MHD_Connection *connection,
	const char *url,
	const char *method,
	struct exchange *x
) {
	struct request q = {.method = method, .path = url, .body = x->body, .body_len = x->len};
	struct reply r = {0};

	q.role = peer_role(h, connection, &q.author);
	q.query = json_object();
	MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, query_add, q.query);
	if (x->too_large)
		reply_error(
			&r,
			413,
			"too-large",
			"send a large import in parts, as `sluicectl device import` does",
			"a body has at most %u bytes",
			REQUEST_BODY_MAX
		);
	else
		control_handle(h->control, &q, &r);
	json_decref(q.query);
	if (r.later == NULL)
		return reply_send(connection, &r);
	r.later->owner = x;
	r.later->tell = reply_follows;
	x->suspended = connection;
	MHD_suspend_connection(connection);
	return MHD_YES;
}

static enum MHD_Result api_request(
	void *owner,
	struct MHD_Connection *connection,
	const char *url,
	const char *method,
	const char *version,
	const char *upload,
	size_t *upload_size,
	void **state
) {
	struct exchange *x = *state;

	if (x == NULL) {
		x = calloc(1, sizeof(*x));
		*state = x;
		return x != NULL ? MHD_YES : MHD_NO;
	}
	if (*upload_size > 0) {
		bool ok = body_add(x, upload, *upload_size);
		*upload_size = 0;
		return ok ? MHD_YES : MHD_NO;
	}
	if (x->suspended == NULL)
		return request_done(owner, connection, url, method, x);
	struct reply r = x->reply;
	x->reply.text = NULL; // answer() takes it
	return reply_send(connection, &r);
}

static void request_end(
	void *owner,
	struct MHD_Connection *connection,
	void **state,
	enum MHD_RequestTerminationCode why
) {
	struct exchange *x = *state;

	if (x == NULL)
		return;
	if (x->body != NULL) {
		explicit_bzero(x->body, x->len); // passwords and keys come this way
		free(x->body);
	}
	free(x->reply.text);
	free(x);
	*state = NULL;
}

static enum MHD_Result metrics_request(
	void *owner,
	struct MHD_Connection *connection,
	const char *url,
	const char *method,
	const char *version,
	const char *upload,
	size_t *upload_size,
	void **state
) {
	struct http *h = owner;

	if (*state == NULL) {
		*state = h; // wait for the end of the headers
		return MHD_YES;
	}
	*upload_size = 0;
	if (strcmp(url, "/metrics") != 0 || strcmp(method, "GET") != 0)
		return answer(connection, 404, "text/plain", strdup("only GET /metrics\n"));
	return answer(
		connection,
		200,
		"text/plain; version=0.0.4; charset=utf-8",
		metrics_text(h->control)
	);
}

// --- sockets

static int unix_listen(const char *path) {
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	unlink(path);
	// Anybody may ask; who may do what is decided by the peer's credentials.
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || chmod(path, 0666) < 0
	    || listen(fd, 64) < 0) {
		int ret = -errno;
		close(fd);
		return ret;
	}
	return fd;
}

static int tcp_address(const char *text, struct sockaddr_storage *out, socklen_t *len) {
	const char *colon = strrchr(text, ':');
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;
	struct sockaddr_in *four = (struct sockaddr_in *)out;
	char host[64];

	if (colon == NULL || (size_t)(colon - text) >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	long port = strtol(colon + 1, NULL, 10);
	if (port < 0 || port > UINT16_MAX)
		return -EINVAL;
	memset(out, 0, sizeof(*out));
	if (host[0] == '[' && host[strlen(host) - 1] == ']') {
		host[strlen(host) - 1] = '\0';
		six->sin6_family = AF_INET6;
		six->sin6_port = htons((uint16_t)port);
		*len = sizeof(*six);
		return inet_pton(AF_INET6, host + 1, &six->sin6_addr) == 1 ? 0 : -EINVAL;
	}
	four->sin_family = AF_INET;
	four->sin_port = htons((uint16_t)port);
	*len = sizeof(*four);
	return inet_pton(AF_INET, host, &four->sin_addr) == 1 ? 0 : -EINVAL;
}

static int tcp_listen(const char *text) {
	struct sockaddr_storage a;
	socklen_t len = 0;
	int one = 1;
	int ret = tcp_address(text, &a, &len);

	if (ret < 0)
		return ret;
	int fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0
	    || bind(fd, (struct sockaddr *)&a, len) < 0 || listen(fd, 16) < 0) {
		ret = -errno;
		close(fd);
		return ret;
	}
	return fd;
}

static struct MHD_Daemon *daemon_on(
	int fd,
	MHD_AccessHandlerCallback handler,
	MHD_RequestCompletedCallback end,
	void *owner
) {
	return MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME,
		0,
		NULL,
		NULL,
		handler,
		owner,
		MHD_OPTION_LISTEN_SOCKET,
		fd,
		MHD_OPTION_NOTIFY_COMPLETED,
		end,
		owner,
		MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)IDLE_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)CONNECTION_MEMORY,
		MHD_OPTION_END
	);
}

static gid_t group_of(const char *name) {
	struct group *g = getgrnam(name);
	return g != NULL ? g->gr_gid : (gid_t)-1;
}

int http_create(
	struct control *c,
	const char *socket_path,
	const char *metrics,
	struct http **out,
	char *why,
	size_t why_len
) {
	struct http *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return -ENOMEM;
	h->control = c;
	h->operators = group_of("sluice-operator");
	h->viewers = group_of("sluice-viewer");
	snprintf(h->path, sizeof(h->path), "%s", socket_path);
	int fd = unix_listen(socket_path);
	if (fd >= 0)
		h->api = daemon_on(fd, api_request, request_end, h);
	if (h->api == NULL) {
		int ret = fd < 0 ? fd : -ENOMEM;
		snprintf(why, why_len, "%s: %s", socket_path, strerror(-ret));
		http_destroy(h);
		return ret;
	}
	if (metrics != NULL) {
		fd = tcp_listen(metrics);
		if (fd >= 0)
			h->metrics = daemon_on(fd, metrics_request, NULL, h);
		if (h->metrics == NULL) {
			int ret = fd < 0 ? fd : -ENOMEM;
			snprintf(why, why_len, "metrics on %s: %s", metrics, strerror(-ret));
			http_destroy(h);
			return ret;
		}
	}
	*out = h;
	return 0;
}

void http_destroy(struct http *h) {
	if (h == NULL)
		return;
	if (h->api != NULL)
		MHD_stop_daemon(h->api);
	if (h->metrics != NULL)
		MHD_stop_daemon(h->metrics);
	unlink(h->path);
	free(h);
}

static int epoll_fd(struct MHD_Daemon *d) {
	if (d == NULL)
		return -1;
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(d, MHD_DAEMON_INFO_EPOLL_FD);
	return info != NULL ? info->epoll_fd : -1;
}

void http_poll_prepare(struct http *h, struct pollfd fds[HTTP_FDS]) {
	fds[0] = (struct pollfd) {.fd = epoll_fd(h->api), .events = POLLIN};
	fds[1] = (struct pollfd) {.fd = epoll_fd(h->metrics), .events = POLLIN};
}

static int sooner(struct MHD_Daemon *d, int ms) {
	MHD_UNSIGNED_LONG_LONG wanted;

	if (d == NULL || MHD_get_timeout(d, &wanted) != MHD_YES || wanted >= (unsigned)ms)
		return ms;
	return (int)wanted;
}

int http_timeout_ms(struct http *h, int at_most) {
	return sooner(h->metrics, sooner(h->api, at_most));
}

void http_run(struct http *h) {
	MHD_run(h->api);
	if (h->metrics != NULL)
		MHD_run(h->metrics);
}
