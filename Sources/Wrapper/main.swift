import Answering

Answer.call(CommandLine.arguments)
