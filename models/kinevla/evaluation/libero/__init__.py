"""Judge for the paper's 41 LIBERO tasks, on recorded or simulated states; LIBERO itself is optional.

`frames` holds the states, `goals` and `kinematics` the checks, `tasks` the table of instructions, `judge` the
verdict. `reader` and `environment` need LIBERO with its assets and import it only when used.
"""
