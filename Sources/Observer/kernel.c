/// Stand-ins for syscall and connect: Rust's std and some programs reach the kernel without a function of libc's for it.
#include "observer.h"

#include <linux/openat2.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "programs.h"

int connect(int socket, const struct sockaddr *address, socklen_t length) {
    int result = REAL(connect)(socket, address, length);
    // A connection that is still being made is one.
    saw_connect(CALLER, address, length, result != 0 && errno != EINPROGRESS);
    return result;
}

static const char *name(long argument) { return (const char *)argument; }

/// Records what a system call that has returned did.
static void saw_call(const void *caller, long number, const long *of, long result) {
    bool failed = result < 0;
    switch (number) {
#ifdef SYS_open
    case SYS_open: saw_open(caller, AT_FDCWD, name(of[0]), (int)of[1], (int)result); break;
    case SYS_creat:
        saw_open(caller, AT_FDCWD, name(of[0]), O_WRONLY | O_CREAT | O_TRUNC, (int)result);
        break;
    case SYS_stat: saw_look(caller, AT_FDCWD, name(of[0]), 0, failed, 0); break;
    case SYS_lstat: saw_look(caller, AT_FDCWD, name(of[0]), LARDER_LOOK_NO_FOLLOW, failed, 0); break;
    case SYS_access: saw_look(caller, AT_FDCWD, name(of[0]), LARDER_LOOK_ACCESS, failed, 0); break;
    case SYS_readlink: saw_link_text(caller, AT_FDCWD, name(of[0]), name(of[1]), result); break;
    case SYS_rename: saw_two_paths(caller, LARDER_RENAME, AT_FDCWD, name(of[0]), AT_FDCWD, name(of[1]), failed); break;
    case SYS_unlink:
    case SYS_rmdir: saw_path(caller, LARDER_UNLINK, AT_FDCWD, name(of[0]), failed); break;
    case SYS_mkdir: saw_path(caller, LARDER_MKDIR, AT_FDCWD, name(of[0]), failed); break;
    case SYS_link: saw_two_paths(caller, LARDER_LINK, AT_FDCWD, name(of[0]), AT_FDCWD, name(of[1]), failed); break;
    case SYS_symlink: saw_two_paths(caller, LARDER_SYMLINK, AT_FDCWD, name(of[0]), AT_FDCWD, name(of[1]), failed); break;
#endif
    case SYS_openat: saw_open(caller, (int)of[0], name(of[1]), (int)of[2], (int)result); break;
    case SYS_openat2: {
        const struct open_how *how = WASHED((const struct open_how *)of[2]);
        if (how && !(failed && errno == EFAULT))
            saw_open(caller, (int)of[0], name(of[1]), (int)how->flags, (int)result);
        break;
    }
    case SYS_newfstatat:
    case SYS_statx: {
        int flags = (int)(number == SYS_statx ? of[2] : of[3]);
        saw_look(
            caller, (int)of[0], name(of[1]), flags & AT_SYMLINK_NOFOLLOW ? LARDER_LOOK_NO_FOLLOW : 0, failed,
            failed || number != SYS_statx ? 0 : type_of_mode(((const struct statx *)of[4])->stx_mode)
        );
        break;
    }
    case SYS_faccessat:
#ifdef SYS_faccessat2
    case SYS_faccessat2:
#endif
        saw_look(caller, (int)of[0], name(of[1]), LARDER_LOOK_ACCESS, failed, 0);
        break;
    case SYS_readlinkat: saw_link_text(caller, (int)of[0], name(of[1]), name(of[2]), result); break;
#ifdef SYS_renameat
    case SYS_renameat:
#endif
    case SYS_renameat2:
        saw_two_paths(caller, LARDER_RENAME, (int)of[0], name(of[1]), (int)of[2], name(of[3]), failed);
        break;
    case SYS_unlinkat: saw_path(caller, LARDER_UNLINK, (int)of[0], name(of[1]), failed); break;
    case SYS_mkdirat: saw_path(caller, LARDER_MKDIR, (int)of[0], name(of[1]), failed); break;
    case SYS_linkat: saw_two_paths(caller, LARDER_LINK, (int)of[0], name(of[1]), (int)of[2], name(of[3]), failed); break;
    case SYS_symlinkat:
        saw_two_paths(caller, LARDER_SYMLINK, AT_FDCWD, name(of[0]), (int)of[1], name(of[2]), failed);
        break;
    case SYS_getcwd:
        if (!failed) saw_plain(caller, LARDER_GETCWD, name(of[0]));
        break;
    case SYS_connect:
        saw_connect(caller, (const void *)of[1], (size_t)of[2], failed && errno != EINPROGRESS);
        break;
#ifdef SYS_io_uring_setup
    case SYS_io_uring_setup:
        if (!failed) saw_plain(caller, LARDER_UNSEEN, "reads by io_uring");
        break;
#endif
    default: break;
    }
}

long syscall(long number, ...) {
    long of[6];
    va_list arguments;
    va_start(arguments, number);
    for (int i = 0; i < 6; i++) of[i] = va_arg(arguments, long);
    va_end(arguments);
    const void *caller = CALLER;
    if (number == SYS_execve) return execve_seen(caller, name(of[0]), (char *const *)of[1], (char *const *)of[2]);
    if (number == SYS_execveat)
        return execveat_seen(
            caller, (int)of[0], name(of[1]), (char *const *)of[2], (char *const *)of[3], (int)of[4]
        );
    long result = REAL(syscall)(number, of[0], of[1], of[2], of[3], of[4], of[5]);
    saw_call(caller, number, of, result);
    return result;
}
