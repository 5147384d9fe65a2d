/* libmemcached. Its C++ part stays out: memcached.h includes it only for C++ compilers. */
#include <libmemcached/memcached.h>

#if !defined(LIBMEMCACHED_WITH_SASL_SUPPORT)
#define LIBMEMCACHED_WITH_SASL_SUPPORT 0
#endif

/* Whether this libmemcached was built with SASL; without it, memcached_set_sasl_auth_data answers "not supported". */
static inline int larder_memcached_has_sasl(void) { return LIBMEMCACHED_WITH_SASL_SUPPORT; }
