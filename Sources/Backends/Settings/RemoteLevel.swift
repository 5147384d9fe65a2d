/// One shared cache as the settings describe it.
package struct RemoteLevel: Sendable, Hashable {
    /// Which server or servers.
    package enum Place: Sendable, Hashable {
        case redis(RedisEndpoint)
        case redisCluster([RedisEndpoint])
        /// `server` holds security, login and database of the master; its address is not used.
        case redisSentinel(sentinels: [RedisEndpoint], master: String, server: RedisEndpoint)
        case memcached([MemcachedServer])
    }

    package var place: Place
    /// Stands before every key: empty, or ending in `/`.
    package var keyPrefix = ""
    /// How long what is put lasts; nil for as long as the server likes.
    package var timeToLive: Duration?
    package var isReadOnly = false
    package var redis = RedisOptions()
    package var memcached = MemcachedOptions()

    package init(place: Place) {
        self.place = place
    }

    /// What all of larder's keys begin with, after the prefix of the settings. The number is the format's.
    package static let namespace = "larder/1/"

    /// Redis does one command at a time: a chunk must not hold up other clients for long, nor be so small that its key
    /// and round trip count. Measured on loopback, two cores, 100 MB: from 256 KiB to 4 MiB throughput is the same (350
    /// MB/s out, 480 MB/s in); another client's small GET waits 3 to 5 ms at worst up to 4 MiB, and 13 ms at 8 MiB.
    package static let redisChunkBytes = 2 * 1024 * 1024

    /// An item of memcached has up to 1 MiB with its header, its key, and the key that stands behind the value.
    package static let memcachedChunkBytes = 960 * 1024

    /// The name in a chain: `redis` or `memcached`.
    package var name: String {
        switch place {
        case .redis, .redisCluster, .redisSentinel: "redis"
        case .memcached: "memcached"
        }
    }

    /// The backend with everything around it that the settings ask for.
    package func makeBackend(breaker: BreakerBackend.Rules = .init()) throws(BackendError) -> BreakerBackend {
        let base: any Backend
        let chunkBytes: Int
        switch place {
        case .redis(let endpoint): base = try RedisBackend(endpoint: endpoint, options: redis)
        case .redisCluster(let endpoints): base = try RedisBackend(clusterEndpoints: endpoints, options: redis)
        case .redisSentinel(let sentinels, let master, let server):
            base = try RedisBackend(sentinels: sentinels, master: master, server: server, options: redis)
        case .memcached(let servers): base = try MemcachedBackend(servers: servers, options: memcached)
        }
        switch place {
        case .redis, .redisCluster, .redisSentinel: chunkBytes = Self.redisChunkBytes
        case .memcached: chunkBytes = Self.memcachedChunkBytes
        }
        let prefixed = PrefixedBackend(base, prefix: keyPrefix + Self.namespace)
        // Inside of the chunks, of which damaged ones are removed.
        let allowed: any Backend = isReadOnly ? ReadOnlyBackend(prefixed) : prefixed
        return BreakerBackend(ChunkedBackend(allowed, chunkBytes: chunkBytes), rules: breaker)
    }

    /// The level in one line for people, without secrets.
    package var redacted: String {
        var parts: [String]
        let credentials: Credentials?
        switch place {
        case .redis(let endpoint):
            parts = [endpoint.name]
            credentials = endpoint.credentials
        case .redisCluster(let endpoints):
            parts = ["cluster of " + endpoints.map(\.name).joined(separator: ", ")]
            credentials = endpoints.first?.credentials
        case .redisSentinel(let sentinels, let master, let server):
            parts = ["master \(master) of sentinels " + sentinels.map(\.name).joined(separator: ", ")]
            if server.database != 0 { parts.append("database \(server.database)") }
            credentials = server.credentials
        case .memcached(let servers):
            parts = [servers.map(\.name).joined(separator: ", ")]
            credentials = memcached.credentials
        }
        if let credentials { parts.append("as \(credentials.username ?? "the default user") with a password") }
        if !keyPrefix.isEmpty { parts.append("keys under \(keyPrefix)") }
        parts.append(timeToLive.map { "kept for \($0.components.seconds) s" } ?? "kept without limit")
        if isReadOnly { parts.append("read only") }
        return parts.joined(separator: ", ")
    }
}
