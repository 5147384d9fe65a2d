import CMemcached

/// Which server of several has a key: libmemcached's weighted ketama, so that a server more or less moves only its own
/// share of the keys.
final class MemcachedRing {
    private let handle: UnsafeMutablePointer<memcached_st>?
    private let servers: [MemcachedServer]

    init(_ servers: [MemcachedServer]) {
        self.servers = servers
        // One server needs no ring.
        guard servers.count > 1, let handle = memcached_create(nil) else {
            handle = nil
            return
        }
        self.handle = handle
        // Never SORT_HOSTS, which defeats it. The order of the servers does not matter to ketama.
        memcached_behavior_set(handle, MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, 1)
        for server in servers {
            switch server.address {
            case .tcp(let host, let port): memcached_server_add_with_weight(handle, host, port, server.weight)
            case .unix(let path): memcached_server_add_unix_socket_with_weight(handle, path, server.weight)
            }
        }
    }

    deinit {
        if let handle { memcached_free(handle) }
    }

    /// The server of a key; nil when there is none at all.
    func server(of key: String) -> MemcachedServer? {
        guard let handle else { return servers.first }
        let place = Int(memcached_generate_hash(handle, key, key.utf8.count))
        return servers.indices.contains(place) ? servers[place] : servers.first
    }
}
