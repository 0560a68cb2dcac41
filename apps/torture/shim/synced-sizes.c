/* Writes down how much of each file has been synced, so that a power cut can be made by cutting the files to that.
 * One line "inode size" for each fsync, fdatasync and unlink, to the file that SYNCED_SIZES names. The id of the machine's
 * start is read from the file that BOOT_ID names: after a power cut it is another one. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int journal = -1;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("SYNCED_SIZES");
  if (path) journal = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void note(unsigned long inode, long size) {
  char line[64];
  if (journal < 0) return;
  if (write(journal, line, (size_t)snprintf(line, sizeof line, "%lu %ld\n", inode, size)) < 0) abort();
}

/* The size is taken before the sync: what is written while it runs may not be in it. */
static int synced(const char *name, int file) {
  struct stat state;
  int known = fstat(file, &state) == 0 && S_ISREG(state.st_mode);
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  int result = real(file);
  if (result == 0 && known) note((unsigned long)state.st_ino, (long)state.st_size);
  return result;
}

int fsync(int file) { return synced("fsync", file); }
int fdatasync(int file) { return synced("fdatasync", file); }

/* The inode number may be given to a new file, of which nothing is synced. */
int unlink(const char *path) {
  struct stat state;
  int known = stat(path, &state) == 0;
  int (*real)(const char *) = (int (*)(const char *))dlsym(RTLD_NEXT, "unlink");
  if (known) note((unsigned long)state.st_ino, 0);
  return real(path);
}

static const char *redirected(const char *path) {
  const char *other = getenv("BOOT_ID");
  return other && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0 ? other : path;
}

#define OPEN(name)                                                                  \
  int name(const char *path, int flags, ...) {                                      \
    va_list rest;                                                                   \
    va_start(rest, flags);                                                          \
    mode_t mode = va_arg(rest, mode_t);                                             \
    va_end(rest);                                                                   \
    int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #name); \
    return real(redirected(path), flags, mode);                                     \
  }
OPEN(open)
OPEN(open64)
