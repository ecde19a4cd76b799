#pragma once
/* A mapped file (a model, the vectors) that is cut or cannot be read while it is in use raises
 * SIGBUS: no call fails, so no error can be returned. The log says which file before the process
 * ends by the signal, and systemd starts it anew.
 * Threads: install once, before others start. */
void sigbus_install(void);
