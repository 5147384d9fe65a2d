#define _GNU_SOURCE
#include "CPlatform.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

int larder_reflink(int from, int to) { return ioctl(to, FICLONE, from); }

long larder_copy_file_range(int from, off_t *from_at, int to, off_t *to_at, size_t count) {
    return copy_file_range(from, from_at, to, to_at, count, 0);
}

long larder_find(const void *bytes, size_t count, const void *wanted, size_t wanted_count) {
    const char *found = memmem(bytes, count, wanted, wanted_count);
    return found ? found - (const char *)bytes : -1;
}

static const int forwarded[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
enum { FORWARDED = sizeof forwarded / sizeof forwarded[0] };
static volatile sig_atomic_t forward_to;
static struct sigaction before[FORWARDED];
static int installed;

/* A signal of the terminal reaches the compiler by itself (same process group); one sent to the wrapper alone does not.
 * A second delivery of the same signal does no harm: rustc dies of the first. */
static void forward(int number) {
    int saved = errno;
    if (forward_to > 0) kill((pid_t)forward_to, number);
    errno = saved;
}

void larder_forward_signals(int pid) {
    forward_to = pid;
    if (pid > 0 && !installed) {
        struct sigaction action;
        memset(&action, 0, sizeof action);
        action.sa_handler = forward;
        action.sa_flags = SA_RESTART;
        sigemptyset(&action.sa_mask);
        for (int i = 0; i < FORWARDED; i++) {
            sigaction(forwarded[i], NULL, &before[i]);
            if (before[i].sa_handler != SIG_IGN) sigaction(forwarded[i], &action, NULL);
        }
        installed = 1;
    } else if (pid <= 0 && installed) {
        for (int i = 0; i < FORWARDED; i++) sigaction(forwarded[i], &before[i], NULL);
        installed = 0;
    }
}

static struct sigaction size_signal;
static int settled;

void larder_settle(void) {
    struct sigaction ignore;
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    settled = sigaction(SIGXFSZ, &ignore, &size_signal) == 0;
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) open("/dev/null", O_RDWR | O_CLOEXEC); /* the lowest that is free */
}

void larder_unsettle(void) {
    if (settled) sigaction(SIGXFSZ, &size_signal, NULL);
}

static int put_in_place(int from, int to) {
    if (from < 0 || from == to) return 0;
    return dup2(from, to) < 0 ? -1 : 0;
}

int larder_spawn(const char *path, char *const argv[], char *const envp[], int in, int out, int err, int *pid) {
    int report[2];
    if (pipe2(report, O_CLOEXEC) < 0) return errno;
    signal(SIGCHLD, SIG_DFL); /* a caller that ignores it would take the child's end from us */
    pid_t parent = getpid();
    sigset_t all, old;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &old);
    pid_t child = fork();
    if (child == 0) {
        int failure = 0;
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) failure = errno;
        if (getppid() != parent) _exit(127); /* the wrapper died before the line above */
        if (put_in_place(in, 0) < 0 || put_in_place(out, 1) < 0 || put_in_place(err, 2) < 0) failure = errno;
        sigprocmask(SIG_SETMASK, &old, NULL);
        if (!failure) {
            larder_unsettle();
            execve(path, argv, envp);
            failure = errno;
        }
        ssize_t ignored = write(report[1], &failure, sizeof failure);
        (void)ignored;
        _exit(127);
    }
    int failure = child < 0 ? errno : 0;
    if (child > 0) larder_forward_signals(child);
    sigprocmask(SIG_SETMASK, &old, NULL);
    close(report[1]);
    if (child > 0) {
        int told = 0;
        ssize_t got;
        do got = read(report[0], &told, sizeof told);
        while (got < 0 && errno == EINTR);
        if (got == sizeof told) {
            failure = told;
            larder_forward_signals(0);
            while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
        } else {
            *pid = child;
        }
    }
    close(report[0]);
    return failure;
}

int larder_spawn_detached(const char *path, char *const argv[], char *const envp[]) {
    pid_t child = fork();
    if (child < 0) return errno;
    if (child == 0) {
        /* Forked twice: the process that stays is nobody's child, so nobody has to wait for it. */
        setsid();
        pid_t second = fork();
        if (second != 0) _exit(second < 0 ? 127 : 0);
        if (chdir("/") < 0) _exit(127);
        int null = open("/dev/null", O_RDWR);
        if (null < 0) _exit(127);
        dup2(null, 0);
        dup2(null, 1);
        dup2(null, 2);
        if (syscall(SYS_close_range, 3u, ~0u, 0u) < 0)
            for (int fd = 3; fd < 4096; fd++) close(fd);
        larder_unsettle();
        execve(path, argv, envp);
        _exit(127);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : EAGAIN;
}

int larder_wait(int pid, int *status) {
    /* Seen to have ended first, reaped second: in between its number is still its own, and no signal goes astray. */
    siginfo_t info;
    while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR) {}
    larder_forward_signals(0);
    int ended;
    do ended = waitpid(pid, status, 0);
    while (ended < 0 && errno == EINTR);
    return ended;
}

