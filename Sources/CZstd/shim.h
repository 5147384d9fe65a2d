/* zstd's stable interface only: the static-linking one changes between releases. */
#include <zstd.h>
#include <zstd_errors.h>
