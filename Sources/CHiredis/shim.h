/* hiredis: writes commands (redisFormatCommandArgv) and reads replies (redisReader). Larder does the reading and writing
 * of sockets itself, because a redisContext knows no deadline for a whole request and no TLS in version 0.14. */
#include <hiredis/hiredis.h>
#include <hiredis/read.h>
