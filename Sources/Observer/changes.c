/// Stand-ins for the calls that change names.
#include "observer.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define STAND_IN_CHANGE(kind, name, parameters, arguments, folder)                                                     \
    int name parameters {                                                                                              \
        int result = REAL(name) arguments;                                                                             \
        saw_path(CALLER, kind, folder, path, result != 0);                                                             \
        return result;                                                                                                 \
    }
STAND_IN_CHANGE(LARDER_UNLINK, unlink, (const char *path), (path), AT_FDCWD)
STAND_IN_CHANGE(LARDER_UNLINK, unlinkat, (int folder, const char *path, int flags), (folder, path, flags), folder)
STAND_IN_CHANGE(LARDER_UNLINK, remove, (const char *path), (path), AT_FDCWD)
STAND_IN_CHANGE(LARDER_UNLINK, rmdir, (const char *path), (path), AT_FDCWD)
STAND_IN_CHANGE(LARDER_MKDIR, mkdir, (const char *path, mode_t mode), (path, mode), AT_FDCWD)
STAND_IN_CHANGE(LARDER_MKDIR, mkdirat, (int folder, const char *path, mode_t mode), (folder, path, mode), folder)

#define STAND_IN_PAIR(kind, name, parameters, arguments, folder_a, folder_b)                                           \
    int name parameters {                                                                                              \
        int result = REAL(name) arguments;                                                                             \
        saw_two_paths(CALLER, kind, folder_a, a, folder_b, b, result != 0);                                            \
        return result;                                                                                                 \
    }
STAND_IN_PAIR(LARDER_RENAME, rename, (const char *a, const char *b), (a, b), AT_FDCWD, AT_FDCWD)
STAND_IN_PAIR(LARDER_RENAME, renameat, (int in_a, const char *a, int in_b, const char *b), (in_a, a, in_b, b), in_a, in_b)
STAND_IN_PAIR(
    LARDER_RENAME, renameat2, (int in_a, const char *a, int in_b, const char *b, unsigned flags),
    (in_a, a, in_b, b, flags), in_a, in_b
)
STAND_IN_PAIR(LARDER_LINK, link, (const char *a, const char *b), (a, b), AT_FDCWD, AT_FDCWD)
STAND_IN_PAIR(
    LARDER_LINK, linkat, (int in_a, const char *a, int in_b, const char *b, int flags), (in_a, a, in_b, b, flags), in_a,
    in_b
)
STAND_IN_PAIR(LARDER_SYMLINK, symlink, (const char *a, const char *b), (a, b), AT_FDCWD, AT_FDCWD)
STAND_IN_PAIR(LARDER_SYMLINK, symlinkat, (const char *a, int in_b, const char *b), (a, in_b, b), AT_FDCWD, in_b)
