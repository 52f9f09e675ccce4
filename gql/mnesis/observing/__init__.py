"""What an operator sees of a running server: logs, metrics and traces. None of them tells what memories hold."""
