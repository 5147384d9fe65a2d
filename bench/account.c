/* Tells `make bench` where a build's CPU time went. Preloaded into Cargo and what it starts; at its exit each dynamic
 * program appends one line to $ACCOUNT_FILE:
 *
 *     <executable> TAB <its parent's executable> TAB <own CPU seconds> TAB <CPU seconds of children it waited for> LF
 *
 * A static program (the wrapper) writes none: it is what remains of the build's total. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static double used(int who)
{
    struct rusage usage;
    if (getrusage(who, &usage) < 0)
        return 0;
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void executable(const char *link, char *path)
{
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = '\0';
}

__attribute__((destructor)) static void account(void)
{
    const char *file = getenv("ACCOUNT_FILE");
    char link[64], program[PATH_MAX], parent[PATH_MAX], line[2 * PATH_MAX + 64];
    if (!file)
        return;
    executable("/proc/self/exe", program);
    snprintf(link, sizeof link, "/proc/%d/exe", (int)getppid());
    executable(link, parent);
    int size = snprintf(line, sizeof line, "%s\t%s\t%.6f\t%.6f\n", program, parent, used(RUSAGE_SELF),
                        used(RUSAGE_CHILDREN));
    int out = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (out < 0)
        return;
    /* One write with O_APPEND: lines of other processes can't come between. */
    if (write(out, line, (size_t)size) != size)
        fprintf(stderr, "account: a line was lost\n");
    close(out);
}
