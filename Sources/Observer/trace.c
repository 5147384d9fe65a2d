/// The mapped file: finding it, reserving room in it, writing a record.
#include "observer.h"

#include <dlfcn.h>
#include <limits.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum phase { FRESH, OBSERVING, OFF };

static int phase = FRESH;
static uint8_t *map;
static uint64_t capacity;
static uint32_t image;
static char setting[sizeof(LARDER_TRACE_VARIABLE) + PATH_MAX];
static char library[PATH_MAX];
static void *real_functions[REAL_COUNT];

static const char *const real_names[REAL_COUNT] = {
#define NAME(name) #name,
    REAL_FUNCTIONS(NAME) LATER_FUNCTIONS(NAME)
#undef NAME
};

void *real_function(enum real_function which) {
    void *function = __atomic_load_n(&real_functions[which], __ATOMIC_RELAXED);
    if (!function) {
        int before = errno;
        function = dlsym(RTLD_NEXT, real_names[which]);
        __atomic_store_n(&real_functions[which], function, __ATOMIC_RELAXED);
        errno = before;
    }
    return function;
}

size_t text_length(const char *bytes) {
    bytes = WASHED(bytes);
    size_t length = 0;
    while (bytes && bytes[length]) length++;
    return length;
}

bool begins_with(const char *text, const char *prefix) {
    while (*prefix)
        if (*text++ != *prefix++) return false;
    return true;
}

uint64_t hash_bytes(const char *bytes, size_t length) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < length; i++) hash = (hash ^ (uint8_t)bytes[i]) * 0x100000001b3u;
    return hash;
}

struct text path_text(int folder, const char *path) {
    return (struct text){.bytes = path, .length = text_length(path), .folder = folder, .is_path = true};
}

struct text plain_text(const char *bytes) { return counted_text(bytes, text_length(bytes)); }

struct text counted_text(const char *bytes, size_t length) {
    return (struct text){.bytes = bytes, .length = length, .folder = AT_FDCWD, .is_path = false};
}

const char *trace_setting(void) { return setting; }
const char *library_path(void) { return library; }

static struct larder_trace_header *header(void) { return (struct larder_trace_header *)map; }

/// Gives the file blocks up to `end`. The descriptor of the mapping was closed at once, as the traced program might
/// close or reuse it, so the file is opened anew: two more system calls for every 256 KiB.
static bool grow(uint64_t end) {
    const char *path = setting + sizeof(LARDER_TRACE_VARIABLE);
    uint64_t begin = __atomic_load_n(&header()->allocated, __ATOMIC_ACQUIRE);
    uint64_t target = (end + LARDER_TRACE_GROWTH - 1) / LARDER_TRACE_GROWTH * LARDER_TRACE_GROWTH;
    if (target > capacity) target = capacity;
    if (target <= begin) return true;
    long file = kernel(SYS_openat, AT_FDCWD, (long)path, O_RDWR | O_CLOEXEC, 0, 0, 0);
    if (file < 0) return false;
    long result;
    do {
        result = kernel(SYS_fallocate, file, 0, (long)begin, (long)(target - begin), 0, 0);
    } while (result == -EINTR);
    kernel(SYS_close, file, 0, 0, 0, 0, 0);
    if (result < 0) return false;
    while (begin < target &&
           !__atomic_compare_exchange_n(
               &header()->allocated, &begin, target, false, __ATOMIC_RELEASE, __ATOMIC_ACQUIRE
           ))
        ;
    return true;
}

/// @return the offset of `size` bytes that are this call's alone, or 0.
static uint64_t reserve(uint64_t size) {
    uint64_t offset = __atomic_fetch_add(&header()->next, size, __ATOMIC_RELAXED);
    bool fits = offset <= capacity && size <= capacity - offset;
    if (fits && offset + size > __atomic_load_n(&header()->allocated, __ATOMIC_ACQUIRE)) fits = grow(offset + size);
    if (fits) return offset;
    __atomic_fetch_or(&header()->flags, LARDER_TRACE_OVERFLOW, __ATOMIC_RELAXED);
    return 0;
}

