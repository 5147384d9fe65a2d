/// Environments for programs that the traced ones start.
#ifndef LARDER_PROGRAMS_H
#define LARDER_PROGRAMS_H

#include "observer.h"

#pragma GCC visibility push(hidden)

/// What a completed copy of an environment takes; size 0 if the given one will do.
struct room {
    size_t size;
    bool on_stack;
};

struct room environment_room(char *const *given);
char **fill_environment(char *const *given, struct room room, void *memory);
void release_environment(char **filled, char *const *given, struct room room);

/// Declares `full`: the environment to start a program with. The memory is the calling function's stack.
#define WITH_ENVIRONMENT(given, full)                                                                                  \
    struct room room_ = environment_room(given);                                                                       \
    char **full = room_.size == 0                                                                                      \
                      ? (char **)(given)                                                                               \
                      : fill_environment(given, room_, room_.on_stack ? alloca(room_.size) : NULL)

#define DONE_WITH_ENVIRONMENT(given, full) release_environment(full, given, room_)

int execve_seen(const void *caller, const char *program, char *const argv[], char *const envp[]);
int execveat_seen(
    const void *caller, int folder, const char *program, char *const argv[], char *const envp[], int flags
);

#pragma GCC visibility pop

#endif
