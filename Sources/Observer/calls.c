/// From a call and its outcome to a record. Each keeps the errno that the call left.
#include "observer.h"

#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

/// A path that the kernel refused to even look at (null, empty, too long, below a descriptor that isn't open) told its caller nothing about any file.
static bool worth_telling(const char *path, int32_t error) {
    path = WASHED(path);
    return path && error != EFAULT && error != ENAMETOOLONG && error != EBADF && path[0] != 0;
}

uint32_t type_of_descriptor(int descriptor, uint64_t *stamp) {
    struct stat found;
    long result = kernel(SYS_fstat, descriptor, (long)&found, 0, 0, 0, 0);
    if (result < 0) return 0;
    uint64_t parts[] = {
        (uint64_t)found.st_dev, (uint64_t)found.st_ino, (uint64_t)found.st_size,
        (uint64_t)found.st_mtim.tv_sec * 1000000000u + (uint64_t)found.st_mtim.tv_nsec,
    };
    *stamp = hash_bytes((const char *)parts, sizeof parts);
    return type_of_mode(found.st_mode);
}

void saw_open(const void *caller, int folder, const char *path, int flags, int descriptor) {
    int before = errno;
    int32_t error = descriptor < 0 ? before : 0;
    if (observing() && worth_telling(path, error)) {
        uint32_t seen = 0;
        int access = flags & O_ACCMODE;
        if (access == O_RDONLY || access == O_RDWR) seen |= LARDER_OPEN_READ;
        if (access == O_WRONLY || access == O_RDWR) seen |= LARDER_OPEN_WRITE;
        if (flags & O_CREAT) seen |= LARDER_OPEN_CREATE;
        if (flags & O_TRUNC) seen |= LARDER_OPEN_TRUNCATE;
        if (flags & O_EXCL) seen |= LARDER_OPEN_EXCLUSIVE;
        if (flags & O_PATH || (flags & O_TMPFILE) == O_TMPFILE) seen |= LARDER_OPEN_NAME_ONLY;
        uint64_t stamp = 0;
        uint32_t type = descriptor < 0 ? 0 : type_of_descriptor(descriptor, &stamp);
        record(&(struct event){
            .kind = LARDER_OPEN,
            .error = error,
            .flags = seen,
            .type = type,
            .value = stamp,
            .caller = caller,
            .a = path_text(folder, path),
        });
    }
    errno = before;
}

void saw_look(const void *caller, int folder, const char *path, uint32_t flags, bool failed, uint32_t type) {
    int before = errno;
    int32_t error = failed ? before : 0;
    if (observing() && worth_telling(path, error))
        record(&(struct event){
            .kind = LARDER_LOOK,
            .error = error,
            .flags = flags,
            .type = failed ? 0 : type,
            .caller = caller,
            .a = path_text(folder, path),
        });
    errno = before;
}

void saw_link_text(const void *caller, int folder, const char *path, const char *text, ssize_t length) {
    int before = errno;
    int32_t error = length < 0 ? before : 0;
    if (observing() && worth_telling(path, error))
        record(&(struct event){
            .kind = LARDER_READLINK,
            .error = error,
            .caller = caller,
            .a = path_text(folder, path),
            .b = length < 0 ? plain_text("") : counted_text(text, (size_t)length),
        });
    errno = before;
}

void saw_path(const void *caller, uint16_t kind, int folder, const char *path, bool failed) {
    int before = errno;
    int32_t error = failed ? before : 0;
    if (observing() && worth_telling(path, error))
        record(&(struct event){.kind = kind, .error = error, .caller = caller, .a = path_text(folder, path)});
    errno = before;
}

void saw_two_paths(
    const void *caller, uint16_t kind, int folder_a, const char *a, int folder_b, const char *b, bool failed
) {
    int before = errno;
    int32_t error = failed ? before : 0;
    if (observing() && worth_telling(a, error) && worth_telling(b, error))
        record(&(struct event){
            .kind = kind,
            .error = error,
            .caller = caller,
            .a = kind == LARDER_SYMLINK ? plain_text(a) : path_text(folder_a, a),
            .b = path_text(folder_b, b),
        });
    errno = before;
}

void saw_plain(const void *caller, uint16_t kind, const char *text) {
    int before = errno;
    if (observing()) record(&(struct event){.kind = kind, .caller = caller, .a = plain_text(text)});
    errno = before;
}

void saw_connect(const void *caller, const void *address, size_t length, bool failed) {
    int before = errno;
    const struct sockaddr *socket = WASHED((const struct sockaddr *)address);
    if (observing() && socket && length >= sizeof socket->sa_family && !(failed && before == EFAULT)) {
        struct text text = plain_text("a socket");
        const struct sockaddr_un *local = (const struct sockaddr_un *)socket;
        size_t start = offsetof(struct sockaddr_un, sun_path);
        if (socket->sa_family == AF_INET || socket->sa_family == AF_INET6) text = plain_text("the network");
        if (socket->sa_family == AF_UNIX && length > start && local->sun_path[0]) {
            size_t most = length - start, used = 0;
            while (used < most && local->sun_path[used]) used++;
            text = counted_text(local->sun_path, used);
        }
        record(&(struct event){
            .kind = LARDER_CONNECT, .error = failed ? before : 0, .caller = caller, .a = text
        });
    }
    errno = before;
}
