/* aw_crash.h - test builds only (-DAW_CRASH_POINTS): being killed or hanging at a named point, and
 * failing syncs.
 *
 * AW_CRASH("unit.act.when") marks a point. AW_CRASH_AT="name[:count[:hang]]" in the environment,
 * read once, or aw_crash_arm() makes the process raise SIGKILL, or the thread hang for ever, when
 * it reaches that point for the count-th time (default 1). AW_FAULT("unit.act", bytes, len) marks a point that
 * AW_FAULT_AT="name:word" makes write to an address that is not there whenever the bytes hold the word.
 * Threads: a process-wide count; arm before threads start. */
#ifndef AW_CRASH_H
#define AW_CRASH_H

#include "aw_defs.h"

#ifdef AW_CRASH_POINTS

/* "name", "name:count", "name:count:hang" or NULL (no point); replaces what the environment said. */
void aw_crash_arm(const char *spec);
/* Names of all points that are linked in; a name used at several places is there several times. */
const char *const *aw_crash_names(size_t *count);

/* Asked before every fdatasync of a mapped file, NULL = nobody: false makes it fail with EIO,
 * undone. */
extern bool (*aw_crash_sync)(int fd);

#endif
#endif
