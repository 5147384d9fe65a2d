package import Platform
package import Settings
internal import Store

/// What every command starts from: the environment and the settings in force.
package struct Session: Sendable {
    package let environment: Environment
    package let settings: Settings

    package init(_ environment: Environment = Environment()) {
        self.environment = environment
        settings = Settings(environment, files: ConfigurationFiles.read(environment))
    }

    package var events: EventReader { EventReader(settings, environment) }

    /// The cache's folder.
    package func folder() throws(Failure) -> String {
        guard let folder = settings.folder else {
            throw Failure("there is no cache folder: set LARDER_DIR, or HOME")
        }
        return folder
    }

    /// Whether there is a cache at all; asking for one must not make it.
    package var hasCache: Bool { Store.recordedSize(in: settings.folder) != nil }
}

/// An error whose text says all there is to say.
package struct Failure: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}
