internal import GatewayProtocol

extension GatewayReport {
    /// What `doctor` says of the gateway and each server.
    var findings: [Finding] {
        var findings = [Finding(.good, "gateway", "larderd \(version), process \(pid), up for \(Sizes.time(uptime))")]
        if queue > 0 {
            let cause = publishError.isEmpty ? "" : ": \(publishError)"
            findings.append(
                Finding(
                    .note,
                    "gateway",
                    "\(queue) results wait to be published\(cause)",
                    advice: "`larder flush` waits until they are."
                )
            )
        }
        for level in levels {
            let servers = level.servers?.health ?? []
            if servers.isEmpty {
                findings.append(
                    Finding(
                        .problem,
                        level.name,
                        "\(level.server) did not answer in time",
                        advice: "Check that the server runs and can be reached from here."
                    )
                )
            }
            for health in servers { findings += Self.findings(health, level) }
            if let speed = level.servers?.throughput, let put = speed["put"], let fetch = speed["fetch"] {
                findings.append(Self.speed(put: put, fetch: fetch, level))
            }
            if level.breaker != "closed" {
                findings.append(
                    Finding(.note, level.name, "left alone for now, because it failed: \(level.lastError)")
                )
            }
        }
        return findings
    }

    private static func findings(_ health: Health, _ level: Level) -> [Finding] {
        let role = health.role.map { " (\($0))" } ?? ""
        if let error = health.error {
            let cause = health.cause.map { ": \($0)" } ?? ""
            return [
                Finding(
                    .problem,
                    level.name,
                    "\(health.server)\(role): \(error)\(cause)",
                    advice: health.errorAdvice ?? ""
                )
            ]
        }
        var parts = ["\(health.server)\(role) answers" + (health.roundTrip.map { " in \(Sizes.time($0))" } ?? "")]
        if let version = health.version { parts.append("version \(version)") }
        if let used = health.used {
            parts.append("\(Sizes.text(used)) of \(health.limit.map(Sizes.text) ?? "no limit") used")
        }
        if let eviction = health.eviction { parts.append("eviction \(eviction)") }
        if level.readOnly { parts.append("read only from here") }
        return [Finding(.good, level.name, parts.joined(separator: ", "))]
            + health.advice.map { Finding(.note, level.name, health.server, advice: $0) }
    }

    /// Below this a shared hit may take longer than many a compile. Bytes a second.
    private static let slow: Int64 = 5 << 20

    private static func speed(put: Int64, fetch: Int64, _ level: Level) -> Finding {
        let text = "\(Sizes.text(UInt64(clamping: fetch)))/s fetched, \(Sizes.text(UInt64(clamping: put)))/s put"
        if fetch >= slow { return Finding(.good, level.name, text) }
        return Finding(
            .note,
            level.name,
            text,
            advice: "That is slow: large results may take longer to fetch than to compile."
        )
    }
}
