/// Opens, forks, spawns, renames and asks from many threads at once. argv: folder, threads, rounds; or "child".
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *folder;
static const char *self;
static int rounds;
/// What a child under a sanitizer needs.
static const char *sanitizer = "NONE=";
/// The loader's lock is unknown to the thread sanitizer, which would report the loader's own memory.
static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;

static void fail(const char *what) {
    perror(what);
    abort();
}

static void start_child(long thread, int round) {
    char text[64], number[32];
    snprintf(number, sizeof number, "%ld.%d", thread, round);
    snprintf(text, sizeof text, "STRESS=%s", number);
    char *arguments[] = {(char *)self, "child", NULL};
    // Nothing of the trace in it: the observer has to put it there.
    char *environment[] = {text, (char *)sanitizer, NULL};
    pid_t child = -1;
    int how = (int)((thread + round) % 3);
    if (how == 0) {
        if (posix_spawn(&child, self, NULL, NULL, arguments, environment) != 0) fail("posix_spawn");
    } else {
        child = how == 1 ? fork() : vfork();
        if (child < 0) fail("fork");
        if (child == 0) {
            execve(self, arguments, environment);
            _exit(99);
        }
    }
    int status = 0;
    if (waitpid(child, &status, 0) != child || status != 0) fail("a child");
}

static void *work(void *argument) {
    long thread = (long)argument;
    char path[512], other[512];
    struct stat found;
    for (int round = 0; round < rounds; round++) {
        snprintf(path, sizeof path, "%s/%ld.%d", folder, thread, round);
        snprintf(other, sizeof other, "%s/%ld.%d.moved", folder, thread, round);
        int file = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
        if (file < 0) fail("open");
        close(file);
        if (rename(path, other) != 0) fail("rename");
        errno = 0;
        if (stat(path, &found) == 0 || errno != ENOENT) fail("stat");
        if (access(other, R_OK) != 0) fail("access");
        if (!getenv("PATH")) fail("getenv");
        DIR *list = opendir(folder);
        if (!list) fail("opendir");
        closedir(list);
        FILE *stream = fopen(other, "r");
        if (!stream) fail("fopen");
        fclose(stream);
        if (round % 8 == 0) start_child(thread, round);
        if (round % 8 == 1) {
            pthread_mutex_lock(&loading);
            void *library = dlopen("libz.so.1", RTLD_NOW);
            if (!library) fail("dlopen");
            dlclose(library);
            pthread_mutex_unlock(&loading);
        }
        if (unlink(other) != 0) fail("unlink");
    }
    return NULL;
}

int main(int count, char **arguments) {
    if (count == 2 && strcmp(arguments[1], "child") == 0) return getenv("STRESS") ? 0 : 1;
    if (count != 4) return 2;
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length < 0) fail("readlink");
    path[length] = 0;
    self = path;
    for (char **each = environ; *each; each++)
        if (strstr(*each, "SAN_OPTIONS=")) sanitizer = *each;
    folder = arguments[1];
    rounds = atoi(arguments[3]);
    long threads = atoi(arguments[2]);
    pthread_t all[64];
    for (long i = 0; i < threads; i++) pthread_create(&all[i], NULL, work, (void *)i);
    for (long i = 0; i < threads; i++) pthread_join(all[i], NULL);
    return 0;
}
