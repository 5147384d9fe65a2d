internal import Glibc
internal import Platform

/// Writing and asking, past `print`.
enum Terminal {
    static func standardError(_ text: String) {
        Array(text.utf8).withUnsafeBytes { try? Files.write($0, to: 2, path: "standard error") }
    }

    /// Asks a yes-or-no question; without a terminal the answer is no.
    static func confirm(_ question: String) -> Bool {
        guard isatty(0) == 1 else {
            standardError("\(question) No terminal to ask on: say --yes to go on.\n")
            return false
        }
        print("\(question) [y/N] ", terminator: "")
        fflush(nil)
        let answer = readLine()?.lowercased() ?? ""
        return answer == "y" || answer == "yes"
    }
}
