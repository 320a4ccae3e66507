"""Other engines as subjects of measurement, each with its own defaults; they come with the extra ``alternatives``.

Each runs three tasks, one after the other, that add one to a number, written as its own documentation writes them.
"""
