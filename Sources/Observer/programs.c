/// Stand-ins for the calls that start programs.
///
/// A program's environment must name the trace and this library, or it can't be seen. Most inherit both. Where an
/// environment lacks them (env -i, a cleared Command) a copy with both is made on the stack: a child of vfork, which may
/// be what calls here, must not allocate in its parent's memory.
#include "observer.h"

#include <alloca.h>
#include <limits.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "programs.h"

extern char **environ;

#define PRELOAD "LD_PRELOAD="
/// What a small thread's stack surely holds. A larger environment is copied into pages of its own.
enum { MOST_ON_STACK = 16 * 1024 };

/// Whether LD_PRELOAD's value, a list with colons or spaces, has this library in it.
static bool preloads_us(const char *value) {
    const char *path = library_path();
    size_t length = text_length(path);
    while (*value) {
        size_t part = 0;
        while (value[part] && value[part] != ':' && value[part] != ' ') part++;
        if (part == length && memcmp(value, path, length) == 0) return true;
        value += part + (value[part] != 0);
    }
    return false;
}

struct room environment_room(char *const *given) {
    if (!observing()) return (struct room){0};
    bool traced = false, preloaded = false;
    size_t count = 0, preload = 0;
    for (given = WASHED(given); given && given[count]; count++) {
        if (strcmp(given[count], trace_setting()) == 0) traced = true;
        if (begins_with(given[count], PRELOAD)) {
            preload = text_length(given[count]);
            preloaded = preloads_us(given[count] + sizeof PRELOAD - 1);
        }
    }
    if (traced && preloaded) return (struct room){0};
    // Two entries more and the end; our path, the user's list, a colon between them.
    size_t size = (count + 3) * sizeof(char *) + sizeof PRELOAD + text_length(library_path()) + 1 + preload;
    return (struct room){.size = size, .on_stack = size <= MOST_ON_STACK};
}

