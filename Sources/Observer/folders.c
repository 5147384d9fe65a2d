/// Stand-ins for the calls that list folders, walk them, enter them and ask for the current one.
#include "observer.h"

#include <dirent.h>
#include <ftw.h>
#include <glob.h>
#include <stdlib.h>
#include <unistd.h>
#include <wordexp.h>

char *__getcwd_chk(char *into, size_t size, size_t room);
// <fts.h> has no 64-bit twin to declare beside it, and only the names matter here.
void *fts_open(char *const *paths, int options, int (*compare)(const void *, const void *));
void *fts64_open(char *const *paths, int options, int (*compare)(const void *, const void *));

DIR *opendir(const char *path) {
    DIR *folder = REAL(opendir)(path);
    saw_path(CALLER, LARDER_LIST, AT_FDCWD, path, !folder);
    return folder;
}

/// The descriptor's own path is asked for: the open that made it may have been another process's.
DIR *fdopendir(int descriptor) {
    DIR *folder = REAL(fdopendir)(descriptor);
    int before = errno;
    if (folder && observing())
        record(&(struct event){.kind = LARDER_LIST, .caller = CALLER, .a = path_text(descriptor, "")});
    errno = before;
    return folder;
}

#define STAND_IN_SCANDIR(name, entry)                                                                                  \
    int name(                                                                                                          \
        const char *path, struct entry ***names, int (*filter)(const struct entry *),                                  \
        int (*compare)(const struct entry **, const struct entry **)                                                   \
    ) {                                                                                                                \
        int result = REAL(name)(path, names, filter, compare);                                                         \
        saw_path(CALLER, LARDER_LIST, AT_FDCWD, path, result < 0);                                                     \
        return result;                                                                                                 \
    }
STAND_IN_SCANDIR(scandir, dirent)
STAND_IN_SCANDIR(scandir64, dirent64)

#define STAND_IN_SCANDIRAT(name, entry)                                                                                \
    int name(                                                                                                          \
        int folder, const char *path, struct entry ***names, int (*filter)(const struct entry *),                      \
        int (*compare)(const struct entry **, const struct entry **)                                                   \
    ) {                                                                                                                \
        int result = REAL(name)(folder, path, names, filter, compare);                                                 \
        saw_path(CALLER, LARDER_LIST, folder, path, result < 0);                                                       \
        return result;                                                                                                 \
    }
STAND_IN_SCANDIRAT(scandirat, dirent)
STAND_IN_SCANDIRAT(scandirat64, dirent64)

// libc walks and expands by calls of its own, which no stand-in meets. Rust code and linkers do neither, so it is enough
// to know that it happened: such a compile is not stored.
#define STAND_IN_WALK(kind, name, type, parameters, arguments)                                                         \
    type name parameters {                                                                                             \
        saw_plain(CALLER, LARDER_UNSEEN, kind);                                                                        \
        return REAL(name) arguments;                                                                                   \
    }
STAND_IN_WALK("a folder walked by ftw", ftw, int, (const char *path, __ftw_func_t visit, int most), (path, visit, most))
STAND_IN_WALK(
    "a folder walked by ftw", ftw64, int, (const char *path, __ftw64_func_t visit, int most), (path, visit, most)
)
STAND_IN_WALK(
    "a folder walked by nftw", nftw, int, (const char *path, __nftw_func_t visit, int most, int flags),
    (path, visit, most, flags)
)
STAND_IN_WALK(
    "a folder walked by nftw", nftw64, int, (const char *path, __nftw64_func_t visit, int most, int flags),
    (path, visit, most, flags)
)
STAND_IN_WALK(
    "a folder walked by fts", fts_open, void *,
    (char *const *paths, int options, int (*compare)(const void *, const void *)), (paths, options, compare)
)
STAND_IN_WALK(
    "a folder walked by fts", fts64_open, void *,
    (char *const *paths, int options, int (*compare)(const void *, const void *)), (paths, options, compare)
)
STAND_IN_WALK(
    "words expanded by wordexp", wordexp, int, (const char *words, wordexp_t *into, int flags), (words, into, flags)
)

/// GNU ld passes every file name of a linker script through glob, so a pattern without a wildcard must not count: it
/// asks whether that one path exists.
static bool is_pattern(const char *text) {
    for (text = WASHED(text); text && *text; text++)
        if (*text == '*' || *text == '?' || *text == '[' || *text == '{' || *text == '~' || *text == '\\') return true;
    return false;
}

#define STAND_IN_GLOB(name, result)                                                                                    \
    int name(const char *pattern, int flags, int (*failed)(const char *, int), result *into) {                         \
        int outcome = REAL(name)(pattern, flags, failed, into);                                                        \
        int before = errno;                                                                                            \
        if (is_pattern(pattern)) {                                                                                     \
            saw_plain(CALLER, LARDER_UNSEEN, "a pattern expanded by glob");                                            \
        } else if (outcome == 0 || outcome == GLOB_NOMATCH) {                                                          \
            errno = ENOENT;                                                                                            \
            saw_look(CALLER, AT_FDCWD, pattern, LARDER_LOOK_ACCESS, outcome != 0, 0);                                  \
        }                                                                                                              \
        errno = before;                                                                                                \
        return outcome;                                                                                                \
    }
STAND_IN_GLOB(glob, glob_t)
STAND_IN_GLOB(glob64, glob64_t)

int chdir(const char *path) {
    int result = REAL(chdir)(path);
    // The path was relative to the folder that has just been left: told afterwards it would be another one.
    const char *washed = WASHED(path);
    if (result != 0 || (washed && washed[0] == '/'))
        saw_look(CALLER, AT_FDCWD, path, LARDER_LOOK_ACCESS, result != 0, 4);
    else
        saw_look(CALLER, AT_FDCWD, ".", LARDER_LOOK_ACCESS, false, 4);
    return result;
}

#define STAND_IN_GETCWD(name, parameters, arguments)                                                                   \
    char *name parameters {                                                                                            \
        char *folder = REAL(name) arguments;                                                                           \
        if (folder) saw_plain(CALLER, LARDER_GETCWD, folder);                                                          \
        return folder;                                                                                                 \
    }
STAND_IN_GETCWD(getcwd, (char *into, size_t size), (into, size))
STAND_IN_GETCWD(get_current_dir_name, (void), ())
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
STAND_IN_GETCWD(getwd, (char *into), (into))
#pragma GCC diagnostic pop
STAND_IN_GETCWD(__getcwd_chk, (char *into, size_t size, size_t room), (into, size, room))
