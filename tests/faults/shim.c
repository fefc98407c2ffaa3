/* Preloaded into lockstep (LD_PRELOAD), makes the system calls that change files below $FAULT_DIRECTORY fail, come up
 * short or be the last thing that the process does, and records them. Or makes those fail that read them.
 *
 *   FAULT_DIRECTORY  absolute path; calls on other files pass
 *   FAULT_MODE       kill: SIGKILL before the call · tear: half of a write, then SIGKILL · error: fails with FAULT_ERRNO
 *                    short: half of a write · none: all calls pass · read: reads are counted and fail instead
 *                    lock: every lock fails instead
 *   FAULT_AT         the first call that is hit, counted from 1
 *   FAULT_CALLS      how many calls are hit, from there on (default 1)
 *   FAULT_ERRNO      a number
 *   FAULT_COUNT_FILE gets two numbers at the end of the process: calls made, calls that failed or came up short; then the
 *                    operation and the file of the last one that did
 *   FAULT_TRACE      file to which each call is appended before it is made, as "operation length\n" and that many bytes:
 *                    NUL-separated texts, for writes: path, offset, content
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { most_descriptors = 4096 };
static char* paths[most_descriptors]; /* of descriptors below the directory */
static char written[most_descriptors];  /* whether something was written to them */
static char last_hit[PATH_MAX + 16];    /* operation and path of what failed last */
static atomic_int calls, hits;
static int trace = -1;

static const char* directory(void) { return getenv("FAULT_DIRECTORY"); }

static int number(const char* name, int otherwise) {
  const char* text = getenv(name);
  return text == NULL ? otherwise : atoi(text);
}

static int is_mode(const char* mode) {
  const char* chosen = getenv("FAULT_MODE");
  return chosen != NULL && strcmp(chosen, mode) == 0;
}

static int watched(const char* path) {
  char absolute[PATH_MAX];
  if (directory() == NULL || path == NULL) return 0;
  if (path[0] != '/') {
    if (getcwd(absolute, sizeof absolute / 2) == NULL) return 0;
    strncat(absolute, "/", 2);
    strncat(absolute, path, sizeof absolute / 2);
    path = absolute;
  }
  return strncmp(path, directory(), strlen(directory())) == 0;
}

static const char* path_of(int descriptor) {
  return descriptor >= 0 && descriptor < most_descriptors ? paths[descriptor] : NULL;
}

