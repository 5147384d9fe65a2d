/// Starts children in every way there is, most of them with an empty environment, and prints how many.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char *empty[] = {NULL};
static char *arguments[] = {"true", NULL};
static const char *program = "/bin/true";
static int started;

static void await(pid_t child, int wanted) {
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || status != wanted << 8) {
        fprintf(stderr, "child %d ended with %x, wanted %d\n", started, status, wanted);
        exit(1);
    }
    started++;
}

#define CHILD(fork, call)                                                                                              \
    do {                                                                                                               \
        pid_t child = fork();                                                                                          \
        if (child == 0) {                                                                                              \
            call;                                                                                                      \
            _exit(99);                                                                                                 \
        }                                                                                                              \
        await(child, 0);                                                                                               \
    } while (0)

static void *fork_from_thread(void *unused) {
    (void)unused;
    CHILD(fork, execve(program, arguments, empty));
    return NULL;
}

int main(void) {
    // The trace stays mapped when a program closes all it does not know.
    for (int i = 3; i < 256; i++) close(i);
    pid_t child;

    if (posix_spawn(&child, program, NULL, NULL, arguments, empty) != 0) return 2;
    await(child, 0);
    if (posix_spawnp(&child, "true", NULL, NULL, arguments, empty) != 0) return 3;
    await(child, 0);
    // Must fail as it does without the observer, and must not be waited for.
    if (posix_spawn(&child, "/no/such/program", NULL, NULL, arguments, empty) != 2) return 4;

    CHILD(fork, execve(program, arguments, empty));
    CHILD(vfork, execve(program, arguments, empty));
    CHILD(vfork, execle(program, "true", (char *)NULL, empty));
    CHILD(fork, execl(program, "true", (char *)NULL));
    CHILD(fork, execlp("true", "true", (char *)NULL));
    CHILD(fork, execv(program, arguments));
    CHILD(fork, execvp("true", arguments));
    CHILD(fork, execvpe("true", arguments, empty));
    CHILD(fork, syscall(SYS_execve, program, arguments, empty));
    CHILD(fork, fexecve(open(program, O_RDONLY | O_CLOEXEC), arguments, empty));
    CHILD(fork, (clearenv(), execv(program, arguments)));
    // Larger than what is put on the stack.
    CHILD(fork, {
        static char *large[5001];
        for (int i = 0; i < 5000; i++) large[i] = "NAME=value";
        execve(program, arguments, large);
    });

    pthread_t threads[8];
    for (int i = 0; i < 8; i++) {
        pthread_create(&threads[i], NULL, fork_from_thread, NULL);
        pthread_join(threads[i], NULL);
    }

    if (system("exit 3") != 3 << 8) return 5;
    started++;
    FILE *pipe = popen("echo from a pipe", "r");
    char text[64];
    if (!pipe || !fgets(text, sizeof text, pipe) || pclose(pipe) != 0) return 6;
    started++;

    printf("%d\n", started);
    return 0;
}
