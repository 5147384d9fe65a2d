/* The floor of `make bench`: a wrapper that proves nothing and only copies.
 *
 *     RUSTC_WRAPPER=replay REPLAY_DIR=folder cargo build     first records, then replays
 *     replay --copy FOLDER DESTINATION                       copies every recorded file, prints CPU and wall time
 *
 * The first call with some arguments runs rustc and keeps, under a hash of them, its outputs, stdout and stderr; every
 * later one copies them back. It looks at no input. What has no --out-dir (queries, probes) is passed on to rustc. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "replay: %s: %s\n", what, strerror(errno));
    exit(101);
}

static void copy(const char *from, const char *to)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (in < 0 || fstat(in, &info) < 0)
        fail(from);
    unlink(to);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, info.st_mode & 07777);
    if (out < 0)
        fail(to);
    for (off_t left = info.st_size; left > 0;) {
        ssize_t copied = copy_file_range(in, NULL, out, NULL, (size_t)left, 0);
        if (copied <= 0)
            fail(to);
        left -= copied;
    }
    close(in);
    close(out);
}

static void pass(const char *path, int descriptor)
{
    char buffer[65536];
    int in = open(path, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        fail(path);
    for (ssize_t got; (got = read(in, buffer, sizeof buffer)) > 0;)
        for (ssize_t done = 0, wrote; done < got; done += wrote)
            if ((wrote = write(descriptor, buffer + done, (size_t)(got - done))) < 0)
                fail("write");
    close(in);
}

static char *join(const char *folder, const char *name)
{
    char *path;
    if (asprintf(&path, "%s/%s", folder, name) < 0)
        fail("memory");
    return path;
}

/* Copies the files of a folder whose names hold `part` (all of them if it is empty); says how many there were. */
static int copy_all(const char *from, const char *part, const char *to)
{
    DIR *folder = opendir(from);
    if (!folder)
        fail(from);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_type != DT_REG || !strstr(entry->d_name, part))
            continue;
        char *source = join(from, entry->d_name), *target = join(to, entry->d_name);
        copy(source, target);
        free(source);
        free(target);
        count++;
    }
    closedir(folder);
    return count;
}

static uint64_t hash(uint64_t state, const char *text)
{
    do
        state = (state ^ (unsigned char)*text) * 0x100000001b3; /* FNV-1a, the final NUL included */
    while (*text++);
    return state;
}

static double seconds(struct timeval time) { return (double)time.tv_sec + (double)time.tv_usec / 1e6; }

static int copy_everything(const char *records, const char *destination)
{
    struct timespec start, end;
    struct rusage usage;
    clock_gettime(CLOCK_MONOTONIC, &start);
    DIR *folder = opendir(records);
    if (!folder)
        fail(records);
    int files = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.')
            continue;
        char *record = join(records, entry->d_name), *outputs = join(record, "files");
        files += copy_all(outputs, "", destination);
        free(record);
        free(outputs);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"files\": %d, \"cpu\": %.6f, \"wall\": %.6f}\n", files, seconds(usage.ru_utime) + seconds(usage.ru_stime),
           (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9);
    return 0;
}

int main(int count, char **arguments)
{
    if (count == 4 && strcmp(arguments[1], "--copy") == 0)
        return copy_everything(arguments[2], arguments[3]);
    const char *records = getenv("REPLAY_DIR"), *folder = NULL, *crate = "", *suffix = "";
    char current[PATH_MAX];
    if (count < 2 || !records || !getcwd(current, sizeof current))
        fail("usage: REPLAY_DIR=folder replay rustc arguments…");

    uint64_t key = hash(0xcbf29ce484222325, current);
    for (int index = 1; index < count; index++) {
        key = hash(key, arguments[index]);
        const char *value = index + 1 < count ? arguments[index + 1] : "";
        if (strcmp(arguments[index], "--out-dir") == 0)
            folder = value;
        else if (strcmp(arguments[index], "--crate-name") == 0)
            crate = value;
        else if (strcmp(arguments[index], "-C") == 0 && strncmp(value, "extra-filename=", 15) == 0)
            suffix = value + 15;
    }
    if (!folder || !*suffix) {
        execvp(arguments[1], arguments + 1);
        fail(arguments[1]);
    }

    char *record, *made;
    if (asprintf(&record, "%s/%016lx", records, (unsigned long)key) < 0 || asprintf(&made, "%s%s", crate, suffix) < 0)
        fail("memory");
    char *files = join(record, "files"), *out = join(record, "stdout"), *err = join(record, "stderr");
    char *complete = join(record, "complete");
    if (access(complete, F_OK) != 0) {
        mkdir(record, 0700);
        mkdir(files, 0700);
        pid_t child = fork();
        if (child == 0) {
            dup2(open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
            dup2(open(err, O_WRONLY | O_CREAT | O_TRUNC, 0600), 2);
            execvp(arguments[1], arguments + 1);
            _exit(127);
        }
        int status;
        if (child < 0 || waitpid(child, &status, 0) < 0)
            fail("rustc");
        if (status != 0) {
            pass(err, 2);
            return WIFEXITED(status) ? WEXITSTATUS(status) : 101;
        }
        copy_all(folder, made, files);
        close(open(complete, O_WRONLY | O_CREAT, 0600));
    } else {
        copy_all(files, "", folder);
    }
    pass(out, 1);
    pass(err, 2);
    return 0;
}