char **fill_environment(char *const *given, struct room room, void *memory) {
    if (!room.on_stack) {
        long address = kernel(SYS_mmap, 0, (long)room.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (address < 0 && address > -4096) return (char **)given;
        memory = (void *)address;
    }
    size_t count = 0, kept = 0;
    for (given = WASHED(given); given && given[count];) count++;
    char **filled = memory;
    char *text = (char *)(filled + count + 3);
    const char *others = "";
    for (size_t i = 0; i < count; i++) {
        if (begins_with(given[i], PRELOAD))
            others = given[i] + sizeof PRELOAD - 1;
        else if (!begins_with(given[i], LARDER_TRACE_VARIABLE "="))
            filled[kept++] = given[i];
    }
    filled[kept++] = (char *)trace_setting();
    filled[kept++] = text;
    filled[kept] = NULL;
    size_t length = text_length(library_path());
    memcpy(text, PRELOAD, sizeof PRELOAD - 1);
    text += sizeof PRELOAD - 1;
    if (preloads_us(others)) {
        memcpy(text, others, text_length(others) + 1);
        return filled;
    }
    memcpy(text, library_path(), length + 1);
    if (*others) {
        text[length] = ':';
        memcpy(text + length + 1, others, text_length(others) + 1);
    }
    return filled;
}

void release_environment(char **filled, char *const *given, struct room room) {
    if (room.size && !room.on_stack && filled != (char **)given) kernel(SYS_munmap, (long)filled, (long)room.size, 0, 0, 0, 0);
}

/// Without a slash the name is looked up in the PATH of the caller's environment.
static uint64_t saw_start(const void *caller, uint16_t kind, int folder, const char *program, bool searches) {
    int before = errno;
    uint64_t offset = 0;
    program = WASHED(program);
    if (observing() && program) {
        bool bare = searches && program[0];
        for (const char *each = program; *each; each++) bare = bare && *each != '/';
        const char *path = bare ? REAL(getenv)("PATH") : NULL;
        offset = record(&(struct event){
            .kind = kind,
            .caller = caller,
            .a = bare ? plain_text(program) : path_text(folder, program),
            .b = plain_text(path),
        });
    }
    errno = before;
    return offset;
}

static void saw_outcome(uint16_t kind, uint64_t started, int error, pid_t child) {
    int before = errno;
    if (started)
        record(&(struct event){.kind = kind, .error = error, .type = child > 0 ? (uint32_t)child : 0, .value = started});
    errno = before;
}

// An exec that returns has failed.

int execve_seen(const void *caller, const char *program, char *const argv[], char *const envp[]) {
    WITH_ENVIRONMENT(envp, full);
    uint64_t started = saw_start(caller, LARDER_EXEC, AT_FDCWD, program, false);
    int result = REAL(execve)(program, argv, full);
    saw_outcome(LARDER_EXEC_FAILED, started, errno, 0);
    DONE_WITH_ENVIRONMENT(envp, full);
    return result;
}

int execveat_seen(
    const void *caller, int folder, const char *program, char *const argv[], char *const envp[], int flags
) {
    WITH_ENVIRONMENT(envp, full);
    uint64_t started = saw_start(caller, LARDER_EXEC, folder, program, false);
    long result = kernel(SYS_execveat, folder, (long)program, (long)argv, (long)full, flags, 0);
    if (result < 0) errno = (int)-result;
    saw_outcome(LARDER_EXEC_FAILED, started, errno, 0);
    DONE_WITH_ENVIRONMENT(envp, full);
    return -1;
}

static int execvpe_seen(const void *caller, const char *program, char *const argv[], char *const envp[]) {
    WITH_ENVIRONMENT(envp, full);
    uint64_t started = saw_start(caller, LARDER_EXEC, AT_FDCWD, program, true);
    int result = REAL(execvpe)(program, argv, full);
    saw_outcome(LARDER_EXEC_FAILED, started, errno, 0);
    DONE_WITH_ENVIRONMENT(envp, full);
    return result;
}

int execve(const char *program, char *const argv[], char *const envp[]) {
    return execve_seen(CALLER, program, argv, envp);
}

int execv(const char *program, char *const argv[]) { return execve_seen(CALLER, program, argv, environ); }
int execvp(const char *program, char *const argv[]) { return execvpe_seen(CALLER, program, argv, environ); }

int execvpe(const char *program, char *const argv[], char *const envp[]) {
    return execvpe_seen(CALLER, program, argv, envp);
}

int fexecve(int descriptor, char *const argv[], char *const envp[]) {
    return execveat_seen(CALLER, descriptor, "", argv, envp, AT_EMPTY_PATH);
}

#if __GLIBC_PREREQ(2, 34)
int execveat(int folder, const char *program, char *const argv[], char *const envp[], int flags) {
    return execveat_seen(CALLER, folder, program, argv, envp, flags);
}
#endif

/// Lays the variadic arguments, up to and with their null, out as an array on the stack.
#define ARGUMENTS(first, list)                                                                                         \
    size_t count_ = 1;                                                                                                 \
    va_list counted_;                                                                                                  \
    va_start(counted_, first);                                                                                         \
    if (WASHED(first))                                                                                                 \
        while (va_arg(counted_, char *)) count_++;                                                                     \
    va_end(counted_);                                                                                                  \
    char **list = alloca((count_ + 1) * sizeof(char *));                                                               \
    list[0] = (char *)first;                                                                                           \
    va_list rest_;                                                                                                     \
    va_start(rest_, first);                                                                                            \
    if (WASHED(first))                                                                                                 \
        for (size_t i_ = 1; i_ <= count_; i_++) list[i_] = va_arg(rest_, char *)

int execl(const char *program, const char *first, ...) {
    ARGUMENTS(first, list);
    va_end(rest_);
    return execve_seen(CALLER, program, list, environ);
}

int execlp(const char *program, const char *first, ...) {
    ARGUMENTS(first, list);
    va_end(rest_);
    return execvpe_seen(CALLER, program, list, environ);
}

int execle(const char *program, const char *first, ...) {
    ARGUMENTS(first, list);
    char *const *envp = va_arg(rest_, char *const *);
    va_end(rest_);
    return execve_seen(CALLER, program, list, envp);
}

// posix_spawn gives its error as its result.

#define STAND_IN_SPAWN(name, searches)                                                                                 \
    int name(                                                                                                          \
        pid_t *pid, const char *program, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *settings, \
        char *const argv[], char *const envp[]                                                                         \
    ) {                                                                                                                \
        WITH_ENVIRONMENT(envp, full);                                                                                  \
        uint64_t started = saw_start(CALLER, LARDER_SPAWN, AT_FDCWD, program, searches);                               \
        pid_t child = 0;                                                                                               \
        int error = REAL(name)(&child, program, actions, settings, argv, full);                                        \
        if (error == 0 && WASHED(pid)) *pid = child;                                                                   \
        saw_outcome(LARDER_SPAWNED, started, error, child);                                                            \
        DONE_WITH_ENVIRONMENT(envp, full);                                                                             \
        return error;                                                                                                  \
    }
STAND_IN_SPAWN(posix_spawn, false)
STAND_IN_SPAWN(posix_spawnp, true)

#if __GLIBC_PREREQ(2, 39)
// Rust's std takes these if they are there, and copes with ENOSYS where libc is older than this build's.
#define STAND_IN_PIDFD_SPAWN(name, searches)                                                                           \
    int name(                                                                                                          \
        int *pidfd, const char *program, const posix_spawn_file_actions_t *actions,                                    \
        const posix_spawnattr_t *settings, char *const argv[], char *const envp[]                                      \
    ) {                                                                                                                \
        if (!REAL(name)) return ENOSYS;                                                                                \
        WITH_ENVIRONMENT(envp, full);                                                                                  \
        uint64_t started = saw_start(CALLER, LARDER_SPAWN, AT_FDCWD, program, searches);                               \
        int error = REAL(name)(pidfd, program, actions, settings, argv, full);                                         \
        saw_outcome(LARDER_SPAWNED, started, error, 0);                                                                \
        DONE_WITH_ENVIRONMENT(envp, full);                                                                             \
        return error;                                                                                                  \
    }
STAND_IN_PIDFD_SPAWN(pidfd_spawn, false)
STAND_IN_PIDFD_SPAWN(pidfd_spawnp, true)
#endif

// libc starts the shell of these two by itself, with the process's own environment. If that has lost the trace, the shell
// won't say hello, and the reader notices.

int system(const char *command) {
    if (!WASHED(command)) return REAL(system)(command);
    uint64_t started = saw_start(CALLER, LARDER_SPAWN, AT_FDCWD, "/bin/sh", false);
    int status = REAL(system)(command);
    saw_outcome(LARDER_SPAWNED, started, status == -1 ? errno : 0, 0);
    return status;
}

FILE *popen(const char *command, const char *mode) {
    uint64_t started = saw_start(CALLER, LARDER_SPAWN, AT_FDCWD, "/bin/sh", false);
    FILE *pipe = REAL(popen)(command, mode);
    saw_outcome(LARDER_SPAWNED, started, pipe ? 0 : errno ? errno : EIO, 0);
    return pipe;
}
