/* SHA-256 of OpenSSL's libcrypto. Its low-level interface is used on purpose: the EVP one loads configuration and
 * providers at first use, which costs more than a whole call of the wrapper. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
