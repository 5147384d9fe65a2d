/* TLS of OpenSSL. The functions below are macros there, which Swift can't call. */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

static inline void larder_ssl_require_tls12(SSL_CTX *context) {
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
}

/* A write may end early, and the next one may pass the rest from another address: our buffers are Swift's. */
static inline void larder_ssl_allow_partial_writes(SSL_CTX *context) {
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

/* 1 when the name the server is asked for (SNI) was set. */
static inline int larder_ssl_set_server_name(SSL *session, const char *name) {
    return (int)SSL_set_tlsext_host_name(session, name);
}

/* 1 when the certificate must carry this address, written as text. */
static inline int larder_ssl_require_address(SSL *session, const char *address) {
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), address);
}
