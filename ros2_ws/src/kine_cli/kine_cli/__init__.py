"""The command `kine`: the services of the stack from the command line."""
