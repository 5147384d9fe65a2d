import Foundation

/// A cluster of three masters, and one replica of the first.
package final class RedisClusterServers: Sendable {
    package let masters: [RedisServer]
    package let replica: RedisServer

    /// How long a server may be silent before the others hold it for dead, in milliseconds: soon, so that a failover takes
    /// seconds, but not as soon as a busy machine may keep one waiting.
    private static let nodeTimeout = 3000

    package init() throws {
        let settings = [
            "cluster-enabled yes", "cluster-node-timeout \(Self.nodeTimeout)", "cluster-replica-validity-factor 0",
            "repl-ping-replica-period 1", "repl-diskless-sync-delay 0",
        ]
        masters = try (0..<3).map { _ in try RedisServer(settings: settings) }
        replica = try RedisServer(settings: settings)
        let bounds = [0, 5461, 10923, 16384]
        for (index, master) in masters.enumerated() {
            try master.command("CLUSTER", "ADDSLOTSRANGE", "\(bounds[index])", "\(bounds[index + 1] - 1)")
            try master.command("CLUSTER", "SET-CONFIG-EPOCH", "\(index + 1)")
        }
        for server in masters.dropFirst() + [replica] {
            try masters[0].command("CLUSTER", "MEET", "127.0.0.1", "\(server.port)", "\(server.busPort)")
        }
        let all = masters + [replica]
        try waitUntil("the cluster's servers know each other") {
            try all.allSatisfy { try $0.command("CLUSTER", "INFO").contains("cluster_known_nodes:4") }
        }
        try waitUntil("the replica follows") {
            try replica.command("CLUSTER", "REPLICATE", masters[0].command("CLUSTER", "MYID")) == "OK"
        }
        try waitUntil("the cluster is whole") {
            try all.allSatisfy { try $0.command("CLUSTER", "INFO").contains("cluster_state:ok") }
                && replica.command("INFO", "replication").contains("master_link_status:up")
        }
    }

    /// Servers' ports, for the endpoints' list.
    package var ports: [UInt16] { masters.map(\.port) }

    /// Waits until the replica has taken the first master's place.
    package func waitForFailover() throws {
        try waitUntil("the replica is master") {
            try replica.command("ROLE").hasPrefix("master")
                && replica.command("CLUSTER", "INFO").contains("cluster_state:ok")
        }
    }
}

/// A master, its replica, and sentinels that watch them.
package final class RedisSentinelServers: Sendable {
    package static let masterName = "office"

    package let master: RedisServer
    package let replica: RedisServer
    package let sentinels: [ServerProcess]
    package let sentinelPorts: [UInt16]
    private let folder: TemporaryFolder

    /// - Parameter sentinels: how many; a failover needs most of them.
    package init(sentinels count: Int = 2) throws {
        master = try RedisServer(settings: ["repl-diskless-sync-delay 0"])
        replica = try RedisServer(settings: ["replicaof 127.0.0.1 \(master.port)"])
        let folder = try TemporaryFolder()
        self.folder = folder
        let master = master
        sentinelPorts = try Loopback.freePorts(count)
        sentinels = try sentinelPorts.enumerated().map { index, port in
            let file = try folder.write(
                "sentinel-\(index).conf",
                """
                bind 127.0.0.1
                port \(port)
                dir \(folder.path)
                sentinel monitor \(Self.masterName) 127.0.0.1 \(master.port) 1
                sentinel down-after-milliseconds \(Self.masterName) 2000
                sentinel failover-timeout \(Self.masterName) 5000

                """
            )
            return try ServerProcess(["redis-sentinel", file], log: folder.appending("sentinel-\(index).log"))
        }
        let replica = replica
        try waitUntil("the replica follows") {
            try replica.command("INFO", "replication").contains("master_link_status:up")
        }
        for (process, port) in zip(sentinels, sentinelPorts) {
            try process.wait(for: "the sentinel (package redis-sentinel) knows the replica and the others") {
                guard let text = try? run("redis-cli", "-p", "\(port)", "SENTINEL", "MASTER", Self.masterName)
                else { return false }
                let lines = text.split(separator: "\n").map(String.init)
                func field(_ name: String) -> String? {
                    lines.firstIndex(of: name).flatMap { $0 + 1 < lines.count ? lines[$0 + 1] : nil }
                }
                return field("num-slaves") == "1" && field("num-other-sentinels") == "\(count - 1)"
            }
        }
    }

    /// Waits until the replica has become the master, and all sentinels say so.
    package func waitForFailover() throws {
        try waitUntil("the replica is master") {
            try replica.command("ROLE").hasPrefix("master")
                && sentinelPorts.allSatisfy { port in
                    try run("redis-cli", "-p", "\(port)", "SENTINEL", "GET-MASTER-ADDR-BY-NAME", Self.masterName)
                        .contains("\(replica.port)")
                }
        }
    }
}
