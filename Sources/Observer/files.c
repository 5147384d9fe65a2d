/// Stand-ins for the calls that open and make files.
#include "observer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int folder, const char *path, int flags);
int __openat64_2(int folder, const char *path, int flags);

/// The mode is there only if a file may be made; reading it when it isn't is harmless, but undefined.
#define READ_MODE(mode, flags)                                                                                         \
    mode_t mode = 0;                                                                                                   \
    if ((flags) & O_CREAT || ((flags) & O_TMPFILE) == O_TMPFILE) {                                                     \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode = va_arg(rest, mode_t);                                                                                   \
        va_end(rest);                                                                                                  \
    }

#define STAND_IN_OPEN(name)                                                                                            \
    int name(const char *path, int flags, ...) {                                                                       \
        READ_MODE(mode, flags)                                                                                         \
        int descriptor = REAL(name)(path, flags, mode);                                                                \
        saw_open(CALLER, AT_FDCWD, path, flags, descriptor);                                                           \
        return descriptor;                                                                                             \
    }
STAND_IN_OPEN(open)
STAND_IN_OPEN(open64)

#define STAND_IN_OPENAT(name)                                                                                          \
    int name(int folder, const char *path, int flags, ...) {                                                           \
        READ_MODE(mode, flags)                                                                                         \
        int descriptor = REAL(name)(folder, path, flags, mode);                                                        \
        saw_open(CALLER, folder, path, flags, descriptor);                                                             \
        return descriptor;                                                                                             \
    }
STAND_IN_OPENAT(openat)
STAND_IN_OPENAT(openat64)

#define STAND_IN_CREAT(name)                                                                                           \
    int name(const char *path, mode_t mode) {                                                                          \
        int descriptor = REAL(name)(path, mode);                                                                       \
        saw_open(CALLER, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, descriptor);                                    \
        return descriptor;                                                                                             \
    }
STAND_IN_CREAT(creat)
STAND_IN_CREAT(creat64)

#define STAND_IN_OPEN_2(name)                                                                                          \
    int name(const char *path, int flags) {                                                                            \
        int descriptor = REAL(name)(path, flags);                                                                      \
        saw_open(CALLER, AT_FDCWD, path, flags, descriptor);                                                           \
        return descriptor;                                                                                             \
    }
STAND_IN_OPEN_2(__open_2)
STAND_IN_OPEN_2(__open64_2)

#define STAND_IN_OPENAT_2(name)                                                                                        \
    int name(int folder, const char *path, int flags) {                                                                \
        int descriptor = REAL(name)(folder, path, flags);                                                              \
        saw_open(CALLER, folder, path, flags, descriptor);                                                             \
        return descriptor;                                                                                             \
    }
STAND_IN_OPENAT_2(__openat_2)
STAND_IN_OPENAT_2(__openat64_2)

/// What open would be told for this mode of fopen.
static int flags_of(const char *mode) {
    mode = WASHED(mode);
    if (!mode) return O_RDONLY;
    int flags = mode[0] == 'r' ? O_RDONLY : O_WRONLY | O_CREAT | (mode[0] == 'w' ? O_TRUNC : 0);
    for (const char *each = mode; *each && *each != ','; each++) {
        if (*each == '+') flags = (flags & ~O_ACCMODE) | O_RDWR;
        if (*each == 'x') flags |= O_EXCL;
    }
    return flags;
}

/// freopen without a name changes the mode of an open file: nothing new is reached.
#define STAND_IN_FOPEN(name)                                                                                           \
    FILE *name(const char *path, const char *mode) {                                                                   \
        FILE *file = REAL(name)(path, mode);                                                                           \
        saw_open(CALLER, AT_FDCWD, path, flags_of(mode), file ? fileno(file) : -1);                                    \
        return file;                                                                                                   \
    }
STAND_IN_FOPEN(fopen)
STAND_IN_FOPEN(fopen64)

#define STAND_IN_FREOPEN(name)                                                                                         \
    FILE *name(const char *path, const char *mode, FILE *old) {                                                        \
        FILE *file = REAL(name)(path, mode, old);                                                                      \
        saw_open(CALLER, AT_FDCWD, path, flags_of(mode), file ? fileno(file) : -1);                                    \
        return file;                                                                                                   \
    }
STAND_IN_FREOPEN(freopen)
STAND_IN_FREOPEN(freopen64)

/// The name that was made is in the template afterwards.
#define STAND_IN_MKSTEMP(name, parameters, arguments)                                                                  \
    int name parameters {                                                                                              \
        int descriptor = REAL(name) arguments;                                                                         \
        if (descriptor >= 0) saw_open(CALLER, AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL, descriptor);                  \
        return descriptor;                                                                                             \
    }
STAND_IN_MKSTEMP(mkstemp, (char *path), (path))
STAND_IN_MKSTEMP(mkstemp64, (char *path), (path))
STAND_IN_MKSTEMP(mkostemp, (char *path, int flags), (path, flags))
STAND_IN_MKSTEMP(mkostemp64, (char *path, int flags), (path, flags))
STAND_IN_MKSTEMP(mkstemps, (char *path, int suffix), (path, suffix))
STAND_IN_MKSTEMP(mkstemps64, (char *path, int suffix), (path, suffix))
STAND_IN_MKSTEMP(mkostemps, (char *path, int suffix, int flags), (path, suffix, flags))
STAND_IN_MKSTEMP(mkostemps64, (char *path, int suffix, int flags), (path, suffix, flags))

char *mkdtemp(char *path) {
    char *made = REAL(mkdtemp)(path);
    if (made) saw_path(CALLER, LARDER_MKDIR, AT_FDCWD, made, false);
    return made;
}

static void saw_truncate(const void *caller, const char *path) {
    int before = errno;
    if (observing())
        record(&(struct event){
            .kind = LARDER_OPEN,
            .flags = LARDER_OPEN_WRITE | LARDER_OPEN_TRUNCATE,
            .type = 8,
            .caller = caller,
            .a = path_text(AT_FDCWD, path),
        });
    errno = before;
}

#define STAND_IN_TRUNCATE(name, type)                                                                                  \
    int name(const char *path, type length) {                                                                          \
        int result = REAL(name)(path, length);                                                                         \
        if (result == 0) saw_truncate(CALLER, path);                                                                   \
        return result;                                                                                                 \
    }
STAND_IN_TRUNCATE(truncate, off_t)
STAND_IN_TRUNCATE(truncate64, off64_t)
