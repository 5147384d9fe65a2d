/* What the observer costs by itself: a wrapper that runs rustc with the observer preloaded and looks at nothing.
 *
 *     RUSTC_WRAPPER=observe OBSERVE_DIR=folder [OBSERVE_LIBRARY=liblarder-observer.so] cargo build
 *
 * Each call gets a trace of its own in the folder, as the real wrapper gives it one. Without the variable for the
 * library rustc runs unobserved, through the same program: the difference is the observer. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "larder_trace.h"

/* Room for a trace, in bytes: a sparse file, of which a compile uses some hundred KiB. */
static const uint64_t capacity = 64u << 20;

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "observe: %s: %s\n", what, strerror(errno));
    exit(101);
}

int main(int count, char **arguments)
{
    const char *folder = getenv("OBSERVE_DIR"), *library = getenv("OBSERVE_LIBRARY");
    if (count < 2 || !folder)
        fail("usage: OBSERVE_DIR=folder observe rustc arguments…");
    if (library && *library) {
        char *path;
        if (asprintf(&path, "%s/XXXXXX", folder) < 0)
            fail("memory");
        int file = mkostemp(path, O_CLOEXEC);
        unsigned char begin[LARDER_TRACE_HEADER_SIZE] = {0};
        struct larder_trace_header header = {
            .version = LARDER_TRACE_VERSION,
            .header_size = LARDER_TRACE_HEADER_SIZE,
            .capacity = capacity,
            .next = LARDER_TRACE_HEADER_SIZE,
            .allocated = LARDER_TRACE_HEADER_SIZE,
        };
        memcpy(header.magic, LARDER_TRACE_MAGIC, sizeof header.magic);
        memcpy(begin, &header, sizeof header);
        if (file < 0 || write(file, begin, sizeof begin) != sizeof begin || ftruncate(file, (off_t)capacity) < 0)
            fail(path);
        setenv(LARDER_TRACE_VARIABLE, path, 1);
        setenv("LD_PRELOAD", library, 1);
    }
    execvp(arguments[1], arguments + 1);
    fail(arguments[1]);
}
