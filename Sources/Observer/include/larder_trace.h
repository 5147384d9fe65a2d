/// The trace: what larder's observer writes down while a compile runs, and the wrapper reads afterwards.
///
/// One file per compile. The wrapper makes it and names it in the environment variable LARDER_TRACE; every process of
/// the compile maps it and appends to it. All numbers are in the machine's byte order; the file never leaves it.
///
///     trace   = header record*
///     header  = magic:8 version:u32 headerSize:u32 capacity:u64 next:u64 allocated:u64 flags:u32 images:u32
///               zero*                     ; up to headerSize
///     record  = state:u16 kind:u16 size:u32     ; one aligned 64-bit word, state in its lowest bits
///               image:u32 pid:i32 object:u32 error:i32 flags:u32 type:u32 value:u64 lengthA:u32 lengthB:u32
///               a:lengthA bytes  b:lengthB bytes  any*    ; up to size, a multiple of 8
///
/// - `next` is where the next record goes: a process reserves room with one atomic addition, so the order of records is
///   the order of additions. It may lie beyond `capacity`: then the overflow flag is set and records were lost.
/// - `allocated` is how far the file has blocks behind it. Writing to a mapped hole of a full disk raises SIGBUS, so a
///   process asks the file system for blocks (fallocate) before it writes beyond.
/// - `state` is 0 in room that was reserved and never begun, LARDER_RECORD_BEGUN while a record is being written and
///   LARDER_RECORD_READY when it is whole. A process that is killed leaves a 0 or a begun record behind. A reader that
///   meets a zero word goes on to the next word that is not.
/// - A record is written *after* the call it tells of has returned (but for EXEC and SPAWN, which come before), so a call
///   without a record never brought its process anything.
/// - `image` numbers the program images of a compile: each exec'd program takes the next number in its HELLO. A forked
///   child has its parent's image until it says hello itself, and its own `pid`.
/// - `object` is the shared object whose code made the call, by the number that an OBJECT record of the same image gave
///   it; 0 where it is not known.
/// - `error` is 0 or the errno with which the call failed.
/// - `a` and `b` are bytes, not terminated. Paths are absolute, made so with the working folder or the folder descriptor
///   of the call, and otherwise as the caller wrote them: with `..`, `//` and symbolic links. A path that does not begin
///   with `/` could not be made absolute.
///
/// The kinds, with what `a`, `b`, `value`, `type` and `flags` hold:
///
///     HELLO        a program began. a = /proc/self/exe, b = the path that exec was given (of a script, its own), value =
///                  parent's pid
///     ENVIRONMENT  what it began with. a = (hash(name):u64 hash(value):u64)*
///     OBJECT       a shared object (or the program) is loaded. a = path (empty: the program), flags = LARDER_AT_START
///     OPEN         open and all its relatives. a = path, type, flags = LARDER_OPEN_*, value = hash(device:u64 inode:u64
///                  size:u64 modified:u64, in nanoseconds) of what was opened
///     LOOK         stat, access, chdir and all their relatives. a = path, type, flags = LARDER_LOOK_*
///     READLINK     a = path, b = the link's text
///     RESOLVE      realpath. a = path, b = result
///     LIST         a folder was opened for its entries. a = path
///     GETENV       a = name, flags = LARDER_SET if it is set, value = hash(value)
///     GETCWD       a = the answer
///     EXEC         exec is about to be called. a = program as given if it has no `/` (it is looked up in PATH; then
///                  b = PATH), else its absolute path
///     EXEC_FAILED  value = file offset of the EXEC record
///     SPAWN        posix_spawn, system, popen is about to be called. As EXEC
///     SPAWNED      value = file offset of the SPAWN record; type = the child's pid, or 0 if the call does not tell
///     RENAME       a = from, b = to
///     UNLINK       unlink, rmdir, remove. a = path
///     LINK         a = existing file, b = new name
///     SYMLINK      a = text, b = new name
///     MKDIR        a = path
///     DLOPEN       a = name as given; the objects it brings follow as OBJECT records
///     CONNECT      a socket was connected. a = path or name of the address family
///     UNSEEN       something was done that can't be followed. a = what
///     MOMENT       an object that was loaded later (a proc macro) asked for what differs from one moment or machine to the
///                  next: the time of day, the machine's name. a = what
///
/// `type` is a file's type as in `st_mode >> 12` (8 regular, 4 folder, 10 symbolic link, 2 character device, 1 pipe, 6
/// block device, 12 socket), or 0 if it isn't known. `hash` is 64-bit FNV-1a.
#ifndef LARDER_TRACE_H
#define LARDER_TRACE_H

