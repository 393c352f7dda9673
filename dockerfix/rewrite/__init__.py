"""How a secret moves out of a Dockerfile: what passes share, one question a module.

`candidates` finds the variables, `reading` asks each RUN what it reads, `plan` decides
what goes and what is mounted, `callers` turns the calls, `frontend` looks after the
`# syntax` line, `safety` weighs the evidence. Nothing here writes bytes or prints.
"""
