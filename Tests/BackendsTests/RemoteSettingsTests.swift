import Testing

@testable import Backends

struct RemoteSettingsTests {
    private func redis(_ environment: [String: String]) throws -> RemoteLevel {
        let settings = RemoteSettings(environment: environment)
        #expect(settings.problems.filter { $0.severity == .error }.isEmpty)
        return try #require(settings.levels.first)
    }

    private func errors(_ environment: [String: String]) -> [SettingsProblem] {
        RemoteSettings(environment: environment).problems.filter { $0.severity == .error }
    }

    @Test func `nothing set is no level and no problem`() {
        let settings = RemoteSettings(environment: ["PATH": "/bin", "SCCACHE_REDIS": "", "SCCACHE_DIR": "/tmp/x"])
        #expect(settings.levels.isEmpty)
        #expect(settings.problems.isEmpty)
    }

    @Test(arguments: [
        ("redis://10.0.0.1:7000", "redis://10.0.0.1:7000"),
        ("tcp://cache", "redis://cache:6379"),
        ("cache.office:7000", "redis://cache.office:7000"),
        ("cache", "redis://cache:6379"),
        ("[::1]:7000", "redis://[::1]:7000"),
        ("redis://[fe80::1]", "redis://[fe80::1]:6379"),
        ("rediss://@1.2.3.4:6379", "rediss://1.2.3.4:6379"),
        ("rediss://cache#insecure", "rediss://cache:6379#insecure"),
        ("REDISS://cache/#insecure", "rediss://cache:6379#insecure"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
        ("redis+unix:///run/redis.sock?db=4", "unix:///run/redis.sock?db=4"),
        ("redis://cache/3", "redis://cache:6379/3"),
        ("redis://cache/?db=5", "redis://cache:6379/5"),
        ("redis://cache?db=5", "redis://cache:6379/5"),
    ])
    func `a Redis URL is read`(url: String, name: String) throws {
        #expect(try RedisEndpoint(url: url).name == name)
    }

    @Test(arguments: [
        "", "redis://", "http://cache", "redis://cache:0", "redis://cache:65536", "redis://cache:x", "redis://a:b:c",
        "redis://cache/x", "redis://cache?db=-1", "redis://cache?db", "redis://%zz@cache", "redis://:p%4@cache",
        "redis://cache#insecure", "rediss://cache#secure", "unix://", "unix://relative", "unix:///", "[::1", "[]:1",
        "redis://ca che", "redis://cache\n", "redis://cache:99999999999999999999", "redis://%ff:x@cache",
        "redis://cache?db=99999999999999999999",
    ])
    func `a Redis URL that can't be used is an error without its text`(url: String) {
        do throws(BackendError) {
            let endpoint = try RedisEndpoint(url: url)
            Issue.record("\(url) is read as \(endpoint)")
        } catch {
            #expect(error.code == .invalidSettings)
        }
    }

    @Test func `the old URL holds login and database`() throws {
        let level = try redis(["SCCACHE_REDIS": "rediss://alice:p%40ss/w:rd@192.168.1.10:6380/?db=12"])
        guard case .redis(let endpoint) = level.place else { throw BackendError(.closed, "", advice: "") }
        #expect(endpoint.credentials == Credentials(username: "alice", password: Secret("p@ss/w:rd")))
        #expect(endpoint.database == 12)
        #expect(endpoint.security == .tls(verifies: true))
        #expect(level.timeToLive == nil)
        let second = try redis(["SCCACHE_REDIS": "redis://:only@cache/7"])
        guard case .redis(let endpoint) = second.place else { throw BackendError(.closed, "", advice: "") }
        #expect(endpoint.credentials == Credentials(username: nil, password: Secret("only")))
        #expect(endpoint.database == 7)
    }

    @Test func `an endpoint takes its login and the rest from variables`() throws {
        let level = try redis([
            "SCCACHE_REDIS_ENDPOINT": "redis://cache", "SCCACHE_REDIS_USERNAME": "alice",
            "SCCACHE_REDIS_PASSWORD": "s3cret", "SCCACHE_REDIS_DB": "2", "SCCACHE_REDIS_EXPIRATION": "3600",
            "SCCACHE_REDIS_KEY_PREFIX": "team/", "SCCACHE_REDIS_RW_MODE": "READ_ONLY",
        ])
        guard case .redis(let endpoint) = level.place else { throw BackendError(.closed, "", advice: "") }
        #expect(endpoint.credentials == Credentials(username: "alice", password: Secret("s3cret")))
        #expect(endpoint.database == 2)
        #expect(level.timeToLive == .seconds(3600))
        #expect(level.keyPrefix == "team/")
        #expect(level.isReadOnly)
        #expect(
            level.redacted
                == "redis://cache:6379/2, as alice with a password, keys under team/, kept for 3600 s, read only"
        )
    }

