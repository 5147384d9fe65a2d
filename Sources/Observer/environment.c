/// Stand-ins for the calls that read variables.
#include "observer.h"

#include <locale.h>
#include <stdlib.h>

char *__secure_getenv(const char *name);
locale_t __newlocale(int mask, const char *name, locale_t base);

static void saw_variable(const void *caller, const char *name, const char *value) {
    int before = errno;
    name = WASHED(name);
    if (observing() && name)
        record(&(struct event){
            .kind = LARDER_GETENV,
            .flags = value ? LARDER_SET : 0,
            .value = hash_bytes(value, text_length(value)),
            .caller = caller,
            .a = plain_text(name),
        });
    errno = before;
}

#define STAND_IN_GETENV(name)                                                                                          \
    char *name(const char *variable) {                                                                                 \
        char *value = REAL(name)(variable);                                                                            \
        saw_variable(CALLER, variable, value);                                                                         \
        return value;                                                                                                  \
    }
STAND_IN_GETENV(getenv)
STAND_IN_GETENV(secure_getenv)

/// The old name of secure_getenv, which libc keeps for old programs and doesn't let us look up.
char *__secure_getenv(const char *variable) {
    char *value = REAL(secure_getenv)(variable);
    saw_variable(CALLER, variable, value);
    return value;
}

/// An empty locale name means "as the environment says", which libc reads by itself: LC_ALL, or else the others.
static void saw_locale(const void *caller, const char *name) {
    static const char *const others[] = {
        "LC_CTYPE", "LC_NUMERIC", "LC_TIME", "LC_COLLATE", "LC_MONETARY", "LC_MESSAGES", "LANG", "LANGUAGE",
    };
    name = WASHED(name);
    if (!name || name[0] || !observing()) return;
    const char *all = REAL(getenv)("LC_ALL");
    saw_variable(caller, "LC_ALL", all);
    if (all && all[0]) return;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        saw_variable(caller, others[i], REAL(getenv)(others[i]));
}

char *setlocale(int category, const char *name) {
    char *result = REAL(setlocale)(category, name);
    saw_locale(CALLER, name);
    return result;
}

locale_t newlocale(int mask, const char *name, locale_t base) {
    locale_t result = REAL(newlocale)(mask, name, base);
    saw_locale(CALLER, name);
    return result;
}

locale_t __newlocale(int mask, const char *name, locale_t base) {
    locale_t result = REAL(__newlocale)(mask, name, base);
    saw_locale(CALLER, name);
    return result;
}
