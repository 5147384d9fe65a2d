extension SettingsReader {
    // MARK: Redis

    /// The Redis that is set up, if there is one and nothing is wrong with it.
    mutating func redisLevel() -> RemoteLevel? {
        let url = "REDIS"
        let endpoint = "REDIS_ENDPOINT"
        let cluster = "REDIS_CLUSTER_ENDPOINTS"
        let sentinel = "REDIS_SENTINEL_ENDPOINTS"
        let places = group(url, endpoint, cluster, sentinel)
        if places.isEmpty { return nil }
        let database = single("REDIS_DB")
        let databaseNumber = number(database, upTo: UInt64(UInt32.max), default: 0)
        let expiry = group("REDIS_EXPIRATION", "REDIS_TTL")
        let errors = problems.count { $0.severity == .error }
        if expiry.count > 1 {
            fail(Array(expiry.values), "both are set", "Use only one: REDIS_EXPIRATION.")
        }
        let seconds = number(expiry.values.first, upTo: UInt64(Int64.max), default: 0)
        guard places.count == 1, let place = places.values.first else {
            fail(Array(places.values), "only one of them may be set", "Keep the one that names your Redis.")
            return nil
        }
        guard let databaseNumber, let seconds, problems.count(where: { $0.severity == .error }) == errors else {
            return nil
        }
        do throws(BackendError) {
            var level: RemoteLevel
            if places[url] != nil {
                level = try legacyLevel(place, database: databaseNumber)
            } else if places[endpoint] != nil {
                var single = try RedisEndpoint(url: place.text)
                logIn(&single)
                if database != nil { single.database = Int(databaseNumber) }
                level = RemoteLevel(place: .redis(single))
            } else if places[cluster] != nil {
                level = RemoteLevel(place: .redisCluster(try clusterEndpoints(place, database: databaseNumber)))
            } else {
                level = try sentinelLevel(place, database: databaseNumber)
            }
            level.timeToLive = seconds == 0 ? nil : .seconds(Int64(clamping: seconds))
            level.keyPrefix = keyPrefix("REDIS_KEY_PREFIX")
            level.isReadOnly = isReadOnly("REDIS_RW_MODE")
            level.redis.authorityFile = own("REDIS_CA_FILE")?.text
            return level
        } catch {
            fail([place], error.message, error.advice)
            return nil
        }
    }

    /// The old form, which has everything in the URL.
    private mutating func legacyLevel(_ place: Setting, database: UInt64) throws(BackendError) -> RemoteLevel {
        let others = [single("REDIS_USERNAME"), single("REDIS_PASSWORD")].compactMap { $0 }
        if !others.isEmpty || database != 0 {
            throw BackendError(
                .invalidSettings,
                "user, password and database have no effect beside a full URL",
                advice: "Use SCCACHE_REDIS_ENDPOINT in place of SCCACHE_REDIS, or write them into the URL."
            )
        }
        return RemoteLevel(place: .redis(try RedisEndpoint(url: place.text)))
    }

    private mutating func logIn(_ endpoint: inout RedisEndpoint) {
        endpoint.credentials = credentials(
            user: "REDIS_USERNAME",
            password: "REDIS_PASSWORD",
            inURL: endpoint.credentials
        )
    }

    private mutating func clusterEndpoints(
        _ place: Setting,
        database: UInt64
    ) throws(BackendError) -> [RedisEndpoint] {
        var endpoints = try Self.endpoints(place.text)
        if database != 0 || endpoints.contains(where: { $0.database != 0 }) {
            warn([place], "a Redis cluster has no other databases", "Database 0 is used.")
        }
        if Set(endpoints.map(\.security)).count > 1 {
            throw BackendError(
                .invalidSettings,
                "some servers are named with TLS and some without",
                advice: "Name all with rediss:// or none."
            )
        }
        guard var first = endpoints.first else { return [] }
        logIn(&first)
        for index in endpoints.indices {
            endpoints[index].credentials = first.credentials
            endpoints[index].database = 0
        }
        return endpoints
    }

    private mutating func sentinelLevel(_ place: Setting, database: UInt64) throws(BackendError) -> RemoteLevel {
        var sentinels = try Self.endpoints(place.text)
        // The name in Redis' own sample configuration.
        let master = own("REDIS_SENTINEL_MASTER")?.text ?? "mymaster"
        let user = own("REDIS_SENTINEL_USERNAME")?.text
        let password = own("REDIS_SENTINEL_PASSWORD")?.text
        var server = RedisEndpoint(address: .tcp(host: master, port: RedisEndpoint.defaultPort))
        server.security = sentinels.first?.security ?? .plain
        server.database = Int(database)
        logIn(&server)
        if let password {
            for index in sentinels.indices {
                sentinels[index].credentials = Credentials(username: user, password: Secret(password))
            }
        }
        return RemoteLevel(place: .redisSentinel(sentinels: sentinels, master: master, server: server))
    }

    /// URLs with commas between them.
    private static func endpoints(_ text: String) throws(BackendError) -> [RedisEndpoint] {
        var endpoints: [RedisEndpoint] = []
        for part in text.split(separator: ",") {
            let url = String(part.filter { !$0.isWhitespace })
            if !url.isEmpty { endpoints.append(try RedisEndpoint(url: url)) }
        }
        if endpoints.isEmpty {
            throw BackendError(
                .invalidSettings,
                "no server is named",
                advice: "Write redis://host:port, several with commas between them."
            )
        }
        return endpoints
    }

    // MARK: memcached

    /// sccache's default: a day, as memcached's own habits are too short for builds.
    private static let memcachedExpiry: UInt64 = 86_400

    /// The memcached that is set up, if there is one and nothing is wrong with it.
    mutating func memcachedLevel() -> RemoteLevel? {
        let places = group("MEMCACHED", "MEMCACHED_ENDPOINT")
        guard let place = places.values.first else { return nil }
        if places.count > 1 {
            fail(Array(places.values), "both are set", "Use only MEMCACHED_ENDPOINT.")
            return nil
        }
        let expiry = single("MEMCACHED_EXPIRATION")
        guard let seconds = number(expiry, upTo: UInt64(UInt32.max), default: Self.memcachedExpiry) else { return nil }
        do throws(BackendError) {
            let (servers, inURL) = try MemcachedServer.list(place.text)
            var level = RemoteLevel(place: .memcached(servers))
            level.memcached.credentials = credentials(
                user: "MEMCACHED_USERNAME",
                password: "MEMCACHED_PASSWORD",
                inURL: inURL
            )
            level.timeToLive = seconds == 0 ? nil : .seconds(Int64(clamping: seconds))
            level.isReadOnly = isReadOnly("MEMCACHED_RW_MODE")
            level.keyPrefix = keyPrefix("MEMCACHED_KEY_PREFIX")
            guard isFit(level) else { return nil }
            if let login = own("MEMCACHED_LOGIN") {
                guard let method = MemcachedOptions.LoginMethod(rawValue: login.text) else {
                    fail([login], "is not automatic, text or sasl", "Write one of the three.")
                    return nil
                }
                level.memcached.loginMethod = method
            }
            return level
        } catch {
            fail([place], error.message, error.advice)
            return nil
        }
    }

    /// Whether keys with this prefix can be written in memcached's protocol.
    private mutating func isFit(_ level: RemoteLevel) -> Bool {
        // larder's own part of a key: the namespace, a kind, and a digest.
        let own = RemoteLevel.namespace.utf8.count + 2 + 2 * Checksum.byteCount
        let prefix = level.keyPrefix.utf8
        let longest = MemcachedBackend.limits.keyBytes - own
        if prefix.count <= longest, prefix.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) { return true }
        note(
            .error,
            ["SCCACHE_MEMCACHED_KEY_PREFIX"],
            "memcached's keys have no blanks, and a prefix at most \(longest) bytes",
            "Choose another prefix."
        )
        return false
    }
}
