"""Imported first by a service's process: it collects no garbage while it imports its modules.

They stay until its end, and to look through them again and again takes a quarter of a start. `server.freeze_gc`
collects what was left, and lets the garbage collector work from then on.
"""

import gc

gc.disable()