/// The folder a relative path starts from, with a `/` after it. Not cached: a vfork child's chdir would spoil its
/// parent's copy, and only relative paths pay for the question.
/// @return its length; 0 if there is none; -ERANGE if it does not fit.
static long write_folder(int folder, char *into, long size) {
    long length;
    if (folder == AT_FDCWD) {
        length = kernel(SYS_getcwd, (long)into, size, 0, 0, 0, 0);
        if (length < 0) return length == -ERANGE ? -ERANGE : 0;
        length--;
    } else {
        char name[40] = "/proc/self/fd/";
        char digits[12];
        int count = 0;
        unsigned rest = folder < 0 ? 0 : (unsigned)folder;
        do digits[count++] = (char)('0' + rest % 10);
        while (rest /= 10);
        char *end = name + 14;
        while (count) *end++ = digits[--count];
        *end = 0;
        length = folder < 0 ? -EBADF
                            : kernel(SYS_readlinkat, AT_FDCWD, (long)name, (long)into, size, 0, 0);
        if (length == size) return -ERANGE;
        if (length < 0) return 0;
    }
    if (length >= size) return -ERANGE;
    into[length] = '/';
    return length + 1;
}

/// Where a text's bytes begin. A short folder is kept here, a long one is written into the trace itself: a thread's
/// stack, or a signal handler's, may be small.
struct prefix {
    char bytes[256];
    long length;
};

static void find_prefix(const struct text *text, struct prefix *prefix) {
    prefix->length = 0;
    if (!text->is_path || (text->length && text->bytes[0] == '/')) return;
    prefix->length = write_folder(text->folder, prefix->bytes, sizeof prefix->bytes);
    // A descriptor's own path (an empty name) takes no slash.
    if (prefix->length > 1 && text->length == 0) prefix->length--;
}

static uint64_t room(const struct text *text, const struct prefix *prefix) {
    return text->length + (prefix->length == -ERANGE ? PATH_MAX : (uint64_t)prefix->length);
}

static uint32_t write_text(const struct text *text, const struct prefix *prefix, uint8_t *into) {
    long start = prefix->length;
    if (start == -ERANGE) {
        start = write_folder(text->folder, (char *)into, PATH_MAX);
        if (start < 0) start = 0;
    } else {
        memcpy(into, prefix->bytes, (size_t)start);
    }
    if (text->length) memcpy(into + start, text->bytes, text->length);
    return (uint32_t)((uint64_t)start + text->length);
}

/// Whose code called. An address that no known object holds may be in one that libc loaded by itself.
static uint32_t asker(const struct event *event) {
    if (!event->caller) return event->object;
    uint32_t object = object_of(event->caller);
    if (object) return object;
    expect_new_objects();
    settle_objects();
    return object_of(event->caller);
}