static void record(const char* operation, const char* first, const char* second, const void* content, size_t length) {
  if (getenv("FAULT_TRACE") == NULL) return;
  if (trace < 0) trace = (int)syscall(SYS_openat, AT_FDCWD, getenv("FAULT_TRACE"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const size_t total = strlen(first) + 1 + strlen(second) + 1 + length;
  char header[64];
  const int header_length = snprintf(header, sizeof header, "%s %zu\n", operation, total);
  const struct iovec parts[] = {{header, (size_t)header_length},
                                {(void*)(size_t)first, strlen(first) + 1},
                                {(void*)(size_t)second, strlen(second) + 1},
                                {(void*)(size_t)content, length}};
  if (syscall(SYS_writev, trace, parts, 4) < 0) abort();
}

/* Counts a call, and says whether it is one of those that are hit. */
static int is_hit(void) {
  const int call = ++calls, at = number("FAULT_AT", 0);
  return at != 0 && call >= at && call < at + number("FAULT_CALLS", 1);
}

static int failed(const char* operation, const char* path) {
  snprintf(last_hit, sizeof last_hit, "%s %s", operation, path);
  ++hits;
  errno = number("FAULT_ERRNO", EIO);
  return -1;
}

/* Called before each call that changes a file. What to do: 0 pass, -1 fail with errno set, 1 half of a write. */
static int fate(const char* operation, const char* path) {
  if (is_mode("read") || !is_hit()) return 0;
  if (is_mode("kill")) kill(getpid(), SIGKILL);
  if (is_mode("short") || is_mode("tear")) return 1;
  return is_mode("error") ? failed(operation, path) : 0;
}

/* Called before each read. */
static int read_fate(int descriptor) {
  if (path_of(descriptor) == NULL || !is_mode("read") || !is_hit()) return 0;
  return failed("read", path_of(descriptor));
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int opened(int descriptor, const char* path) {
  if (descriptor >= 0 && descriptor < most_descriptors) {
    free(paths[descriptor]);
    paths[descriptor] = watched(path) ? strdup(path) : NULL;
    written[descriptor] = 0;
  }
  return descriptor;
}

static int open_at(int at, const char* path, int flags, mode_t mode) {
  if (watched(path) && (flags & (O_CREAT | O_TRUNC)) != 0) {
    if (access(path, F_OK) != 0 || (flags & O_TRUNC) != 0) {
      if (fate("create", path) < 0) return -1;
      record("create", path, "", "", 0);
    }
  }
  return opened((int)syscall(SYS_openat, at, path, flags, mode), path);
}

#define OPEN_FUNCTION(name)                                      \
  int name(const char* path, int flags, ...) {                   \
    va_list more;                                                \
    va_start(more, flags);                                       \
    const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(more, mode_t) : 0; \
    va_end(more);                                                \
    return open_at(AT_FDCWD, path, flags, mode);                 \
  }
OPEN_FUNCTION(open)
OPEN_FUNCTION(open64)

FILE* fopen(const char* path, const char* mode) {
  if (watched(path) && strpbrk(mode, "wa") != NULL && fate("create", path) < 0) return NULL;
  FILE* file = REAL(fopen)(path, mode);
  if (file != NULL) opened(fileno(file), path);
  return file;
}
FILE* fopen64(const char* path, const char* mode) { return fopen(path, mode); }

static void forget(int descriptor) {
  if (path_of(descriptor) == NULL) return;
  free(paths[descriptor]);
  paths[descriptor] = NULL;
}

int fclose(FILE* file) {
  forget(fileno(file));
  return REAL(fclose)(file);
}

/* Where a file server tells of a quota. The descriptor is closed all the same. */
int close(int descriptor) {
  const int counts = path_of(descriptor) != NULL && written[descriptor];
  const int what = counts ? fate("close", path_of(descriptor)) : 0;
  const int error = errno;
  forget(descriptor);
  const int result = (int)syscall(SYS_close, descriptor);
  if (what >= 0) return result;
  errno = error;
  return -1;
}

static ssize_t write_at(int descriptor, const void* data, size_t length, off64_t offset, int positioned) {
  if (path_of(descriptor) != NULL && length > 0) {
    written[descriptor] = 1;
    const int what = fate("write", path_of(descriptor));
    if (what < 0) return -1;
    char position[32];
    off64_t place = positioned ? offset : lseek64(descriptor, 0, (fcntl(descriptor, F_GETFL) & O_APPEND) ? SEEK_END : SEEK_CUR);
    snprintf(position, sizeof position, "%lld", (long long)place);
    if (what > 0) {
      length = (length + 1) / 2;
      ++hits;
    }
    record("write", path_of(descriptor), position, data, length);
    if (what > 0 && is_mode("tear")) {
      if (positioned) syscall(SYS_pwrite64, descriptor, data, length, offset);
      else syscall(SYS_write, descriptor, data, length);
      kill(getpid(), SIGKILL);
    }
  }
  if (positioned) return syscall(SYS_pwrite64, descriptor, data, length, offset);
  return syscall(SYS_write, descriptor, data, length);
}

ssize_t read(int descriptor, void* data, size_t length) {
  return read_fate(descriptor) < 0 ? -1 : syscall(SYS_read, descriptor, data, length);
}
ssize_t pread(int descriptor, void* data, size_t length, off_t offset) {
  return read_fate(descriptor) < 0 ? -1 : syscall(SYS_pread64, descriptor, data, length, offset);
}
ssize_t pread64(int descriptor, void* data, size_t length, off64_t offset) { return pread(descriptor, data, length, offset); }

ssize_t write(int descriptor, const void* data, size_t length) { return write_at(descriptor, data, length, 0, 0); }
ssize_t pwrite(int descriptor, const void* data, size_t length, off_t offset) { return write_at(descriptor, data, length, offset, 1); }
ssize_t pwrite64(int descriptor, const void* data, size_t length, off64_t offset) { return write_at(descriptor, data, length, offset, 1); }

ssize_t writev(int descriptor, const struct iovec* parts, int count) {
  if (path_of(descriptor) == NULL) return syscall(SYS_writev, descriptor, parts, count);
  ssize_t total = 0;
  for (int i = 0; i < count; ++i) {
    if (parts[i].iov_len == 0) continue;
    const ssize_t written = write(descriptor, parts[i].iov_base, parts[i].iov_len);
    if (written < 0) return total > 0 ? total : -1;
    total += written;
    if ((size_t)written < parts[i].iov_len) break;
  }
  return total;
}

#define SYNC_FUNCTION(name, number)                       \
  int name(int descriptor) {                              \
    if (path_of(descriptor) != NULL) {                    \
      if (fate("sync", path_of(descriptor)) < 0) return -1; \
      record("sync", path_of(descriptor), "", "", 0);     \
    }                                                     \
    return (int)syscall(number, descriptor);              \
  }
SYNC_FUNCTION(fsync, SYS_fsync)
SYNC_FUNCTION(fdatasync, SYS_fdatasync)

int flock(int descriptor, int operation) {
  if (path_of(descriptor) != NULL && is_mode("lock")) return failed("lock", path_of(descriptor));
  return (int)syscall(SYS_flock, descriptor, operation);
}

static int changed(const char* operation, const char* from, const char* to) {
  if (!watched(from) && !watched(to)) return 0;
  if (fate(operation, from) < 0) return -1;
  record(operation, from, to, "", 0);
  return 0;
}

int rename(const char* from, const char* to) {
  return changed("rename", from, to) < 0 ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}
int link(const char* from, const char* to) {
  return changed("link", from, to) < 0 ? -1 : (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}
int unlink(const char* path) {
  return changed("unlink", path, "") < 0 ? -1 : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}
int remove(const char* path) {
  if (!watched(path)) return REAL(remove)(path);
  return unlink(path);
}
int ftruncate(int descriptor, off_t length) {
  if (path_of(descriptor) != NULL) {
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)length);
    if (fate("truncate", path_of(descriptor)) < 0) return -1;
    record("truncate", path_of(descriptor), text, "", 0);
  }
  return (int)syscall(SYS_ftruncate, descriptor, length);
}
int ftruncate64(int descriptor, off64_t length) { return ftruncate(descriptor, length); }

__attribute__((destructor)) static void tell_calls(void) {
  const char* path = getenv("FAULT_COUNT_FILE");
  if (path == NULL || calls == 0) return;
  char text[PATH_MAX + 64];
  const int length = snprintf(text, sizeof text, "%d %d %s\n", (int)calls, (int)hits, last_hit);
  const int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  syscall(SYS_write, file, text, (size_t)length);
}
