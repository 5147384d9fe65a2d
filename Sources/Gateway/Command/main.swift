import Gateway
import Glibc
import Platform

exit(Daemon.run(CommandLine.arguments, environment: Environment()))