    @Test func `what sccache refuses is refused`() {
        let place = ["SCCACHE_REDIS_ENDPOINT": "redis://a"]
        let contradictions: [[String: String]] = [
            place.merging(["SCCACHE_REDIS": "redis://b"]) { $1 },
            place.merging(["SCCACHE_REDIS_CLUSTER_ENDPOINTS": "redis://b"]) { $1 },
            place.merging(["SCCACHE_REDIS_TTL": "1", "SCCACHE_REDIS_EXPIRATION": "1"]) { $1 },
            place.merging(["SCCACHE_REDIS_TTL": "soon"]) { $1 },
            place.merging(["SCCACHE_REDIS_TTL": "-5"]) { $1 },
            place.merging(["SCCACHE_REDIS_TTL": "99999999999999999999"]) { $1 },
            place.merging(["SCCACHE_REDIS_DB": "one"]) { $1 },
            ["SCCACHE_REDIS": "redis://b", "SCCACHE_REDIS_USERNAME": "x"],
            ["SCCACHE_REDIS": "redis://b", "SCCACHE_REDIS_PASSWORD": "x"],
            ["SCCACHE_REDIS": "redis://b", "SCCACHE_REDIS_DB": "1"],
            ["SCCACHE_REDIS_CLUSTER_ENDPOINTS": " , "],
            ["SCCACHE_REDIS_CLUSTER_ENDPOINTS": "redis://a,rediss://b"],
            ["SCCACHE_MEMCACHED": "tcp://a:1", "SCCACHE_MEMCACHED_ENDPOINT": "tcp://a:1"],
            ["SCCACHE_MEMCACHED": "tcp://a:1", "SCCACHE_MEMCACHED_EXPIRATION": "4294967296"],
            ["SCCACHE_MEMCACHED": "http://a:1"],
            ["SCCACHE_MEMCACHED": "a?weight=0"],
            ["SCCACHE_MEMCACHED": "a", "SCCACHE_MEMCACHED_KEY_PREFIX": "with blank"],
            ["SCCACHE_MEMCACHED": "a", "SCCACHE_MEMCACHED_KEY_PREFIX": String(repeating: "p", count: 200)],
        ]
        for environment in contradictions {
            let settings = RemoteSettings(environment: environment)
            #expect(settings.levels.isEmpty, "\(environment)")
            #expect(settings.problems.count { $0.severity == .error } == 1, "\(environment)")
        }
        #expect(errors(["SCCACHE_REDIS_DB": "x"]).isEmpty, "no Redis, no question")
    }

    @Test func `larder's variables hide sccache's, and an empty one sets nothing`() throws {
        let theirs = ["SCCACHE_REDIS": "redis://theirs", "SCCACHE_REDIS_KEY_PREFIX": "theirs"]
        let ours = try redis(theirs.merging(["LARDER_REDIS_ENDPOINT": "redis://ours"]) { $1 })
        #expect(ours.redacted.hasPrefix("redis://ours:6379"))
        #expect(ours.keyPrefix == "theirs/")
        let prefix = try redis(theirs.merging(["LARDER_REDIS_KEY_PREFIX": ""]) { $1 })
        #expect(prefix.keyPrefix.isEmpty)
        #expect(RemoteSettings(environment: theirs.merging(["LARDER_REDIS": ""]) { $1 }).levels.isEmpty)
    }