uint64_t record(const struct event *event) {
    settle_objects();
    uint32_t object = asker(event);
    struct prefix prefix_a, prefix_b;
    find_prefix(&event->a, &prefix_a);
    find_prefix(&event->b, &prefix_b);
    uint64_t size = sizeof(struct larder_record) + room(&event->a, &prefix_a) + room(&event->b, &prefix_b);
    size = (size + 7) & ~(uint64_t)7;
    if (size > UINT32_MAX) return 0;
    uint64_t offset = reserve(size);
    if (!offset) return 0;

    struct larder_record *new = (struct larder_record *)(map + offset);
    uint64_t head = size << 32 | (uint64_t)event->kind << 16;
    __atomic_store_n(&new->head, head | LARDER_RECORD_BEGUN, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    new->image = image;
    new->pid = (int32_t)kernel(SYS_getpid, 0, 0, 0, 0, 0, 0);
    new->object = object;
    new->error = event->error;
    new->flags = event->flags;
    new->type = event->type;
    new->value = event->value;
    uint8_t *bytes = (uint8_t *)(new + 1);
    new->length_a = write_text(&event->a, &prefix_a, bytes);
    new->length_b = write_text(&event->b, &prefix_b, bytes + new->length_a);
    __atomic_store_n(&new->head, head | LARDER_RECORD_READY, __ATOMIC_RELEASE);
    return offset;
}

/// Maps the trace that the environment names.
static bool map_trace(char **environment) {
    const char *entry = NULL;
    for (char **each = environment; each && *each; each++)
        if (begins_with(*each, LARDER_TRACE_VARIABLE "=")) entry = *each;
    if (!entry || text_length(entry) >= sizeof setting) return false;
    memcpy(setting, entry, text_length(entry) + 1);
    const char *path = setting + sizeof(LARDER_TRACE_VARIABLE);
    if (path[0] != '/') return false;

    long file = kernel(SYS_openat, AT_FDCWD, (long)path, O_RDWR | O_CLOEXEC, 0, 0, 0);
    if (file < 0) return false;
    struct larder_trace_header found;
    long length = kernel(SYS_pread64, file, (long)&found, sizeof found, 0, 0, 0);
    bool usable = length == (long)sizeof found && memcmp(found.magic, LARDER_TRACE_MAGIC, sizeof found.magic) == 0 &&
                  found.version == LARDER_TRACE_VERSION && found.header_size == LARDER_TRACE_HEADER_SIZE;
    // A file shorter than it says would raise SIGBUS.
    long end = usable ? kernel(SYS_lseek, file, 0, SEEK_END, 0, 0, 0) : -1;
    usable = usable && end >= 0 && (uint64_t)end >= found.capacity && found.allocated <= found.capacity &&
             found.allocated >= LARDER_TRACE_HEADER_SIZE;
    long address =
        usable ? kernel(SYS_mmap, 0, (long)found.capacity, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) : -1;
    kernel(SYS_close, file, 0, 0, 0, 0, 0);
    if (address < 0 && address > -4096) return false;
    // Each page is written once, one after the other; the kernel would read those around it, of which there is nothing.
    kernel(SYS_madvise, address, (long)found.capacity, MADV_RANDOM, 0, 0, 0);
    map = (uint8_t *)address;
    capacity = found.capacity;
    return true;
}

static void say_hello(char **environment) {
    char exe[512];
    long length = kernel(SYS_readlinkat, AT_FDCWD, (long)"/proc/self/exe", (long)exe, sizeof exe, 0, 0);
    record(&(struct event){
        .kind = LARDER_HELLO,
        .value = (uint64_t)kernel(SYS_getppid, 0, 0, 0, 0, 0, 0),
        .a = counted_text(exe, length < 0 || length == (long)sizeof exe ? 0 : (size_t)length),
        .b = path_text(AT_FDCWD, (const char *)getauxval(AT_EXECFN)),
    });

    // Pairs of hashes: enough to tell which variables of the wrapper's environment this program was given.
    enum { AT_ONCE = 32 };
    uint64_t pairs[2 * AT_ONCE];
    size_t count = 0;
    for (char **each = environment; each && *each; each++) {
        size_t name = 0, whole = text_length(*each);
        while (name < whole && (*each)[name] != '=') name++;
        pairs[2 * count] = hash_bytes(*each, name);
        pairs[2 * count + 1] = name < whole ? hash_bytes(*each + name + 1, whole - name - 1) : hash_bytes("", 0);
        if (++count == AT_ONCE || !each[1]) {
            record(&(struct event){
                .kind = LARDER_ENVIRONMENT,
                .a = counted_text((const char *)pairs, count * 2 * sizeof pairs[0]),
            });
            count = 0;
        }
    }
    refresh_objects(true);
}

static void start(char **environment) {
    Dl_info self;
    for (int i = 0; i < FIRST_LATER; i++) real_function((enum real_function)i);
    bool ready = dladdr((void *)&start, &self) && self.dli_fname && self.dli_fname[0] == '/' &&
                 text_length(self.dli_fname) < sizeof library;
    if (ready) memcpy(library, self.dli_fname, text_length(self.dli_fname) + 1);
    ready = ready && map_trace(environment);
    if (ready) {
        image = __atomic_add_fetch(&header()->images, 1, __ATOMIC_RELAXED);
        say_hello(environment);
    }
    __atomic_store_n(&phase, ready ? OBSERVING : OFF, __ATOMIC_RELEASE);
}

bool observing(void) { return __atomic_load_n(&phase, __ATOMIC_ACQUIRE) == OBSERVING; }

/// Nothing is observed before this, and nothing may start it earlier: an allocator that asks for its settings while it
/// sets itself up (rustc's jemalloc does) must not be called back from here. The library is linked `-z initfirst`, so
/// other libraries' constructors come after it; libc's, which sets `environ`, too.
__attribute__((constructor)) static void begin(int count, char **arguments, char **environment) {
    (void)count;
    (void)arguments;
    int before = errno;
    start(environment);
    errno = before;
}

/// What was loaded by a dlopen and made no call since is recorded at the end.
__attribute__((destructor)) static void end(void) {
    int before = errno;
    if (observing()) settle_objects();
    errno = before;
}
