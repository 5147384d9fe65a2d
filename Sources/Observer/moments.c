/// Stand-ins for the calls whose answer is of this moment or this machine alone. The compiler, a linker or a shell asks
/// for them all the time to no effect, so they are written down only where a proc macro asks: what it makes of the answer
/// is in the program.
#include "observer.h"

#include <sys/time.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static void saw_moment(const void *caller, const char *what) {
    int before = errno;
    if (observing() && !from_start(caller))
        record(&(struct event){.kind = LARDER_MOMENT, .caller = caller, .a = plain_text(what)});
    errno = before;
}

int clock_gettime(clockid_t clock, struct timespec *into) {
    int result = REAL(clock_gettime)(clock, into);
    // Clocks that count from the machine's start say how long something took.
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI)
        saw_moment(CALLER, "the time of day");
    return result;
}

int gettimeofday(struct timeval *restrict into, void *restrict zone) {
    int result = REAL(gettimeofday)(into, zone);
    saw_moment(CALLER, "the time of day");
    return result;
}

time_t time(time_t *into) {
    time_t result = REAL(time)(into);
    saw_moment(CALLER, "the time of day");
    return result;
}

int gethostname(char *into, size_t size) {
    int result = REAL(gethostname)(into, size);
    saw_moment(CALLER, "the machine's name");
    return result;
}

int uname(struct utsname *into) {
    int result = REAL(uname)(into);
    saw_moment(CALLER, "the machine's name");
    return result;
}
