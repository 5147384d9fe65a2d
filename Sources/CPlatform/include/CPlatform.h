/* The system calls and macros that Swift's Glibc module does not show. */
#ifndef LARDER_CPLATFORM_H
#define LARDER_CPLATFORM_H

#include <sys/types.h>
#include <stddef.h>
#include <stdint.h>

/* Shares the blocks of `from` with `to` where the file system can (FICLONE); 0, or -1 with errno. */
int larder_reflink(int from, int to);

/* copy_file_range(2) from and to these offsets, which it moves on (NULL: the descriptors' own); bytes copied, 0 at the end,
 * or -1 with errno. */
long larder_copy_file_range(int from, off_t *from_at, int to, off_t *to_at, size_t count);

/* Where in some bytes others begin: an offset, or -1. */
long larder_find(const void *bytes, size_t count, const void *wanted, size_t wanted_count);

/* Starts `path` with `argv` and `envp`; `in`, `out` and `err` become its descriptors 0, 1 and 2 (-1: ours stay).
 * All others are inherited: Cargo's jobserver lives in them. The child dies with its parent (PR_SET_PDEATHSIG), so that
 * a killed wrapper leaves no rustc behind. The signal mask and the dispositions given by larder_forward_signals are
 * set back to what this process was started with. 0 and *pid, or the errno of the failed fork or exec. */
int larder_spawn(const char *path, char *const argv[], char *const envp[], int in, int out, int err, int *pid);

/* Starts `path` in a session of its own with no descriptor, terminal or working folder of ours: stdin, stdout and stderr
 * are /dev/null, the folder is `/`. Does not wait. 0 or an errno. */
int larder_spawn_detached(const char *path, char *const argv[], char *const envp[]);

/* Passes SIGINT, SIGTERM, SIGHUP and SIGQUIT that reach this process on to `pid` (0: stop doing so). */
void larder_forward_signals(int pid);

/* Ends this process the way a child with wait status `status` ended: same exit code, or the same signal. */
void larder_exit_like(int status) __attribute__((noreturn));

/* Whether `word` stands anywhere in `bytes`. */
int larder_contains(const void *bytes, size_t count, const void *word, size_t length);

/* Makes this process fit to work in whatever it was started with: a limit on file sizes gives an error and no signal, and
 * descriptors 0 to 2 are open, so that no file of ours gets one of these numbers. What is run in its place or by it finds
 * both as they were. */
void larder_settle(void);
/* Undoes what `larder_settle` did to signals: to be called before an exec. */
void larder_unsettle(void);

/* Waits for the end of a child to which signals are forwarded, and stops forwarding. Gives its pid, or -1 and errno. */
int larder_wait(int pid, int *status);

int larder_exited(int status);
int larder_exit_code(int status);
int larder_term_signal(int status);

char **larder_environ(void);

/* A pipe whose ends no started program inherits; 0, or -1 with errno. */
int larder_pipe(int ends[2]);

/* An anonymous file with these bytes, positioned at its start, closed on exec; -1 with errno. */
int larder_memory_file(const void *bytes, size_t count);

/* Which of these absolute paths, 64 at most and none of them "/", stand anywhere in these bytes: one bit each. */
uint64_t larder_mentions(
    const void *bytes, size_t count, const char *const paths[], const size_t lengths[], size_t number);

/* Adds `amount` to the 64-bit counter at `counter`, atomically across processes; the new value. */
int64_t larder_atomic_add(int64_t *counter, int64_t amount);

/* CPU time of this process so far, in microseconds, its own only, children left out. */
uint64_t larder_cpu_microseconds(void);

/* Microseconds since some fixed point, never going back. */
uint64_t larder_monotonic_microseconds(void);

/* A line that names the CPU's model and features, for -C target-cpu=native; its length without the final zero. */
size_t larder_host_cpu(char *buffer, size_t capacity);

/* A Unix stream socket that listens at `path` (a new file), close-on-exec and not blocking; -1 with errno. */
int larder_socket_listen(const char *path, int backlog);

/* Connects to the Unix socket at `path`, waiting for nobody: -1 with errno, EAGAIN where its queue is full. The
 * socket does not block. */
int larder_socket_connect(const char *path);

/* The next connection of a listening socket, close-on-exec and not blocking; -1 with errno. */
int larder_socket_accept(int listening);

/* The user at the other end of a Unix socket (SO_PEERCRED), or -1. */
long larder_socket_peer(int socket);

/* send(2) without SIGPIPE. */
long larder_socket_send(int socket, const void *bytes, size_t count);

/* Makes this thread yield to all others that want the processor: nice 10 on Linux is per thread. */
void larder_lower_thread_priority(void);

#endif
