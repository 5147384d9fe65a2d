/// Makes calls that succeed and calls that fail, and prints what each gave: with the observer and without the same.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

/// Descriptors and addresses differ between runs; that there is one does not.
#define SHOW(call)                                                                                                     \
    do {                                                                                                               \
        errno = 77;                                                                                                    \
        long result = (long)(call);                                                                                    \
        int error = errno;                                                                                             \
        printf("%s: %s, errno %d\n", #call, result == -1 ? "-1" : result == 0 ? "0" : "more", error);                  \
    } while (0)

int main(int count, char **arguments) {
    if (count != 2 || chdir(arguments[1]) != 0) return 1;
    struct stat found;
    struct statx extended;
    char text[4096];
    char *nothing = NULL;
    char long_name[5000];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;

    const char *paths[] = {"file", "missing", "file/below", "", "/", ".", long_name, nothing};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        const char *path = paths[i];
        printf("-- %.20s\n", path ? path : "null");
        SHOW(open(path, O_RDONLY));
        SHOW(openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY));
        SHOW(syscall(SYS_openat, AT_FDCWD, path, O_RDONLY));
        SHOW(stat(path, &found));
        SHOW(lstat(path, &found));
        SHOW(fstatat(AT_FDCWD, path, &found, AT_SYMLINK_NOFOLLOW));
        SHOW(statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &extended));
        SHOW(access(path, W_OK));
        SHOW(faccessat(AT_FDCWD, path, R_OK, 0));
        SHOW(readlink(path, text, sizeof text));
        SHOW(realpath(path, text));
        if (path) SHOW(opendir(path));
        SHOW(unlink(path && strcmp(path, "file") == 0 ? "missing" : path));
        SHOW(chdir(path && strcmp(path, ".") == 0 ? "." : "missing"));
        SHOW(mkdir(path && strcmp(path, "missing") == 0 ? "file" : path, 0700));
        SHOW(rename("missing", path));
        SHOW(dlopen(path && path[0] ? path : "missing", RTLD_NOW));
        if (path) SHOW(fopen(path, "r"));
    }
    int folder = open(".", O_RDONLY | O_DIRECTORY);
    SHOW(openat(folder, "by-descriptor", O_RDWR | O_CREAT, 0640));
    SHOW(stat("by-descriptor", &found));
    printf("mode %o\n", found.st_mode);
    SHOW(openat(12345, "file", O_RDONLY));
    SHOW(fdopendir(folder));
    SHOW(fdopendir(12345));
    SHOW(unlinkat(AT_FDCWD, "by-descriptor", 0));
    SHOW(getenv("PATH"));
    SHOW(getenv("LARDER_NOT_SET"));
    SHOW(secure_getenv("PATH"));
    SHOW(setlocale(LC_ALL, ""));
    SHOW(execve("missing", arguments, NULL));
    SHOW(execvp("larder-no-such-program", arguments));
    SHOW(getcwd(text, 1));
    SHOW(getcwd(text, sizeof text));
    SHOW(syscall(SYS_getcwd, text, sizeof text));
    SHOW(mkstemp(strcpy(text, "temporary.XXXXXX")));
    SHOW(unlink(text));
    SHOW(mkstemp(strcpy(text, "no-template")));
    SHOW(symlink("file", "link"));
    SHOW(readlink("link", text, sizeof text));
    SHOW(link("link", "second"));
    SHOW(renameat2(AT_FDCWD, "second", AT_FDCWD, "file", RENAME_NOREPLACE));
    SHOW(remove("second"));
    SHOW(remove("link"));
    SHOW(truncate("missing", 0));
    glob_t names;
    SHOW(glob("file", 0, NULL, &names));
    SHOW(glob("missing", 0, NULL, &names));
    struct timespec moment;
    struct timeval instant;
    struct utsname machine;
    SHOW(clock_gettime(CLOCK_REALTIME, &moment));
    SHOW(clock_gettime(12345, &moment));
    SHOW(gettimeofday(&instant, NULL));
    SHOW(time(NULL));
    SHOW(gethostname(text, 1));
    SHOW(gethostname(text, sizeof text));
    SHOW(uname(&machine));
    SHOW(connect(12345, (struct sockaddr *)&(struct sockaddr_un){.sun_family = AF_UNIX}, sizeof(struct sockaddr_un)));
    SHOW(syscall(SYS_close, 12345));
    return 0;
}