int larder_exited(int status) { return WIFEXITED(status); }
int larder_exit_code(int status) { return WEXITSTATUS(status); }
int larder_term_signal(int status) { return WIFSIGNALED(status) ? WTERMSIG(status) : 0; }

void larder_exit_like(int status) {
    int number = larder_term_signal(status);
    if (number) {
        struct rlimit none = {0, 0}; /* the compiler has left its core, a second one of ours would hide it */
        setrlimit(RLIMIT_CORE, &none);
        signal(number, SIG_DFL);
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, number);
        sigprocmask(SIG_UNBLOCK, &set, NULL);
        kill(getpid(), number);
        _exit(128 + number);
    }
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

char **larder_environ(void) { return environ; }

int larder_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

int larder_memory_file(const void *bytes, size_t count) {
    int fd = memfd_create("larder-stdin", MFD_CLOEXEC);
    if (fd < 0) fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600); /* a sandbox may forbid the one, not the other */
    if (fd < 0) return -1;
    const char *at = bytes;
    while (count > 0) {
        ssize_t done = write(fd, at, count);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) {
            close(fd);
            return -1;
        }
        at += done;
        count -= (size_t)done;
    }
    lseek(fd, 0, SEEK_SET);
    return fd;
}

int larder_contains(const void *bytes, size_t count, const void *word, size_t length) {
    return memmem(bytes, count, word, length) != NULL;
}

uint64_t larder_mentions(const void *bytes, size_t count, const char *const paths[], const size_t lengths[], size_t number) {
    /* Whatever follows: rustc lays out texts with nothing between them, so the next byte may belong to another one.
     * Slashes are rare in object code: looking for them alone is five times as fast as memmem. */
    const unsigned char *at = bytes;
    const unsigned char *end = at + count;
    uint64_t found = 0;
    uint64_t by_second[256] = {0};
    for (size_t i = 0; i < number && i < 64; i++)
        if (paths[i] && lengths[i] > 1) by_second[(unsigned char)paths[i][1]] |= 1ull << i;
    while (end - at >= 2 && (at = memchr(at, '/', (size_t)(end - at) - 1))) {
        for (uint64_t left = by_second[at[1]] & ~found; left; left &= left - 1) {
            int i = __builtin_ctzll(left);
            if ((size_t)(end - at) >= lengths[i] && memcmp(at, paths[i], lengths[i]) == 0) found |= 1ull << i;
        }
        at++;
    }
    return found;
}

int64_t larder_atomic_add(int64_t *counter, int64_t amount) {
    return __atomic_add_fetch(counter, amount, __ATOMIC_RELAXED);
}

uint64_t larder_cpu_microseconds(void) {
    struct rusage used;
    if (getrusage(RUSAGE_SELF, &used) < 0) return 0;
    return (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000u
        + (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

uint64_t larder_monotonic_microseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

size_t larder_host_cpu(char *buffer, size_t capacity) {
    static const char *const wanted[] = {"vendor_id", "cpu family", "model\t", "model name", "stepping", "flags",
                                         "Features", "CPU implementer", "CPU part", "CPU variant"};
    size_t length = 0;
    FILE *file = fopen("/proc/cpuinfo", "re");
    if (!file) return 0;
    char *line = NULL;
    size_t room = 0;
    ssize_t got;
    while ((got = getline(&line, &room, file)) > 1) { /* an empty line ends the first processor */
        for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
            if (strncmp(line, wanted[i], strlen(wanted[i])) != 0) continue;
            if (length + (size_t)got < capacity) {
                memcpy(buffer + length, line, (size_t)got);
                length += (size_t)got;
            }
            break;
        }
    }
    free(line);
    fclose(file);
    return length;
}

static int address(const char *path, struct sockaddr_un *to) {
    memset(to, 0, sizeof *to);
    to->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof to->sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(to->sun_path, path);
    return 0;
}

static int failed(int fd) {
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

int larder_socket_listen(const char *path, int backlog) {
    struct sockaddr_un to;
    if (address(path, &to) < 0) return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    if (bind(fd, (struct sockaddr *)&to, sizeof to) < 0 || listen(fd, backlog) < 0) return failed(fd);
    return fd;
}

int larder_socket_connect(const char *path) {
    struct sockaddr_un to;
    if (address(path, &to) < 0) return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) return failed(fd);
    return fd;
}

int larder_socket_accept(int listening) { return accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK); }

long larder_socket_peer(int socket) {
    struct ucred who;
    socklen_t size = sizeof who;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0 || size != sizeof who) return -1;
    return (long)who.uid;
}

long larder_socket_send(int socket, const void *bytes, size_t count) { return send(socket, bytes, count, MSG_NOSIGNAL); }

void larder_lower_thread_priority(void) { setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 10); }