#include <stdint.h>

#define LARDER_TRACE_MAGIC "LARDTRC\n"
#define LARDER_TRACE_VERSION 1u
#define LARDER_TRACE_HEADER_SIZE 128u
/// The environment variable that holds the trace's absolute path.
#define LARDER_TRACE_VARIABLE "LARDER_TRACE"
/// How much is asked of the file system at once when the trace grows: some 2000 records, and one system call for them.
#define LARDER_TRACE_GROWTH (256u * 1024u)

/// Bits of the header's `flags`.
enum { LARDER_TRACE_OVERFLOW = 1 };

/// A record's `state`. Odd values, so that text or a path taken for a record is noticed.
enum { LARDER_RECORD_BEGUN = 0x4c42, LARDER_RECORD_READY = 0x4c52 };

/// A record's `kind`.
enum {
    LARDER_HELLO = 1,
    LARDER_ENVIRONMENT = 2,
    LARDER_OBJECT = 3,
    LARDER_OPEN = 4,
    LARDER_LOOK = 5,
    LARDER_READLINK = 6,
    LARDER_RESOLVE = 7,
    LARDER_LIST = 8,
    LARDER_GETENV = 9,
    LARDER_GETCWD = 10,
    LARDER_EXEC = 11,
    LARDER_EXEC_FAILED = 12,
    LARDER_SPAWN = 13,
    LARDER_SPAWNED = 14,
    LARDER_RENAME = 15,
    LARDER_UNLINK = 16,
    LARDER_LINK = 17,
    LARDER_SYMLINK = 18,
    LARDER_MKDIR = 19,
    LARDER_DLOPEN = 20,
    LARDER_CONNECT = 21,
    LARDER_UNSEEN = 22,
    LARDER_MOMENT = 23
};

/// A record's `flags`, by kind.
enum {
    LARDER_AT_START = 1,

    LARDER_OPEN_READ = 1,
    LARDER_OPEN_WRITE = 2,
    LARDER_OPEN_CREATE = 4,
    LARDER_OPEN_TRUNCATE = 8,
    LARDER_OPEN_EXCLUSIVE = 16,
    /// Opened for its name only (O_PATH) or nameless (O_TMPFILE): no content went either way.
    LARDER_OPEN_NAME_ONLY = 32,

    /// A symbolic link at the end of the path was not followed.
    LARDER_LOOK_NO_FOLLOW = 1,
    /// The caller asked for existence or permission only, not for size and times.
    LARDER_LOOK_ACCESS = 2,

    LARDER_SET = 1
};

struct larder_trace_header {
    char magic[8];
    uint32_t version;
    uint32_t header_size;
    uint64_t capacity;
    uint64_t next;
    uint64_t allocated;
    uint32_t flags;
    uint32_t images;
};

struct larder_record {
    uint64_t head;
    uint32_t image;
    int32_t pid;
    uint32_t object;
    int32_t error;
    uint32_t flags;
    uint32_t type;
    uint64_t value;
    uint32_t length_a;
    uint32_t length_b;
};

_Static_assert(sizeof(struct larder_trace_header) <= LARDER_TRACE_HEADER_SIZE, "the header has outgrown its room");
_Static_assert(sizeof(struct larder_record) == 48, "a record's fields are 48 bytes");

#endif
