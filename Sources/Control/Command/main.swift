import LarderControl

LarderCommand.start()
