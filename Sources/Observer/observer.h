/// What the observer's files share. Nothing here is exported: the library's only symbols are those it stands in for.
///
/// Rules of the house: no allocation, no lock, no large stack frame, no write() per record; errno is what the real call
/// left; whatever can't be recorded is left out silently, and the reader finds the gap.
#ifndef LARDER_OBSERVER_H
#define LARDER_OBSERVER_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "include/larder_trace.h"

/// The caller's address, by which its shared object is found.
#define CALLER __builtin_return_address(0)

/// glibc declares many arguments as never null, and the compiler then drops our checks. A caller's null is the kernel's
/// to refuse, so the pointer is washed of that promise.
#define WASHED(pointer)                                                                                                \
    ({                                                                                                                 \
        __typeof__(pointer) washed_ = (pointer);                                                                       \
        __asm__("" : "+r"(washed_));                                                                                   \
        washed_;                                                                                                       \
    })

#pragma GCC visibility push(hidden)

/// Every function that the observer stands in for. Those that every libc here has are looked up at the start, so that
/// a child of vfork or a signal handler finds them at hand.
#define REAL_FUNCTIONS(X)                                                                                              \
    X(open) X(open64) X(openat) X(openat64) X(creat) X(creat64) X(__open_2) X(__open64_2) X(__openat_2)                \
    X(__openat64_2) X(fopen) X(fopen64) X(freopen) X(freopen64) X(mkstemp) X(mkstemp64) X(mkostemp) X(mkostemp64)      \
    X(mkstemps) X(mkstemps64) X(mkostemps) X(mkostemps64) X(mkdtemp) X(truncate) X(truncate64)                         \
    X(stat) X(stat64) X(lstat) X(lstat64) X(fstatat) X(fstatat64) X(__xstat) X(__xstat64) X(__lxstat)                  \
    X(__lxstat64) X(__fxstatat) X(__fxstatat64) X(access) X(faccessat) X(eaccess) X(euidaccess)                        \
    X(readlink) X(readlinkat) X(__readlink_chk) X(__readlinkat_chk) X(realpath) X(__realpath_chk)                      \
    X(canonicalize_file_name) X(opendir) X(fdopendir) X(scandir) X(scandir64)                                          \
    X(ftw) X(ftw64) X(nftw) X(nftw64) X(glob) X(glob64) X(wordexp)                                                     \
    X(chdir) X(getcwd) X(get_current_dir_name) X(getwd) X(__getcwd_chk) X(mkdir) X(mkdirat) X(rmdir)                   \
    X(rename) X(renameat) X(unlink) X(unlinkat) X(remove) X(link) X(linkat) X(symlink) X(symlinkat)                    \
    X(getenv) X(secure_getenv) X(setlocale) X(newlocale)                                                               \
    X(execv) X(execve) X(execvp) X(execvpe) X(fexecve) X(posix_spawn) X(posix_spawnp)                                  \
    X(system) X(popen) X(dlopen) X(connect) X(syscall)                                                                 \
    X(clock_gettime) X(gettimeofday) X(time) X(gethostname) X(uname)

/// Those that an older or newer libc may lack are looked up when they are called: the loader tells of a missing symbol
/// with a text that it allocates, and not every moment bears that.
#define LATER_FUNCTIONS(X)                                                                                             \
    X(statx) X(renameat2) X(pidfd_spawn) X(pidfd_spawnp) X(__newlocale) X(fts_open) X(fts64_open) X(scandirat)         \
    X(scandirat64)

enum real_function {
#define NUMBER(name) REAL_##name,
    REAL_FUNCTIONS(NUMBER)
    LAST_AT_START,
    FIRST_LATER = LAST_AT_START,
    BEFORE_LATER = FIRST_LATER - 1,
    LATER_FUNCTIONS(NUMBER)
#undef NUMBER
    REAL_COUNT
};

/// The function that the caller meant: the next one of that name in the loader's order, or null if there is none.
void *real_function(enum real_function which);

#define REAL(name) ((__typeof__(&name))real_function(REAL_##name))

/// A text of a record: a path to be made absolute, or bytes as they are.
struct text {
    const char *bytes;
    size_t length;
    /// The folder that a relative path starts from: AT_FDCWD or a descriptor.
    int folder;
    bool is_path;
};

/// What is known of a call before it becomes a record.
struct event {
    uint16_t kind;
    int32_t error;
    uint32_t flags;
    uint32_t type;
    uint64_t value;
    const void *caller;
    /// The caller's object if `caller` is null.
    uint32_t object;
    struct text a, b;
};

/// True once the trace is mapped.
bool observing(void);

/// Appends a record. Changes errno: callers keep it.
/// @return the record's offset in the file, or 0 if there was no room.
uint64_t record(const struct event *event);

struct text path_text(int folder, const char *path);
struct text plain_text(const char *bytes);
struct text counted_text(const char *bytes, size_t length);

size_t text_length(const char *bytes);
uint64_t hash_bytes(const char *bytes, size_t length);
bool begins_with(const char *text, const char *prefix);

/// "LARDER_TRACE=…", and this library's own path as the loader knows it. Valid while observing.
const char *trace_setting(void);
const char *library_path(void);

/// Finds the loaded objects that are not in the table yet, and records them.
void refresh_objects(bool at_start);
/// Notes that a dlopen is about to happen, so that the next record looks for new objects.
void expect_new_objects(void);
/// Refreshes if a dlopen was noted and has brought something.
void settle_objects(void);
/// @return the number of the object that holds this address, 0 if it isn't known.
uint32_t object_of(const void *address);
/// Whether the code at this address was in the process from its start: the program's own, not a proc macro's.
bool from_start(const void *address);

/// Type of an open file, as in a record's `type`. `stamp` gets what tells this file from another one under its name.
uint32_t type_of_descriptor(int descriptor, uint64_t *stamp);
static inline uint32_t type_of_mode(mode_t mode) { return (uint32_t)mode >> 12 & 15; }

// Recording of one kind of call each. `failed` tells whether errno holds the call's error. They keep errno.
void saw_open(const void *caller, int folder, const char *path, int flags, int descriptor);
void saw_look(const void *caller, int folder, const char *path, uint32_t flags, bool failed, uint32_t type);
void saw_link_text(const void *caller, int folder, const char *path, const char *text, ssize_t length);
void saw_path(const void *caller, uint16_t kind, int folder, const char *path, bool failed);
void saw_two_paths(
    const void *caller, uint16_t kind, int folder_a, const char *a, int folder_b, const char *b, bool failed
);
void saw_plain(const void *caller, uint16_t kind, const char *text);
void saw_connect(const void *caller, const void *address, size_t length, bool failed);

/// Asks the kernel without touching errno. Negative results are errors.
static inline long kernel(long number, long a, long b, long c, long d, long e, long f) {
#if defined(__x86_64__)
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
#else
#error "the observer knows how to call the kernel on x86_64 and aarch64"
#endif
}

#pragma GCC visibility pop

#endif
