/// larder's own version, as every program of it says it.
package enum Version {
    package static let text = "0.1.0"
}
