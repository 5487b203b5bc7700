// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "dataplane/privileges.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static int user_lookup(const struct config *c, uid_t *uid, gid_t *gid, char *why, size_t why_len) {
	struct passwd *pw = getpwnam(c->user);

	if (pw == nullptr) {
		snprintf(
			why,
			why_len,
			"user: there is no user '%s' on this system; create it (useradd -r %s) or "
			"set user: \"\"",
			c->user,
			c->user
		);
		return -ENOENT;
	}
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	return 0;
}

static int directory_own(const char *path, uid_t uid, gid_t gid, char *why, size_t why_len) {
	char parent[256];

	// Parents first; a directory that exists is as good as one made here.
	for (size_t i = 1; path[i] != '\0'; i++) {
		if (path[i] != '/' || i >= sizeof(parent))
			continue;
		snprintf(parent, sizeof(parent), "%.*s", (int)i, path);
		mkdir(parent, 0755);
	}
	if ((mkdir(path, 0755) != 0 && errno != EEXIST)
	    || (geteuid() == 0 && chown(path, uid, gid) != 0)) {
		int err = errno;
		snprintf(why, why_len, "%s: %s", path, strerror(err));
		return -err;
	}
	return 0;
}

int privileges_own_directories(const struct config *c, char *why, size_t why_len) {
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int ret = 0;

	if (c->user[0] != '\0' && uid == 0)
		ret = user_lookup(c, &uid, &gid, why, why_len);
	if (ret == 0)
		ret = directory_own(c->run_dir, uid, gid, why, why_len);
	if (ret == 0)
		ret = directory_own(c->state_dir, uid, gid, why, why_len);
	return ret;
}

// Files that were made in the state directory before the drop go on being written after it.
static int files_own(const char *path, uid_t uid, gid_t gid) {
	DIR *dir = opendir(path);
	int ret = 0;

	if (dir == nullptr)
		return -errno;
	for (struct dirent *e = readdir(dir); e != nullptr && ret == 0; e = readdir(dir))
		if (e->d_type == DT_REG
		    && fchownat(dirfd(dir), e->d_name, uid, gid, AT_SYMLINK_NOFOLLOW) != 0)
			ret = -errno;
	closedir(dir);
	return ret;
}

int privileges_drop(const struct config *c, char *why, size_t why_len) {
	uid_t uid;
	gid_t gid;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		goto fail;
	if (c->user[0] != '\0' && geteuid() == 0) {
		int ret = user_lookup(c, &uid, &gid, why, why_len);
		if (ret != 0)
			return ret;
		ret = files_own(c->state_dir, uid, gid);
		if (ret != 0) {
			snprintf(why, why_len, "%s: %s", c->state_dir, strerror(-ret));
			return ret;
		}
		// glibc carries these to every thread, EAL's included.
		if (setgroups(0, nullptr) != 0 || setresgid(gid, gid, gid) != 0
		    || setresuid(uid, uid, uid) != 0)
			goto fail;
	}
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		goto fail;
	return 0;

fail:
	snprintf(why, why_len, "dropping privileges: %s", strerror(errno));
	return -errno;
}
