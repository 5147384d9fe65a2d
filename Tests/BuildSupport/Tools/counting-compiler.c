/* Stands where rustup's proxy stands: under the name of a toolchain's program it notes each call in a file and becomes
 * that program of the toolchain SYSROOT. The tests count compiles by this file, never by larder's own statistics.
 *
 *     start TAB nanoseconds TAB pid TAB parent's program TAB name [TAB argument]* LF
 *     end   TAB nanoseconds TAB pid LF                          (only with COUNTING_ENDS=1)
 *
 * The file is named by COUNTING_LOG. What this program does for itself goes by bare system calls and the environment's
 * own array: whoever watches library calls sees a program that runs another one, as a rustup proxy does. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char *value(char **environment, const char *name)
{
    size_t length = strlen(name);
    for (; *environment; environment++)
        if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
            return *environment + length + 1;
    return NULL;
}

static long long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void note(const char *path, const char *line, size_t length)
{
    long file = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0)
        return;
    /* One write to a file opened for appending: other lines can't come between. */
    syscall(SYS_write, file, line, length);
    syscall(SYS_close, file);
}

/* Leaves a process behind that notes the end of this one. It holds no descriptor that a reader waits on. */
static void watch(const char *path)
{
    int self = (int)syscall(SYS_getpid);
    long watched = syscall(SYS_pidfd_open, self, 0);
    if (watched < 0)
        return;
    if (syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) == 0) {
        syscall(SYS_dup3, watched, 3, O_CLOEXEC);
        syscall(SYS_close_range, 4, ~0U, 0);
        syscall(SYS_close_range, 0, 2, 0);
        struct pollfd end = {.fd = 3, .events = POLLIN};
        syscall(SYS_ppoll, &end, 1, NULL, NULL, 8);
        char line[96];
        int length = snprintf(line, sizeof line, "end\t%lld\t%d\n", now(), self);
        note(path, line, (size_t)length);
        syscall(SYS_exit_group, 0);
    }
    syscall(SYS_close, watched);
}

static char line[1 << 20];

int main(int count, char **arguments, char **environment)
{
    const char *slash = strrchr(arguments[0], '/');
    const char *name = slash ? slash + 1 : arguments[0];
    char program[PATH_MAX];
    if (snprintf(program, sizeof program, "%s/bin/%s", SYSROOT, name) >= (int)sizeof program)
        return 126;
    const char *path = value(environment, "COUNTING_LOG");
    if (path) {
        char parent[PATH_MAX], link[64];
        snprintf(link, sizeof link, "/proc/%ld/exe", syscall(SYS_getppid));
        long length = syscall(SYS_readlink, link, parent, sizeof parent - 1);
        parent[length > 0 ? length : 0] = '\0';
        size_t used = (size_t)snprintf(line, sizeof line, "start\t%lld\t%ld\t%s\t%s", now(), syscall(SYS_getpid),
                                       parent, name);
        for (int index = 1; index < count; index++) {
            size_t size = strlen(arguments[index]);
            if (used + size + 2 >= sizeof line)
                break;
            line[used++] = '\t';
            memcpy(line + used, arguments[index], size);
            used += size;
        }
        line[used++] = '\n';
        note(path, line, used);
        if (value(environment, "COUNTING_ENDS"))
            watch(path);
    }
    execve(program, arguments, environment);
    return 127;
}