    @Test func `cluster and sentinel are read`() throws {
        let cluster = try redis([
            "SCCACHE_REDIS_CLUSTER_ENDPOINTS": "rediss://a:1, rediss://b:2,", "SCCACHE_REDIS_PASSWORD": "x",
            "LARDER_REDIS_CA_FILE": "/etc/ca.pem",
        ])
        guard case .redisCluster(let endpoints) = cluster.place else { throw BackendError(.closed, "", advice: "") }
        #expect(endpoints.map(\.name) == ["rediss://a:1", "rediss://b:2"])
        #expect(endpoints.allSatisfy { $0.credentials?.password == Secret("x") })
        #expect(cluster.redis.authorityFile == "/etc/ca.pem")
        let level = try redis([
            "LARDER_REDIS_SENTINEL_ENDPOINTS": "s1:26379,s2:26379", "LARDER_REDIS_SENTINEL_MASTER": "office",
            "LARDER_REDIS_SENTINEL_PASSWORD": "guard", "SCCACHE_REDIS_PASSWORD": "x", "LARDER_REDIS_DB": "3",
        ])
        guard case .redisSentinel(let sentinels, "office", let server) = level.place else {
            throw BackendError(.closed, "", advice: "")
        }
        #expect(sentinels.map(\.credentials?.password) == [Secret("guard"), Secret("guard")])
        #expect(server.credentials?.password == Secret("x"))
        #expect(server.database == 3)
    }

    @Test func `memcached keeps for a day unless told otherwise`() throws {
        let level = try redis(["SCCACHE_MEMCACHED_ENDPOINT": "tcp://a:1 tcp://b?weight=2,unix:///run/m.sock"])
        #expect(level.timeToLive == .seconds(86_400))
        guard case .memcached(let servers) = level.place else { throw BackendError(.closed, "", advice: "") }
        #expect(servers.map(\.name) == ["memcached://a:1", "memcached://b:11211", "unix:///run/m.sock"])
        #expect(servers.map(\.weight) == [1, 2, 1])
        let forever = try redis(["SCCACHE_MEMCACHED": "a", "SCCACHE_MEMCACHED_EXPIRATION": "0"])
        #expect(forever.timeToLive == nil)
    }

    @Test func `Redis goes before memcached, and a chain names others`() {
        let both = ["SCCACHE_REDIS": "redis://r", "SCCACHE_MEMCACHED": "m"]
        func names(_ chain: String?) -> [String] {
            var environment = both
            environment["SCCACHE_MULTILEVEL_CHAIN"] = chain
            return RemoteSettings(environment: environment).levels.map(\.name)
        }
        #expect(names(nil) == ["redis"])
        #expect(names("disk, memcached,redis") == ["memcached", "redis"])
        #expect(names("disk,redis") == ["redis"])
        #expect(names("disk") == [])
        #expect(names("redis,redis,disk") == ["redis"])
        #expect(names("disk,s3,redis") == ["redis"])
        #expect(errors(["SCCACHE_MULTILEVEL_CHAIN": "disk,redis"]).count == 1)
        #expect(errors(["SCCACHE_MULTILEVEL_CHAIN": "disk,floppy"]).count == 1)
        #expect(RemoteSettings(environment: ["SCCACHE_BUCKET": "b"]).problems.count == 1)
    }

    @Test func `passwords show nowhere`() {
        let environments: [[String: String]] = [
            ["SCCACHE_REDIS": "redis://u:hun,ter@2hunter2@a/x"], ["SCCACHE_REDIS": "redis://u:hunter2@a"],
            ["SCCACHE_REDIS": "ftp://u:hunter2@a"], ["SCCACHE_REDIS": "redis://:hunter2@a:0"],
            ["SCCACHE_REDIS_CLUSTER_ENDPOINTS": "redis://:hunter2@a,redis://:hunter2@b"],
            ["SCCACHE_REDIS_ENDPOINT": "a", "SCCACHE_REDIS_PASSWORD": "hunter2"],
            ["SCCACHE_REDIS": "unix:///x?user=u&pass=hunter2"],
            ["SCCACHE_MEMCACHED": "u:hunter2@a"], ["SCCACHE_MEMCACHED": "a", "SCCACHE_MEMCACHED_PASSWORD": "hunter2"],
        ]
        for environment in environments {
            let settings = RemoteSettings(environment: environment)
            var text = "\(settings) \(settings.levels.map(\.redacted)) \(settings.problems)"
            dump(settings, to: &text)
            #expect(!text.contains("hunter2"), "\(environment)")
            #expect(!text.contains("ter@2"))
        }
    }
}
