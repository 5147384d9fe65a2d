/* XXH3 through its stable interface: the state's layout is not part of that. */
#include <xxhash.h>
