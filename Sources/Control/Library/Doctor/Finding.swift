/// One thing that was looked at.
package struct Finding: Sendable, Equatable {
    package enum State: String, Sendable { case good = "ok", note, problem }

    package let state: State
    package let subject: String
    package let text: String
    /// What to do; empty where nothing needs doing.
    package let advice: String

    package init(_ state: State, _ subject: String, _ text: String, advice: String = "") {
        self.state = state
        self.subject = subject
        self.text = text
        self.advice = advice
    }

    package static func text(_ findings: [Finding]) -> String {
        let width = findings.map(\.subject.count).max() ?? 0
        return findings.map { finding in
            var text =
                "\(finding.state.rawValue.padded(to: 7))  \(finding.subject.padded(to: width))  \(finding.text)\n"
            if !finding.advice.isEmpty { text += String(repeating: " ", count: width + 11) + finding.advice + "\n" }
            return text
        }.joined()
    }
}
