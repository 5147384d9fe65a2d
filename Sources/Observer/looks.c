/// Stand-ins for the calls that ask about a path without opening it.
#include "observer.h"

#include <stdlib.h>
#include <unistd.h>

struct stat64;
int __xstat(int version, const char *path, struct stat *into);
int __xstat64(int version, const char *path, struct stat64 *into);
int __lxstat(int version, const char *path, struct stat *into);
int __lxstat64(int version, const char *path, struct stat64 *into);
int __fxstatat(int version, int folder, const char *path, struct stat *into, int flags);
int __fxstatat64(int version, int folder, const char *path, struct stat64 *into, int flags);
ssize_t __readlink_chk(const char *path, char *into, size_t size, size_t room);
ssize_t __readlinkat_chk(int folder, const char *path, char *into, size_t size, size_t room);
char *__realpath_chk(const char *path, char *into, size_t room);

#define TYPE_IF(result, into) ((result) == 0 ? type_of_mode((into)->st_mode) : 0)
#define NO_FOLLOW(flags) ((flags) & AT_SYMLINK_NOFOLLOW ? LARDER_LOOK_NO_FOLLOW : 0)

#define STAND_IN_STAT(name, buffer, flags)                                                                             \
    int name(const char *path, struct buffer *into) {                                                                  \
        int result = REAL(name)(path, into);                                                                           \
        saw_look(CALLER, AT_FDCWD, path, flags, result != 0, TYPE_IF(result, into));                                   \
        return result;                                                                                                 \
    }
STAND_IN_STAT(stat, stat, 0)
STAND_IN_STAT(stat64, stat64, 0)
STAND_IN_STAT(lstat, stat, LARDER_LOOK_NO_FOLLOW)
STAND_IN_STAT(lstat64, stat64, LARDER_LOOK_NO_FOLLOW)

#define STAND_IN_XSTAT(name, buffer, flags)                                                                            \
    int name(int version, const char *path, struct buffer *into) {                                                     \
        int result = REAL(name)(version, path, into);                                                                  \
        saw_look(CALLER, AT_FDCWD, path, flags, result != 0, TYPE_IF(result, into));                                   \
        return result;                                                                                                 \
    }
STAND_IN_XSTAT(__xstat, stat, 0)
STAND_IN_XSTAT(__xstat64, stat64, 0)
STAND_IN_XSTAT(__lxstat, stat, LARDER_LOOK_NO_FOLLOW)
STAND_IN_XSTAT(__lxstat64, stat64, LARDER_LOOK_NO_FOLLOW)

#define STAND_IN_FSTATAT(name, buffer)                                                                                 \
    int name(int folder, const char *path, struct buffer *into, int flags) {                                           \
        int result = REAL(name)(folder, path, into, flags);                                                            \
        saw_look(CALLER, folder, path, NO_FOLLOW(flags), result != 0, TYPE_IF(result, into));                          \
        return result;                                                                                                 \
    }
STAND_IN_FSTATAT(fstatat, stat)
STAND_IN_FSTATAT(fstatat64, stat64)

#define STAND_IN_FXSTATAT(name, buffer)                                                                                \
    int name(int version, int folder, const char *path, struct buffer *into, int flags) {                              \
        int result = REAL(name)(version, folder, path, into, flags);                                                   \
        saw_look(CALLER, folder, path, NO_FOLLOW(flags), result != 0, TYPE_IF(result, into));                          \
        return result;                                                                                                 \
    }
STAND_IN_FXSTATAT(__fxstatat, stat)
STAND_IN_FXSTATAT(__fxstatat64, stat64)

int statx(int folder, const char *path, int flags, unsigned mask, struct statx *into) {
    int result = REAL(statx)(folder, path, flags, mask, into);
    uint32_t type = result == 0 && into->stx_mask & STATX_TYPE ? type_of_mode(into->stx_mode) : 0;
    saw_look(CALLER, folder, path, NO_FOLLOW(flags), result != 0, type);
    return result;
}

#define STAND_IN_ACCESS(name)                                                                                          \
    int name(const char *path, int mode) {                                                                             \
        int result = REAL(name)(path, mode);                                                                           \
        saw_look(CALLER, AT_FDCWD, path, LARDER_LOOK_ACCESS, result != 0, 0);                                          \
        return result;                                                                                                 \
    }
STAND_IN_ACCESS(access)
STAND_IN_ACCESS(eaccess)
STAND_IN_ACCESS(euidaccess)

int faccessat(int folder, const char *path, int mode, int flags) {
    int result = REAL(faccessat)(folder, path, mode, flags);
    saw_look(CALLER, folder, path, LARDER_LOOK_ACCESS | NO_FOLLOW(flags), result != 0, 0);
    return result;
}

ssize_t readlink(const char *path, char *into, size_t size) {
    ssize_t length = REAL(readlink)(path, into, size);
    saw_link_text(CALLER, AT_FDCWD, path, into, length);
    return length;
}

ssize_t readlinkat(int folder, const char *path, char *into, size_t size) {
    ssize_t length = REAL(readlinkat)(folder, path, into, size);
    saw_link_text(CALLER, folder, path, into, length);
    return length;
}

ssize_t __readlink_chk(const char *path, char *into, size_t size, size_t room) {
    ssize_t length = REAL(__readlink_chk)(path, into, size, room);
    saw_link_text(CALLER, AT_FDCWD, path, into, length);
    return length;
}

ssize_t __readlinkat_chk(int folder, const char *path, char *into, size_t size, size_t room) {
    ssize_t length = REAL(__readlinkat_chk)(folder, path, into, size, room);
    saw_link_text(CALLER, folder, path, into, length);
    return length;
}

static void saw_resolved(const void *caller, const char *path, const char *result) {
    int before = errno;
    path = WASHED(path);
    if (observing() && path && path[0] && (result || before != ENAMETOOLONG))
        record(&(struct event){
            .kind = LARDER_RESOLVE,
            .error = result ? 0 : before,
            .caller = caller,
            .a = path_text(AT_FDCWD, path),
            .b = plain_text(result),
        });
    errno = before;
}

char *realpath(const char *path, char *into) {
    char *result = REAL(realpath)(path, into);
    saw_resolved(CALLER, path, result);
    return result;
}

char *__realpath_chk(const char *path, char *into, size_t room) {
    char *result = REAL(__realpath_chk)(path, into, room);
    saw_resolved(CALLER, path, result);
    return result;
}

char *canonicalize_file_name(const char *path) {
    char *result = REAL(canonicalize_file_name)(path);
    saw_resolved(CALLER, path, result);
    return result;
}
