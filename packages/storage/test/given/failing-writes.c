/* Lets one write or sync of a write-ahead log fail, as a broken or a full disk does.
 * FAIL_CALL: "write" (nothing of it is written), "short" (half of it is) or "sync"; FAIL_AT: which one, from 1;
 * FAIL_ERRNO: the number of the error. Every later one works again: that it is not used is what is tested. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_log(int file) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  return length > 4 && strncmp(path + length - 4, ".log", 4) == 0;
}

static int fails(const char *call, int file) {
  static long count;
  const char *wanted = getenv("FAIL_CALL"), *at = getenv("FAIL_AT"), *number = getenv("FAIL_ERRNO");
  if (!wanted || !at || !number || strcmp(wanted, call) != 0 || !is_log(file)) return 0;
  if (__sync_add_and_fetch(&count, 1) != atol(at)) return 0;
  errno = atoi(number);
  return 1;
}

size_t fwrite_unlocked(const void *data, size_t size, size_t count, FILE *file) {
  size_t (*real)(const void *, size_t, size_t, FILE *) =
      (size_t (*)(const void *, size_t, size_t, FILE *))dlsym(RTLD_NEXT, "fwrite_unlocked");
  if (fails("write", fileno(file))) return 0;
  if (fails("short", fileno(file))) {
    int error = errno;
    size_t half = real(data, size, count / 2, file);
    fflush(file);
    errno = error;
    return half;
  }
  return real(data, size, count, file);
}

int fdatasync(int file) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  return fails("sync", file) ? -1 : real(file);
}
