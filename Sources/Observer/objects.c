/// Which shared object an address belongs to.
///
/// A table that only grows, filled without locks: an entry is reserved, written, and shown by its end address, which is
/// stored last. Two threads that refresh at once may enter an object twice; the numbers differ, the path is the same.
#include "observer.h"

#include <link.h>
#include <sys/syscall.h>

/// Far more than any compiler loads. What comes after is unknown, and so counts as a proc macro's.
enum { MOST_OBJECTS = 2048 };

struct object {
    uintptr_t begin;
    uintptr_t end;
    uint64_t name;
};

static struct object objects[MOST_OBJECTS];
static uint32_t count;
/// How many of them there were when the program began.
static uint32_t at_start_count;
static bool expecting;
/// How many objects the loader had added when the table was last filled.
static uint64_t added;
/// The process whose loader state this is: a forked child of a threaded process must not ask for the loader's lock.
static long owner;

static uint32_t entered(void) {
    uint32_t now = __atomic_load_n(&count, __ATOMIC_ACQUIRE);
    return now < MOST_OBJECTS ? now : MOST_OBJECTS;
}

/// Newest first: an object may lie where an unloaded one did.
uint32_t object_of(const void *address) {
    uintptr_t place = (uintptr_t)address;
    for (uint32_t i = entered(); i > 0; i--) {
        uintptr_t end = __atomic_load_n(&objects[i - 1].end, __ATOMIC_ACQUIRE);
        if (place < end && place >= objects[i - 1].begin) return i;
    }
    return 0;
}

bool from_start(const void *address) {
    uint32_t object = object_of(address);
    return object != 0 && object <= __atomic_load_n(&at_start_count, __ATOMIC_ACQUIRE);
}

struct refresh {
    bool at_start;
    bool looked;
    uint64_t added;
};

static int enter_object(struct dl_phdr_info *info, size_t size, void *data) {
    struct refresh *refresh = data;
    if (size >= offsetof(struct dl_phdr_info, dlpi_adds) + sizeof info->dlpi_adds) refresh->added = info->dlpi_adds;
    uintptr_t begin = UINTPTR_MAX, end = 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type != PT_LOAD) continue;
        uintptr_t from = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        uintptr_t to = from + info->dlpi_phdr[i].p_memsz;
        if (from < begin) begin = from;
        if (to > end) end = to;
    }
    if (begin >= end) return 0;
    const char *path = info->dlpi_name ? info->dlpi_name : "";
    uint64_t name = hash_bytes(path, text_length(path));
    uint32_t known = object_of((const void *)begin);
    if (known && objects[known - 1].name == name && objects[known - 1].begin == begin) return 0;

    uint32_t place = __atomic_fetch_add(&count, 1, __ATOMIC_ACQ_REL);
    if (place < MOST_OBJECTS) {
        objects[place].begin = begin;
        objects[place].name = name;
        __atomic_store_n(&objects[place].end, end, __ATOMIC_RELEASE);
    }
    // Only paths are worth a record: the kernel's vdso has a bare name. The program itself has none, and says so.
    bool program = path[0] == 0;
    bool file = false;
    for (const char *each = path; *each; each++) file = file || *each == '/';
    if (program || file)
        record(&(struct event){
            .kind = LARDER_OBJECT,
            .object = place < MOST_OBJECTS ? place + 1 : 0,
            .flags = refresh->at_start ? LARDER_AT_START : 0,
            .a = program ? plain_text("") : path_text(AT_FDCWD, path),
        });
    return 0;
}

void refresh_objects(bool at_start) {
    struct refresh refresh = {.at_start = at_start};
    if (at_start) owner = kernel(SYS_getpid, 0, 0, 0, 0, 0, 0);
    __atomic_store_n(&expecting, false, __ATOMIC_RELEASE);
    dl_iterate_phdr(enter_object, &refresh);
    __atomic_store_n(&added, refresh.added, __ATOMIC_RELEASE);
    if (at_start) __atomic_store_n(&at_start_count, entered(), __ATOMIC_RELEASE);
}

static int read_added(struct dl_phdr_info *info, size_t size, void *data) {
    struct refresh *refresh = data;
    if (size >= offsetof(struct dl_phdr_info, dlpi_adds) + sizeof info->dlpi_adds) refresh->added = info->dlpi_adds;
    return 1;
}

void expect_new_objects(void) { __atomic_store_n(&expecting, true, __ATOMIC_RELEASE); }

void settle_objects(void) {
    if (!__atomic_load_n(&expecting, __ATOMIC_ACQUIRE)) return;
    if (owner != kernel(SYS_getpid, 0, 0, 0, 0, 0, 0)) return;
    struct refresh refresh = {.added = 0};
    dl_iterate_phdr(read_added, &refresh);
    // A dlopen of something already loaded adds nothing; the question stays open, which costs a lock for each record.
    if (refresh.added != __atomic_load_n(&added, __ATOMIC_ACQUIRE)) refresh_objects(false);
}
