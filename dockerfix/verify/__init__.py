"""Proof by building: a tree before and after a fix, with canaries, on a real engine.

`scan` looks for a canary in an image, `image` reads what `docker save` writes, `engine` runs
builds and the scripts that start them, `proof` says what was shown. Nothing here knows how a
fix is made; it is given two trees.
"""
